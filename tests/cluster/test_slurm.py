"""The real command in a real Slurm of two nodes: steps, arrays, signals, requeueing, lost nodes."""

import os
import re
import shlex
import subprocess
import threading
import time

import pytest
from processes import ROOT, assert_same_outcome, outcome_of
from slurm import NODES, wait_until

# Long enough to be stopped in.
LONG = '--config.train.num_epochs=100'
PAIRS_OF_STEPS = int(os.environ.get('PAIRJAX_STEP_PAIRS', '2'))


@pytest.fixture(scope='module')
def alone(experiment, tmp_path_factory):
    """By flags: what one process with two devices leaves."""
    found, folder = {}, tmp_path_factory.mktemp('alone')

    def outcome(*flags):
        if flags not in found:
            workdir = folder / str(len(found))
            command = experiment.command(workdir, *flags)
            env = os.environ | experiment.env
            subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
            found[flags] = outcome_of(workdir)
        return found[flags]

    return outcome


@pytest.fixture
def run(slurm, experiment):
    """Runs words in Slurm, from the repository."""

    def run(*words, timeout=300):
        env = slurm.env | experiment.env
        return subprocess.run(
            words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout
        )

    return run


@pytest.fixture
def batch(slurm, run, tmp_path):
    """Submits a script and returns the job's number; its output is in tmp_path/out and err."""

    def submit(script, *options):
        path = tmp_path / 'job.sh'
        path.write_text(f'#!/bin/bash\n{script}\n')
        out = f'--output={tmp_path}/out', f'--error={tmp_path}/err', '--open-mode=append'
        result = run('sbatch', '--parsable', '--nodes=2', *out, *options, str(path))
        assert result.returncode == 0, result.stderr
        return int(result.stdout)

    return submit


def wait_for_job(slurm, job, state='COMPLETED', seconds=300):
    over = ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT', 'NODE_FAIL', 'PREEMPTED')
    wait_until(lambda: slurm.state(job) in over, f'job {job}', seconds)
    assert slurm.state(job) == state, slurm.errors(job)


def wait_for_line(workdir, seconds=200):
    wait_until((workdir / 'metrics.jsonl').exists, str(workdir), seconds)


def test_two_tasks_on_two_nodes_leave_what_one_process_leaves(run, experiment, alone, tmp_path):
    result = run('srun', '-N2', '-n2', *experiment.command(tmp_path / 'run'))
    assert result.returncode == 0, result.stderr
    assert '2 runs on 2 devices' in result.stdout
    assert_same_outcome(tmp_path / 'run', alone())


def test_steps_at_once_in_one_allocation_do_not_meet(slurm, batch, experiment, alone, tmp_path):
    """Two configs, two tasks each, on the same nodes, several times."""
    flags = (), ('--config.train.shuffle=False',)
    lines = []
    for number in range(PAIRS_OF_STEPS):
        for kind, own in enumerate(flags):
            words = experiment.command(tmp_path / f'{number}-{kind}', *own)
            options = '--overlap --exact -N2 -n2'
            lines.append(f'srun {options} {shlex.join(words)} & pids[{kind}]=$!')
        lines.append('wait ${pids[0]} && wait ${pids[1]} || exit 1')
    wait_for_job(slurm, batch('\n'.join(lines), '--ntasks=4'), seconds=120 * PAIRS_OF_STEPS)
    for number in range(PAIRS_OF_STEPS):
        for kind, own in enumerate(flags):
            assert_same_outcome(tmp_path / f'{number}-{kind}', alone(*own))


def test_an_array_trains_a_sweep_in_parts(slurm, run, batch, experiment, alone, tmp_path):
    """Its eight tasks run at once on one node."""
    rates = ', '.join(f'{i}e-3' for i in range(1, 9))
    sweep = f"--config.sweep.product=(('optimizer.learning_rate', ({rates})),)"
    words = shlex.join(experiment.command(tmp_path / 'run', sweep))
    part = '--config.sweep.part=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT'
    options = '--array=1-8', '--nodes=1', '--ntasks=1', f'--nodelist={NODES[0]}'
    job = batch(f'srun {words} {part}', *options)
    wait_until((tmp_path / 'run' / 'summary.json').exists, 'the sweep', 300)
    for number in range(1, 9):
        wait_for_job(slurm, f'{job}_{number}')
    assert_same_outcome(tmp_path / 'run', alone(sweep))


@pytest.mark.parametrize('name', ['TERM', 'USR1', 'HUP'])
def test_a_signal_stops_all_saved_and_says_how_to_go_on(
    slurm, batch, run, experiment, alone, tmp_path, name
):
    job = batch(f'srun -n2 {shlex.join(experiment.command(tmp_path / "run", LONG))}', '--ntasks=2')
    wait_for_line(tmp_path / 'run')
    assert run('scancel', f'--signal={name}', str(job)).returncode == 0
    wait_for_job(slurm, job, 'FAILED', 60)
    err = (tmp_path / 'err').read_text()
    command = re.search(r'stopped and saved after epoch (\d+).*; to resume: (.*)', err)
    assert 0 < int(command[1]) < 100
    words = shlex.split(command[2])
    assert words[:3] == ['srun', '--nodes=2', '--ntasks=2']
    # Another number of tasks and nodes goes on.
    result = run(*(['srun', '-N1', '-n1', *words[3:]] if name == 'USR1' else words))
    assert result.returncode == 0, result.stderr
    assert 'resuming after epoch' in result.stdout
    assert_same_outcome(tmp_path / 'run', alone(LONG))


def test_a_requeued_job_goes_on(slurm, batch, run, experiment, alone, tmp_path):
    words = shlex.join(experiment.command(tmp_path / 'run', LONG))
    job = batch(f'srun -n2 {words}', '--ntasks=2', '--requeue')
    wait_for_line(tmp_path / 'run')
    assert run('scontrol', 'requeue', str(job)).returncode == 0
    wait_until(lambda: slurm.state(job) == 'PENDING', 'the requeueing', 60)
    # Slurm would wait for two minutes before the job may start again; the end of its first script,
    # which may still be on its way to Slurm, must not be taken for that of the second.
    time.sleep(5)
    run('scontrol', 'update', f'jobid={job}', 'StartTime=now')
    wait_for_job(slurm, job)
    assert_same_outcome(tmp_path / 'run', alone(LONG))


def test_a_shell_in_a_step_is_told_for_whom_it_waits(slurm, experiment, tmp_path):
    """As in a shell that srun -n 4 --pty starts: the command runs in the first task alone."""
    words = shlex.join(experiment.command(tmp_path / 'run'))
    script = f'[ $SLURM_PROCID = 0 ] || exec sleep 100; {words}'
    shell = subprocess.Popen(
        ['srun', '-N2', '-n4', 'bash', '-c', script],
        **{'cwd': ROOT, 'env': slurm.env | experiment.env, 'text': True},
        stderr=subprocess.PIPE,
    )
    watchdog = threading.Timer(100, shell.kill)
    watchdog.start()
    line = shell.stderr.readline()
    watchdog.cancel()
    assert re.fullmatch(
        r'waiting for processes 1 to 3 of SLURM step \d+\.0 of test \(4 in all\); '
        r'to run this process by itself, pass --num_processes=1\n',
        line,
    )
    slurm.run('scancel', '-u', 'root')
    shell.communicate(timeout=60)


def test_alone_in_a_step_on_purpose(run, experiment, alone, tmp_path):
    words = shlex.join(experiment.command(tmp_path / 'run', '--num_processes=1'))
    script = f'[ $SLURM_PROCID != 0 ] || {words}'
    result = run('srun', '-N2', '-n2', 'bash', '-c', script)
    assert result.returncode == 0, result.stderr
    assert_same_outcome(tmp_path / 'run', alone())


def test_a_node_that_is_lost_ends_the_step_and_another_goes_on(
    slurm, batch, run, experiment, alone, tmp_path
):
    words = shlex.join(experiment.command(tmp_path / 'run', LONG))
    job = batch(f'srun -n2 --kill-on-bad-exit=0 {words}', '--ntasks=2', '--no-requeue')
    wait_for_line(tmp_path / 'run')
    slurm.slurmd[NODES[1]].kill()
    slurm.slurmd[NODES[1]].wait()
    over = ('FAILED', 'NODE_FAIL', 'COMPLETED', 'CANCELLED')
    wait_until(lambda: slurm.state(job) in over, 'the end of the job', 200)
    result = run('srun', '-N1', '-n2', '--overlap', *experiment.command(tmp_path / 'run', LONG))
    assert result.returncode == 0, result.stderr
    assert_same_outcome(tmp_path / 'run', alone(LONG))
    slurm.start_node(NODES[1])
    run('scontrol', 'update', f'nodename={NODES[1]}', 'state=resume')
    wait_until(slurm.is_up, 'the node', 60)
