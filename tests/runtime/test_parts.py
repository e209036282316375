"""A sweep trained in parts leaves what it leaves when it is trained as a whole."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import make_shallow_config
from processes import ROOT, assert_same_outcome, outcome_of

from pairjax.analysis.paired import compare_workdirs
from pairjax.config import validate
from pairjax.errors import UserError
from pairjax.runtime import parts
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.parts import join_parts, part_workdir, run_whole_or_part
from pairjax.runtime.plan import make_plan
from pairjax.system import write_json
from pairjax.trials import split_trials
from pairjax.workdir import lock
from pairjax.workdir.lock import locked
from pairjax.workdir.workdir import JOINING, read_config


def make_sweep(path, part=''):
    config = make_shallow_config(path)
    config.runs.devices, config.train.num_epochs = 1, 2
    config.sweep.product = (
        ('optimizer.learning_rate', (1e-3, 1e-2, 2e-2)),
        ('model.widths', ((4,), (5,))),
    )
    config.sweep.part = part
    return config


@pytest.fixture(scope='module')
def whole(small_digits_path, tmp_path_factory):
    workdir = tmp_path_factory.mktemp('whole') / 'workdir'
    run_experiment(make_sweep(small_digits_path), workdir)
    return workdir


class Messages(Callback):
    def __init__(self):
        self.said = []

    def on_message(self, text):
        self.said.append(text)


def train_part(path, workdir, part):
    """Trains a part, and returns what is said of it in the end."""
    messages = Messages()
    found = run_whole_or_part(validate(make_sweep(path, part)), workdir, callbacks=[messages])
    assert found == part_workdir(workdir, part)
    return messages.said[-1].partition('; ')[2]


def test_parts_of_programs_join_to_the_whole(small_digits_path, whole, tmp_path):
    """Four parts of two programs of three trials: two of the parts have trials of both or one."""
    said = [train_part(small_digits_path, tmp_path, f'{n}/4') for n in (3, 1, 4)]
    assert said == [f'{left} of 4 are not' for left in (3, 2, 1)]
    with pytest.raises(UserError, match=r'1 are not finished; start --config.sweep.part=2/4 and'):
        run_whole_or_part(validate(make_sweep(small_digits_path)), tmp_path)
    assert not (tmp_path / 'config.json').exists()
    assert train_part(small_digits_path, tmp_path, '2/4') == f'all are, in {tmp_path}'
    assert_same_outcome(tmp_path, outcome_of(whole))
    first, second = (json.loads((w / 'config.json').read_text()) for w in (tmp_path, whole))
    assert first == second
    # The command of the whole sweep finds it finished, and so do the readers of workdirs.
    before = (tmp_path / 'summary.json').read_bytes()
    assert run_whole_or_part(validate(make_sweep(small_digits_path)), tmp_path) == tmp_path
    assert (tmp_path / 'summary.json').read_bytes() == before
    compared = compare_workdirs([f'{tmp_path}:0', f'{tmp_path}:5'], 'final_test_accuracy')
    assert len(compared.arms) == 2


@pytest.fixture(scope='module')
def two_parts(small_digits_path, tmp_path_factory):
    """Both parts, not joined; the second one was trained elsewhere and saves less often."""
    workdir, moved = tmp_path_factory.mktemp('parts'), tmp_path_factory.mktemp('moved') / 'some.npz'
    shutil.copy(small_digits_path, moved)
    for path, part in ((small_digits_path, '1/2'), (moved, '2/2')):
        config = make_sweep(path, part)
        config.checkpoint.every_seconds = 100.0 * int(part[0])
        run_experiment(config, part_workdir(workdir, part))
    return workdir


@pytest.fixture
def unjoined(two_parts, tmp_path):
    shutil.copytree(two_parts, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_parts_that_were_run_elsewhere_and_otherwise_join(unjoined, whole):
    assert join_parts(unjoined, 2) == []
    assert_same_outcome(unjoined, outcome_of(whole))


def forge(workdir, change):
    saved = read_config(workdir)
    change(saved)
    write_json(workdir / 'config.json', saved)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (
            lambda saved: saved['config']['train'].update(shuffle=True),
            'train.shuffle is True there',
        ),
        (lambda saved: saved['data'].update(fingerprint='0'), "fingerprint is '0' there"),
    ],
)
def test_a_part_of_another_sweep_or_of_other_images_is_not_joined(unjoined, change, words):
    forge(part_workdir(unjoined, '2/2'), change)
    with pytest.raises(UserError, match=rf'2-of-2 is no part of the .*1-of-2: .*{words}'):
        join_parts(unjoined, 2)
    assert not (unjoined / 'summary.json').exists()


def test_a_part_beside_another_experiment_is_refused_before_it_trains(
    small_digits_path, whole, tmp_path
):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    other = make_sweep(small_digits_path, '1/2')
    other.train.shuffle = True
    for overwrite in (False, True):
        with pytest.raises(UserError, match=r'cannot be joined: train\.shuffle is False there'):
            run_whole_or_part(validate(other), tmp_path, overwrite)
    assert not (tmp_path / 'parts').exists()


def test_a_part_of_other_images_than_a_finished_whole_is_not_said_to_be_joined(unjoined, whole):
    shutil.copytree(whole, unjoined, dirs_exist_ok=True)
    forge(unjoined, lambda saved: saved['data'].update(fingerprint='0'))
    with pytest.raises(UserError, match="cannot be joined: data: fingerprint is '0' there"):
        join_parts(unjoined, 2)


def test_a_whole_that_is_trained_itself_is_not_replaced_by_old_parts(unjoined, small_digits_path):
    """As one that was begun with --overwrite and is gone on with without it."""
    config = validate(make_sweep(small_digits_path))
    with pytest.raises(UserError, match='killed'):
        run_whole_or_part(config, unjoined, True, [KilledAfterAnEpoch()])
    assert (unjoined / 'metrics.jsonl').exists()
    parts.join_found_parts(unjoined)
    assert not (unjoined / 'summary.json').exists()


class KilledAfterAnEpoch(Callback):
    def on_epoch_end(self, *arguments):
        raise RuntimeError('killed')


def test_a_part_that_ends_while_another_one_joins_waits(unjoined, whole):
    """Of the tasks of an array that end at once, none fails."""
    with ThreadPoolExecutor() as threads:
        with locked(unjoined):
            joined = threads.submit(join_parts, unjoined, 2)
            with pytest.raises(TimeoutError):
                joined.result(timeout=1)
            assert not (unjoined / 'summary.json').exists()
        assert joined.result(timeout=60) == []
    assert_same_outcome(unjoined, outcome_of(whole))


@pytest.fixture
def no_locks(monkeypatch):
    """As on a Lustre file system that is mounted without flock."""

    def flock(*arguments):
        raise OSError('Function not implemented')

    monkeypatch.setattr(lock.fcntl, 'flock', flock)


def test_without_locks_a_part_waits_for_the_files_of_another_ones_join(unjoined, whole, no_locks):
    (unjoined / JOINING).mkdir()
    with ThreadPoolExecutor() as threads:
        joined = threads.submit(join_parts, unjoined, 2)
        with pytest.raises(TimeoutError):
            joined.result(timeout=1)
        (unjoined / JOINING).rmdir()
        assert joined.result(timeout=60) == []
    assert_same_outcome(unjoined, outcome_of(whole))


def test_without_locks_a_part_that_is_second_to_join_is_content(
    unjoined, whole, no_locks, monkeypatch
):
    def join(workdir, workdirs):
        shutil.copytree(whole, workdir, dirs_exist_ok=True)
        raise UserError('joining cannot be written (File exists)')

    monkeypatch.setattr(parts, '_join', join)
    assert join_parts(unjoined, 2) == []
    # One that fails alone still says so.
    (unjoined / 'summary.json').unlink()
    monkeypatch.setattr(parts, 'UNLOCKED_WAIT_S', 0.1)
    monkeypatch.setattr(shutil, 'copytree', lambda *arguments, **options: None)
    with pytest.raises(UserError, match='File exists'):
        join_parts(unjoined, 2)


def test_the_status_of_a_sweep_in_parts_is_that_of_each(unjoined):
    shutil.rmtree(part_workdir(unjoined, '2/2'))
    with pytest.raises(UserError, match='is trained in parts, which --status shows'):
        compare_workdirs([f'{unjoined}:0', f'{unjoined}:1'], 'final_test_accuracy')
    command = [sys.executable, 'launch/main.py', '--status', f'--workdir={unjoined}']
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0 and '1-of-2' in shown.stdout


def test_every_trial_is_in_one_part_and_structures_stay_together():
    settings = [{'model.name': name, 'n': 0} for name in 'abab' * 5]
    parts = split_trials(settings, 4)
    assert sorted(index for part in parts for index in part) == list(range(20))
    assert [len(part) for part in parts] == [5] * 4
    assert all(len({settings[index]['model.name'] for index in part}) == 1 for part in parts)
    assert [len(part) for part in split_trials(settings, 3)] == [6, 7, 7]


def test_more_parts_than_trials_are_too_many(small_digits_path):
    with pytest.raises(UserError, match=r'sweep\.part=7/7, but the sweep has 6 trials'):
        make_plan(make_sweep(small_digits_path, '7/7'))


@pytest.mark.parametrize(
    'part', ['3', '0/3', '4/3', '1/0', 'a/b', '1/2/3', '-1/3', ' 1/3', '1/3\n']
)
def test_a_part_that_is_none_is_refused(small_digits_path, part):
    with pytest.raises(UserError, match=r'sweep\.part='):
        make_plan(make_sweep(small_digits_path, part))
