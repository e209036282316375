"""How far an experiment is: by hand-made workdirs, a running process, and the command."""

import io
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import make_shallow_config
from failing import failing_trainer
from made_results import DATA
from processes import HOLD
from rich.console import Console

from pairjax.config import default_config, validate
from pairjax.errors import UserError
from pairjax.reporting.status_table import duration, show_status
from pairjax.runtime import train_loop
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.preemption import Interrupted
from pairjax.system import write_json
from pairjax.trials import expand_trials
from pairjax.workdir.failure_log import append_failure
from pairjax.workdir.lock import Holder
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.status import read_status
from pairjax.workdir.workdir import open_workdir

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = ((32, 32, 64, 256), (32, 32, 64, 128))


def make_workdir(workdir, num_seeds=2, num_epochs=4, widths=WIDTHS, rates=(1e-3, 1e-2)):
    """An experiment that has not begun: a program per width, in each a trial per rate."""
    config = default_config()
    config.name, config.num_seeds, config.train.num_epochs = 'mine', num_seeds, num_epochs
    config.sweep.product = (('model.widths', widths), ('optimizer.learning_rate', rates))
    trials = [trial.hyperparameters for trial in expand_trials(validate(config))]
    open_workdir(workdir, validate(config).to_dict(), DATA, False, trials)
    return workdir


def lines(trials, epochs, accuracy=0.5, seconds=1.0, seeds=(0, 1), loss=0.1):
    """Lines of metrics.jsonl in the order in which a program writes them."""
    return [
        {
            'trial': trial,
            'seed': seed,
            'epoch': epoch,
            'train_loss': loss,
            **dict.fromkeys(('train_accuracy', 'test_accuracy', 'test_digit_accuracy')),
            'validation_accuracy': accuracy,
            'train_seconds': seconds,
            'compile_seconds': 0.0,
        }
        for epoch in epochs
        for trial in trials
        for seed in seeds
    ]


def states(status):
    return [program.state for program in status.programs]


def shown(workdir):
    """What is printed about a workdir."""
    console = Console(width=200, file=io.StringIO())
    show_status(read_status(workdir), workdir, console)
    return console.file.getvalue()


@pytest.fixture
def workdir(tmp_path):
    return make_workdir(tmp_path / 'workdir')


@pytest.fixture
def holder(workdir):
    """Another process that holds the workdir."""
    command = [sys.executable, '-c', HOLD, str(workdir)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'held\n'
    yield process
    process.kill()
    process.communicate()


# ------------------------------------------------------------------ epochs and seconds


def test_before_the_first_epoch(workdir):
    status = read_status(workdir)
    assert states(status) == ['not begun', 'not begun']
    assert status.seconds_left is None and status.seconds_since_epoch is None
    assert status.holder is None and not status.complete
    out = shown(workdir)
    assert 'mine in' in out and 'stopped' in out and '4 trials, 8 runs: 4 not begun' in out


def test_epochs_count_when_every_run_has_them_and_accuracies_with_them(workdir):
    metrics = Metrics(workdir)
    metrics.append(lines((0,), (1,), 0.6, seeds=(0,)) + lines((0,), (1,), 0.7, seeds=(1,)))
    metrics.append(lines((1,), (1,), 0.9) + lines((0, 1), (2,), None) + lines((0,), (3,), 0.99))
    program, other = read_status(workdir).programs
    assert (program.state, program.epochs, program.num_epochs) == ('begun', 2, 4)
    assert (other.state, other.epochs, other.seconds_per_epoch) == ('not begun', 0, None)
    # Epoch 3 is not whole and epoch 2 was not evaluated: the latest figures are of epoch 1.
    assert [t.validation_accuracy for t in program.trials] == [[0.6, 0.7], [0.9, 0.9]]
    row = next(line for line in shown(workdir).splitlines() if '│ 0 AuxNet2' in line)
    cells = [cell.strip() for cell in row.split('│')[2:]]
    # Two values 0.1 apart: a standard error of 0.05, and t of one degree of freedom is 12.706.
    assert cells[:6] == ['begun', '2/4', '2', '65.00 [1.47, 128.53]', '2', '0']


def test_a_half_written_line_is_left_out(workdir):
    Metrics(workdir).append(lines((0, 1), (1,)))
    with Metrics(workdir).path.open('a') as file:
        file.write('{"trial": 0, "seed": 0, "epo')
    before = Metrics(workdir).path.read_bytes()
    assert read_status(workdir).programs[0].epochs == 1
    assert Metrics(workdir).path.read_bytes() == before


def test_seconds_left_are_those_of_the_epochs_so_far(workdir):
    # Four runs share an epoch of 3 * 4 and one of 5 * 4 seconds: 16 on average.
    metrics = Metrics(workdir)
    metrics.append(lines((0, 1), (1,), seconds=3.0) + lines((0, 1), (2,), seconds=5.0))
    metrics.append(lines((0,), (3,), seconds=1000.0))
    status = read_status(workdir)
    assert status.programs[0].seconds_per_epoch == 16 and status.programs[0].seconds_left == 32
    # The other program has four runs as well, and all four epochs before it.
    assert status.seconds_left == 32 + 4 * 16
    assert 'about 96 s of training left, if programs that have not begun' in shown(workdir)


def test_a_program_with_half_an_epoch_is_counted_like_one_not_begun(workdir):
    Metrics(workdir).append(lines((0, 1), (1, 2, 3, 4)) + lines((2,), (1,)))
    status = read_status(workdir)
    assert states(status) == ['finished', 'begun'] and status.seconds_left == 16


def test_diverged_runs_are_counted(workdir):
    metrics = Metrics(workdir)
    metrics.append(lines((0, 1), (1,), 0.75, seeds=(0,)))
    metrics.append(lines((0, 1), (1,), None, seeds=(1,), loss=None))
    (first, _), _ = (program.trials for program in read_status(workdir).programs)
    assert first.validation_accuracy == [0.75] and first.num_failed == 1


def test_the_newest_whole_checkpoint_is_named(workdir):
    for name in ('7', '10', '11.orbax-checkpoint-tmp'):
        (workdir / 'checkpoints' / 'program_0001' / name).mkdir(parents=True)
    assert [p.saved_epoch for p in read_status(workdir).programs] == [None, 10]


@pytest.mark.parametrize(
    ('seconds', 'text'), [(0.4, '0 s'), (119, '119 s'), (120, '2 min'), (7200, '2.0 h')]
)
def test_durations_are_for_people(seconds, text):
    assert duration(seconds) == text


def test_a_line_of_an_unknown_trial_is_a_sentence(workdir):
    Metrics(workdir).append(lines((9,), (1,)))
    with pytest.raises(UserError, match=r'line 1 is of trial 9, but the experiment has 4 trials'):
        read_status(workdir)


# ------------------------------------------------------------------ who is at it


def contents(workdir):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in workdir.rglob('*') if p.is_file()}


def test_a_running_process_is_named_and_left_alone(workdir, holder):
    Metrics(workdir).append(lines((0, 1), (1,)))
    before = contents(workdir)
    status = read_status(workdir)
    assert status.holder == Holder(platform.node(), holder.pid, True)
    assert states(status) == ['under way', 'not begun']
    out = shown(workdir)
    assert f'running, process {holder.pid} on {platform.node()}; last epoch written ' in out
    assert contents(workdir) == before and holder.poll() is None


def test_while_the_next_program_compiles_none_is_under_way(workdir, holder):
    Metrics(workdir).append(lines((0, 1), (1, 2, 3, 4)))
    assert states(read_status(workdir)) == ['finished', 'not begun']


def test_a_killed_process_does_not_run(workdir, holder):
    Metrics(workdir).append(lines((0, 1), (1,)))
    holder.kill()
    holder.wait()
    assert json.loads((workdir / 'lock').read_text())['process'] == holder.pid
    status = read_status(workdir)
    assert status.holder is None and states(status) == ['begun', 'not begun']


def test_another_process_with_the_number_of_a_dead_one_is_not_taken_for_it(workdir):
    lock = {'host': platform.node(), 'process': os.getppid()}
    (workdir / 'lock').write_text(json.dumps(lock))
    assert read_status(workdir).holder is None


def test_of_another_host_only_what_the_file_says_is_known(workdir):
    (workdir / 'lock').write_text('{"host": "far", "process": 12}\n')
    assert read_status(workdir).holder == Holder('far', 12, False)
    assert 'in use by process 12 on far by its lock file, which cannot' in shown(workdir)


@pytest.mark.parametrize('content', ['', '{"host": "fa', '[]', '{"host": "far"}'])
def test_a_lock_that_says_nothing_is_free(workdir, content):
    (workdir / 'lock').write_text(content)
    assert read_status(workdir).holder is None


# ------------------------------------------------------------------ failures


def fail(workdir, name, message='no luck'):
    try:
        try:
            raise KeyError('the first of two')
        except KeyError:
            raise RuntimeError(message)  # noqa: B904
    except RuntimeError:
        append_failure(workdir, name)


def test_failures_are_told_with_their_reasons(workdir):
    fail(workdir, 'AuxNet2 (32, 32, 64, 256) x 2 1/2', 'first')
    fail(workdir, 'AuxNet2 (32, 32, 64, 128) x 2 2/2', 'several\nlines')
    fail(workdir, 'AuxNet2 (32, 32, 64, 256) x 2 1/2', 'again')
    status = read_status(workdir)
    assert states(status) == ['failed', 'failed']
    reasons = [program.failure for program in status.programs]
    assert reasons == ['RuntimeError: again', 'RuntimeError: several']
    assert 'failed: RuntimeError: again' in shown(workdir)


def test_a_failed_program_that_went_well_later_is_no_failure(workdir):
    fail(workdir, 'AuxNet2 (32, 32, 64, 256) x 2 1/2')
    Metrics(workdir).append(lines((0, 1), (1, 2, 3, 4)))
    status = read_status(workdir)
    assert states(status) == ['finished', 'not begun'] and status.programs[0].failure is None


def test_what_failed_last_is_not_under_way_until_it_is_tried_again(workdir, holder):
    Metrics(workdir).append(lines((0, 1), (1,)))
    fail(workdir, 'AuxNet2 (32, 32, 64, 256) x 2 1/2')
    os.utime(Metrics(workdir).path, (1, 1))
    assert states(read_status(workdir)) == ['failed', 'not begun']
    os.utime(Metrics(workdir).path)
    assert states(read_status(workdir)) == ['under way', 'not begun']


def test_what_failed_takes_no_time(workdir):
    Metrics(workdir).append(lines((0, 1), (1,)))
    fail(workdir, 'AuxNet2 (32, 32, 64, 128) x 2 2/2')
    assert read_status(workdir).seconds_left == 3 * 4


# ------------------------------------------------------------------ many trials


def test_a_hundred_trials_stay_readable(tmp_path):
    rates = tuple(i / 1000 for i in range(1, 101))
    workdir = make_workdir(tmp_path / 'wide', widths=WIDTHS[:1], rates=rates)
    Metrics(workdir).append(lines(range(100), (1,)))
    out = shown(workdir)
    assert out.count('AuxNet2') == 20 and len(out.splitlines()) < 35
    assert '100 trials, 200 runs: 100 begun' in out and 'not shown: 80 begun' in out


def test_of_many_those_under_way_and_those_that_failed_are_shown(tmp_path):
    workdir = make_workdir(tmp_path / 'many', widths=tuple((8, 8, 8, w) for w in range(1, 41)))
    Metrics(workdir).append(lines(range(60), (1, 2, 3, 4)) + lines((60, 61), (1,)))
    fail(workdir, 'AuxNet2 (8, 8, 8, 40) x 2 40/40')
    out = shown(workdir)
    rows = [line.split('│')[1].split()[0] for line in out.splitlines() if line.startswith('│')]
    assert rows == ['78', '79', '60', '61']
    assert '80 trials, 160 runs: 2 failed, 2 begun, 60 finished, 16 not begun' in out
    assert 'not shown: 60 finished, 16 not begun' in out


# ------------------------------------------------------------------ real experiments


class LookAfter(Callback):
    """Reads the status after each epoch, as another process would."""

    def __init__(self, workdir):
        self.workdir, self.seen = workdir, []

    def on_epoch_end(self, name, epoch, records):
        self.seen.append(read_status(self.workdir))


def make_real_config(path):
    config = make_shallow_config(path)
    config.runs.devices = 1  # One program after another.
    config.checkpoint.every_seconds = 0.0
    config.sweep.product = (('model.widths', ((8,), (5,), (6,), (7,))),)
    # A ShallowModel has 392 h + h + 2 h + 2 parameters: 8 and 5 are left out.
    config.sweep.param_range = (395 * 5 + 2, 395 * 8 + 2)
    return config


def test_a_real_experiment_is_followed_epoch_by_epoch(small_digits_path, tmp_path, monkeypatch):
    config, workdir = make_real_config(small_digits_path), tmp_path / 'workdir'
    look = LookAfter(workdir)
    monkeypatch.setattr(train_loop, 'Trainer', failing_trainer([(7,)], 'no luck', 2))
    with pytest.raises(UserError, match='1 of 2 programs failed'):
        run_experiment(config, workdir, callbacks=[look])
    assert [states(status) for status in look.seen] == [
        ['under way', 'not begun'],
        ['under way', 'not begun'],
        ['finished', 'not begun'],
        ['finished', 'under way'],
    ]
    assert [status.programs[0].saved_epoch for status in look.seen] == [None, 1, 2, 3]
    assert all(s.holder == Holder(platform.node(), os.getpid(), True) for s in look.seen)
    names = [program.trials[0].name for program in look.seen[0].programs]
    assert names == ['ShallowModel (6)', 'ShallowModel (7)']
    status = read_status(workdir)
    assert status.holder is None and not status.complete
    assert states(status) == ['finished', 'failed']
    assert status.programs[1].failure == 'RuntimeError: no luck'


def test_a_finished_experiment_says_so_with_the_figures_of_its_summary(small_digits_path, tmp_path):
    config = make_real_config(small_digits_path)
    summary = run_experiment(config, tmp_path / 'workdir')
    status = read_status(tmp_path / 'workdir')
    assert status.complete and status.seconds_left == 0
    for program, trial in zip(status.programs, summary['trials'], strict=True):
        expected = trial['final_validation_accuracy']['values']
        assert program.trials[0].validation_accuracy == expected
    measured = sum(program.seconds_per_epoch * program.epochs for program in status.programs)
    assert measured == pytest.approx(summary['timing']['train_seconds'])
    assert 'workdir: finished\n' in shown(tmp_path / 'workdir')


def without_trials(workdir):
    """As earlier versions wrote config.json."""
    saved = json.loads((workdir / 'config.json').read_text())
    del saved['trials']
    write_json(workdir / 'config.json', saved)
    return saved


def test_workdirs_of_earlier_versions_are_read_as_far_as_can_be(workdir):
    expected = read_status(workdir)
    saved = without_trials(workdir)
    assert read_status(workdir) == expected
    saved['config']['sweep']['param_range'] = (1, 1000)
    write_json(workdir / 'config.json', saved)
    with pytest.raises(UserError, match=r'config\.json.*which trials sweep.param_range left'):
        read_status(workdir)
    one = {'hyperparameters': expand_trials(validate(default_config()))[0].hyperparameters}
    write_json(workdir / 'summary.json', {'trials': [one]})
    assert len(read_status(workdir).programs) == 1


# ------------------------------------------------------------------ the command


def status_command(tmp_path, *flags):
    """The command where jax cannot be imported."""
    (tmp_path / 'jax.py').write_text('raise ImportError("jax is not needed to answer this")')
    command = [sys.executable, 'launch/main.py', '--status', *flags]
    env = os.environ | {'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_the_command_needs_neither_config_nor_jax(workdir, tmp_path):
    Metrics(workdir).append(lines((0, 1), (1,)))
    before = contents(workdir)
    process = status_command(tmp_path, f'--workdir={workdir}')
    assert (process.returncode, process.stderr) == (0, '')
    assert (
        f'mine in {workdir}: stopped' in process.stdout and '2 begun, 2 not begun' in process.stdout
    )
    assert contents(workdir) == before


@pytest.mark.parametrize(
    ('flags', 'expected'),
    [
        ([], '--status needs --workdir'),
        (['--workdir={tmp}/nothing'], '{tmp}/nothing/config.json does not exist; name a workdir'),
        (['--config=configs/shallow.py', '--config.name=never'], 'runs/never/config.json does not'),
    ],
)
def test_where_there_is_no_experiment_it_is_a_sentence(tmp_path, flags, expected):
    process = status_command(tmp_path, *(flag.format(tmp=tmp_path) for flag in flags))
    assert process.returncode == 1 and process.stdout == ''
    assert process.stderr.startswith('error: ' + expected.format(tmp=tmp_path))


def test_an_interrupted_experiment_is_begun(small_digits_path, tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, name, epoch, records):
            if epoch == 2:
                os.kill(os.getpid(), 2)

    config = make_real_config(small_digits_path)
    with pytest.raises(Interrupted):
        run_experiment(config, tmp_path / 'workdir', callbacks=[Stop()])
    status = read_status(tmp_path / 'workdir')
    assert states(status) == ['begun', 'not begun']
    assert (status.programs[0].epochs, status.programs[0].saved_epoch) == (2, 2)
