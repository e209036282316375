"""Several processes: the records of one, decisions that all follow, and nobody left waiting."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from forked import ForkedCommand

from pairjax.config import default_config
from pairjax.errors import UserError
from pairjax.runtime import sharding
from pairjax.runtime.cluster import from_flags
from pairjax.workdir.lock import locked

ROOT = Path(__file__).resolve().parents[2]
NUM_EPOCHS = 25  # Long enough to be stopped in.
# Two programs of ten runs, which three devices do not divide.
CONFIG = f"""
from pairjax.config import default_config

def get_config():
    config = default_config()
    config.name = 'shared'
    config.num_seeds = 5
    config.data.source = 'npz'
    config.data.num_train_pairs = 20
    config.data.num_validation_pairs = 8
    config.data.num_test_pairs = 15
    config.model.name = 'ShallowModel'
    config.model.dropout_rate = config.loss.aux_weight = 0.0
    config.train.batch_size, config.train.num_epochs = 5, {NUM_EPOCHS}
    config.train.shuffle = True
    config.runs.devices = 3
    config.sweep.product = (
        ('model.widths', ((6,), (8,))), ('optimizer.learning_rate', (1e-3, 1e-2))
    )
    return config
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(('localhost', 0))
        return listener.getsockname()[1]


class Fleet:
    """Starts processes as a person would, and leaves none behind."""

    def __init__(self, directory, digits):
        self.directory, self.started = directory, []
        (directory / 'shared.py').write_text(CONFIG)
        self.training = [
            'launch/main.py',
            f'--config={directory / "shared.py"}',
            f'--config.data.dir={digits}',
        ]
        self.env = os.environ | {
            'PYTHONPATH': str(ROOT),
            'JAX_COMPILATION_CACHE_DIR': str(directory / 'compiled'),
            'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
        }

    def start(self, *arguments):
        command = [sys.executable, *arguments]
        if arguments[0] == '-c':
            pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
            process = subprocess.Popen(command, cwd=ROOT, env=self.env, **pipes)
        else:
            process = ForkedCommand(command, self.env)
        self.started.append(process)
        return self.started[-1]

    def train(self, count, workdir, *flags):
        """Starts training in so many processes, each naming a workdir of its own.

        Args:
          count: of processes.
          workdir: of the first process.
          flags: of all of them, or a list for each.
        """
        each = flags if flags and isinstance(flags[0], list) else [list(flags)] * count
        port, processes = free_port(), []
        for number in range(count):
            place = [f'--workdir={workdir if number == 0 else f"{workdir}-{number}"}']
            if count > 1:
                place += [f'--coordinator=localhost:{port}', f'--num_processes={count}']
                place += [f'--process_id={number}']
            processes.append(self.start(*self.training, *place, *each[number]))
        return processes


def finish(processes, returncode=0):
    """Waits for processes; their output lies in the attributes out and err."""
    for process in processes:
        out, process.err = process.communicate(timeout=300)
        # Of these lines jaxlib's are not ours to silence.
        lines = out.splitlines(keepends=True)
        process.out = ''.join(line for line in lines if not line.startswith('[Gloo]'))
    for process in processes:
        assert process.returncode == returncode, process.err
    return processes


def wait_for_an_epoch(workdir):
    deadline = time.monotonic() + 300
    while not (workdir / 'metrics.jsonl').exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def sentences(processes):
    """What each of them calls an error, once."""
    lines = [[x for x in p.err.splitlines() if x.startswith('error: ')] for p in processes]
    assert all(len(found) == 1 for found in lines), [p.err for p in processes]
    assert not any('Traceback' in p.err for p in processes)
    return [found[0] for found in lines]


def results_of(workdir):
    """The lines of metrics.jsonl without clock values, and the trials of summary.json."""
    lines = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
    lines = [{k: v for k, v in line.items() if not k.endswith('_seconds')} for line in lines]
    return lines, json.loads((workdir / 'summary.json').read_text())['trials']


def assert_silent_and_without_files(processes, workdir):
    """What every process but the first has to be."""
    for number, process in enumerate(processes[1:], 1):
        assert process.out == ''
        assert not Path(f'{workdir}-{number}').exists()


@pytest.fixture(scope='module')
def fleet(tmp_path_factory, small_digits_path):
    fleet = Fleet(tmp_path_factory.mktemp('hosts'), small_digits_path)
    yield fleet
    for process in fleet.started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture(scope='module')
def alone(fleet):
    """The workdir of one process with three devices; not to be changed."""
    workdir = fleet.directory / 'alone'
    finish(fleet.train(1, workdir))
    return workdir


def test_several_processes_leave_the_records_of_one(fleet, alone, tmp_path):
    """Three devices each way: of two processes, one has two of them."""
    processes = finish(fleet.train(2, tmp_path / 'several'))
    assert results_of(tmp_path / 'several') == results_of(alone)
    assert '10 runs on 3 devices' in processes[0].out and '0* ' in processes[0].out
    files = sorted(path.name for path in alone.iterdir())
    assert sorted(path.name for path in (tmp_path / 'several').iterdir()) == files
    assert_silent_and_without_files(processes, tmp_path / 'several')


def test_a_signal_to_one_stops_all_and_another_number_goes_on(fleet, alone, tmp_path):
    workdir = tmp_path / 'stopped'
    processes = fleet.train(2, workdir)
    wait_for_an_epoch(workdir)
    processes[1].send_signal(signal.SIGTERM)
    finish(processes, returncode=130)
    assert 'stopped and saved after epoch' in processes[0].err
    assert_silent_and_without_files(processes, workdir)
    lines = len((workdir / 'metrics.jsonl').read_text().splitlines())
    assert 0 < lines < 20 * NUM_EPOCHS and lines % 10 == 0
    assert not (workdir / 'summary.json').exists()
    processes = finish(fleet.train(3, workdir))
    assert 'resuming after epoch' in processes[0].out
    assert results_of(workdir) == results_of(alone)


def test_a_process_that_dies_is_noticed(fleet, tmp_path):
    """At once; jax then waits for its heartbeat to time out, which nobody should here."""
    workdir = tmp_path / 'killed'
    processes = fleet.train(2, workdir)
    wait_for_an_epoch(workdir)
    processes[1].kill()
    watchdog = threading.Timer(300, processes[0].kill)
    watchdog.start()
    sentence = next(line for line in processes[0].stderr if line.startswith('error: '))
    watchdog.cancel()
    assert 'another process has ended or cannot be reached' in sentence
    assert (workdir / 'metrics.jsonl').stat().st_size > 0


def test_a_workdir_of_another_experiment_ends_all(fleet, alone):
    before = (alone / 'config.json').read_bytes()
    flags = ['--config.train.shuffle=False']
    for sentence in sentences(finish(fleet.train(2, alone, *flags), returncode=1)):
        assert 'belongs to another experiment: train.shuffle is True' in sentence
    assert (alone / 'config.json').read_bytes() == before


def test_a_workdir_in_use_ends_all(fleet, tmp_path):
    with locked(tmp_path / 'used'):
        processes = finish(fleet.train(2, tmp_path / 'used'), returncode=1)
    for sentence in sentences(processes):
        assert f'{tmp_path / "used"} is in use by process {os.getpid()}' in sentence


def test_different_configs_end_all_and_the_field_is_named(fleet, tmp_path):
    flags = [[], ['--config.optimizer.weight_decay=0.5', '--config.optimizer.name=adamw']]
    processes = finish(fleet.train(2, tmp_path / 'new', *flags), returncode=1)
    for sentence in sentences(processes):
        assert "optimizer.name is 'adam' in process 0 and 'adamw' in process 1" in sentence
    assert not (tmp_path / 'new').exists()


TALK = """
import json, sys
import jax, numpy as np
from pairjax.runtime import multihost
from pairjax.errors import UserError

multihost.LARGEST_PIECE = 2**16
port, me = sys.argv[1], int(sys.argv[2])
jax.distributed.initialize(f'localhost:{port}', 3, me, cluster_detection_method='deactivate')

def failing(error):
    def action():
        if me == 1:
            raise error
        return me
    return action

def alone():
    if me == 1:
        raise ValueError('too bad')
    return multihost.any_process('inner', True)

def told(call, *arguments):
    if call is multihost.any_process and len(arguments) > 2:
        *arguments, identity = arguments
        multihost.set_identity(identity)
    try:
        return call(*arguments)
    except (UserError, RuntimeError, TypeError) as error:
        return [type(error).__name__, str(error)]

size = [10, 3, 100_000][me]
parts = multihost.all_gather_objects('parts', lambda: np.full(size, me, np.float64))
print(json.dumps({
    'parts': [[len(part), float(part.min()), float(part.max())] for part in parts],
    'together': multihost.raise_on_all('together', lambda: me * 10),
    'first': multihost.on_primary('first', lambda: me + 5),
    'none': multihost.any_process('none', False),
    'any': multihost.any_process('any', me == 2),
    'user': told(multihost.all_gather_objects, 'user', failing(UserError('mend this'))),
    'program': told(multihost.raise_on_all, 'program', failing(RuntimeError('RESOURCE_EXHAUSTED'))),
    'same': told(multihost.assert_equal_across_processes, 'same', {'a': 1, 'b': 2}),
    'different': told(multihost.assert_equal_across_processes, 'differ', {'a': 1, 'b': max(me, 1)}),
    'after': multihost.all_gather_objects('after', lambda: me),
    'apart': told(multihost.any_process, 'here' if me == 1 else 'there', True),
    'alone': told(multihost.raise_on_all, 'outer', alone),
    'object': told(multihost.on_primary, 'object', object),
    'still': multihost.any_process('still', False),
    'stranger': told(multihost.any_process, 'stranger', False, f'step {me // 2}'),
}))
"""


def test_what_one_process_says_all_hear(fleet):
    port = free_port()
    processes = finish([fleet.start('-c', TALK, str(port), str(number)) for number in range(3)])
    answers = [json.loads(process.out) for process in processes]
    assert [answer.pop('together') for answer in answers] == [0, 10, 20]
    own = ['RuntimeError', 'RESOURCE_EXHAUSTED']
    retold = ['RuntimeError', 'in process 1: RuntimeError: RESOURCE_EXHAUSTED']
    assert [answer.pop('program') for answer in answers] == [retold, own, retold]
    sentence = 'b is 1 in process 0 and 2 in process 2; start all processes with the same config'
    for answer in answers:
        assert answer.pop('different')[1].startswith(sentence)
        kind, text = answer.pop('apart')
        places = "process 0 is at 'there', process 1 is at 'here', process 2 is at 'there'"
        assert kind == 'ProcessesApart' and places in text
        kind, text = answer.pop('alone')
        assert kind == 'ProcessesApart' and 'process 1 failed: ValueError: too bad (' in text
        kind, text = answer.pop('object')
        assert 'a message cannot hold a object' in text
        kind, text = answer.pop('stranger')
        assert kind == 'ProcessesApart'
        assert text.startswith('process 2 belongs to step 1 and process 0 to step 0, but they met')
        assert answer == {
            'parts': [[10, 0, 0], [3, 1, 1], [100_000, 2, 2]],
            'first': 5,
            'none': False,
            'any': True,
            'user': ['UserError', 'mend this'],
            'same': None,
            'still': False,
            'after': [0, 1, 2],
        }


def test_flags_make_a_process_one_of_several():
    assert from_flags(None, None, None) is None
    assert from_flags('node1:1234', 4, 3) == {
        'coordinator_address': 'node1:1234',
        'num_processes': 4,
        'process_id': 3,
        'cluster_detection_method': 'deactivate',
    }


@pytest.mark.parametrize(
    ('flags', 'words'),
    [
        (('node1:1234', None, None), '--num_processes and --process_id missing'),
        ((None, 2, 0), '--coordinator missing'),
        (('node1', 2, 0), '--coordinator=node1 is not HOST:PORT'),
        (('node1:x', 2, 0), '--coordinator=node1:x is not HOST:PORT'),
        (('node1:1234', 2, 2), '--process_id=2 does not exist'),
    ],
)
def test_flags_that_do_not_fit_together_are_named(flags, words):
    with pytest.raises(UserError, match=words):
        from_flags(*flags)


def test_a_missing_flag_ends_the_command_before_anything_is_made(fleet, tmp_path):
    flags = [f'--workdir={tmp_path / "new"}', '--num_processes=2']
    processes = finish([fleet.start(*fleet.training, *flags)], returncode=1)
    assert '--coordinator and --process_id missing' in sentences(processes)[0]
    assert not (tmp_path / 'new').exists()


def make_devices(counts):
    """Stand-ins for devices, so many a process."""

    class Device:
        platform = 'cpu'

        def __init__(self, process, number):
            self.process_index, self.name = process, (process, number)

    return [Device(p, n) for p, count in enumerate(counts) for n in range(count)]


@pytest.mark.parametrize(
    ('counts', 'count', 'chosen'),
    [
        ((4,), 2, [(0, 0), (0, 1)]),
        ((2, 2), 2, [(0, 0), (1, 0)]),
        ((4, 1, 2), 5, [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]),
        ((4, 1, 2), 6, [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1)]),
    ],
)
def test_devices_are_taken_evenly_from_the_processes(monkeypatch, counts, count, chosen):
    monkeypatch.setattr(jax, 'devices', lambda: make_devices(counts))
    assert [device.name for device in sharding.spread_devices(jax.devices(), count)] == chosen


def test_every_process_takes_part(monkeypatch):
    config = default_config()
    monkeypatch.setattr(jax, 'process_count', lambda: 4)
    assert sharding.choose_layout(3, config.runs, 100).mesh.size == 4
    assert sharding.choose_layout(3, config.runs, 100).padded == 4
    config.runs.devices = 3
    with pytest.raises(UserError, match=r'runs\.devices=3, but there are 4 processes'):
        sharding.choose_layout(3, config.runs, 100)


def test_uneven_shares_are_put_together_in_order(monkeypatch):
    """What two processes with two devices and one hold of five runs and one of padding."""
    shares = [{2: np.array([2, 3]), 0: np.array([0, 1])}], [{4: np.array([4, 4])}]
    monkeypatch.setattr(
        sharding, 'all_gather_objects', lambda tag, action: action() and list(shares)
    )
    chosen = sharding.choose_layout(5, default_config().runs, 100)
    stacked = sharding.stack_runs([np.int32(i) for i in range(5)], chosen)
    together = sharding.unstack_runs(stacked, chosen)
    np.testing.assert_array_equal(together, range(5))
