"""The real command under a real mpirun."""

import os
import re
import shlex
import shutil
import subprocess
import time

import pytest
from processes import ROOT, assert_same_outcome, outcome_of

MPIRUN = ['mpirun', '--allow-run-as-root', '--oversubscribe', '-n', '2']


@pytest.fixture(scope='module')
def env(experiment):
    if shutil.which('mpirun') is None:
        pytest.skip('mpirun missing: apt-get install openmpi-bin')
    version = subprocess.run(['mpirun', '--version'], capture_output=True, text=True).stdout
    if '(Open MPI) 4' not in version:
        pytest.skip(f'needs Open MPI 4: {version.splitlines()[:1]}')
    kept = {k: v for k, v in os.environ.items() if not k.startswith(('SLURM_', 'OMPI_', 'PMI'))}
    return kept | experiment.env


@pytest.fixture(scope='module')
def alone(experiment, env, tmp_path_factory):
    workdir = tmp_path_factory.mktemp('alone') / 'run'
    subprocess.run(experiment.command(workdir), cwd=ROOT, env=env, check=True, capture_output=True)
    return outcome_of(workdir)


def start(env, *words):
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    return subprocess.Popen(words, cwd=ROOT, env=env, **pipes)


def test_mpiruns_at_once_leave_what_one_process_leaves(experiment, env, alone, tmp_path):
    workdirs = [tmp_path / 'first', tmp_path / 'second']
    started = [start(env, *MPIRUN, *experiment.command(workdir)) for workdir in workdirs]
    for process, workdir in zip(started, workdirs, strict=True):
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert '2 runs on 2 devices' in out
        assert_same_outcome(workdir, alone)


def test_mpirun_passes_a_signal_on_and_the_command_goes_on(experiment, env, tmp_path):
    flags = '--config.train.num_epochs=100'
    process = start(env, *MPIRUN, *experiment.command(tmp_path / 'run', flags))
    deadline = time.monotonic() + 200
    while not (tmp_path / 'run' / 'metrics.jsonl').exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(10)  # SIGUSR1, which mpirun forwards; SIGTERM it follows by a SIGKILL.
    _, err = process.communicate(timeout=200)
    command = shlex.split(re.search('stopped and saved after epoch .*; to resume: (.*)', err)[1])
    assert command[:3] == ['mpirun', '-n', '2']
    out, err = start(env, *MPIRUN, *command[3:]).communicate(timeout=300)
    assert 'resuming after epoch' in out, err
