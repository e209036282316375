"""A sweep trained in parts leaves what it leaves when it is trained as a whole."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import make_shallow_config
from processes import assert_same_outcome, outcome_of

from pairjax.analysis.paired import compare_workdirs
from pairjax.config import validate
from pairjax.errors import UserError
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.parts import join_parts, part_workdir, run_whole_or_part
from pairjax.runtime.plan import make_plan
from pairjax.trials import split_trials
from pairjax.workdir.lock import locked


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


def test_a_part_of_another_sweep_is_not_joined(small_digits_path, tmp_path):
    train_part(small_digits_path, tmp_path, '1/2')
    other = make_sweep(small_digits_path, '2/2')
    other.train.shuffle = True
    run_experiment(other, part_workdir(tmp_path, '2/2'))
    with pytest.raises(UserError, match=r'2-of-2 is no part of the experiment in .*1-of-2'):
        join_parts(tmp_path, 2)
    assert not (tmp_path / 'summary.json').exists()


def test_a_part_that_ends_while_another_one_joins_waits(small_digits_path, whole, tmp_path):
    """Of the tasks of an array that end at once, none fails."""
    for part in ('1/2', '2/2'):
        run_experiment(make_sweep(small_digits_path, part), part_workdir(tmp_path, part))
    with ThreadPoolExecutor() as threads:
        with locked(tmp_path):
            joined = threads.submit(join_parts, tmp_path, 2)
            with pytest.raises(TimeoutError):
                joined.result(timeout=1)
            assert not (tmp_path / 'summary.json').exists()
        assert joined.result(timeout=60) == []
    assert_same_outcome(tmp_path, outcome_of(whole))


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
