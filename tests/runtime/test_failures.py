"""A program that fails: the others finish, its reason is kept, and it can be tried again."""

import re

import pytest
from conftest import make_shallow_config
from failing import failing_trainer

from pairjax.errors import UserError
from pairjax.runtime import train_loop
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.plan import make_plan
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import read_json


def make_config(path):
    config = make_shallow_config(path)
    config.sweep.product = (
        ('model.widths', ((6,), (7,), (8,))),
        ('optimizer.learning_rate', (1e-3, 1e-2)),
    )
    return config


@pytest.fixture
def config(small_digits_path):
    return make_config(small_digits_path)


@pytest.fixture(scope='module')
def whole(small_digits_path, tmp_path_factory):
    """The summary of the experiment in which nothing fails."""
    return run_experiment(make_config(small_digits_path), tmp_path_factory.mktemp('whole') / 'run')


@pytest.mark.parametrize('during_epoch', [None, 2])
def test_the_others_finish_and_the_failed_one_is_tried_again(
    config, whole, tmp_path, monkeypatch, during_epoch
):
    workdir = tmp_path / 'failing'
    with monkeypatch.context() as patch:
        patch.setattr(train_loop, 'Trainer', failing_trainer([(7,)], 'no luck', during_epoch))
        with pytest.raises(UserError, match=r'^1 of 3 programs failed.*\(7\) x 2 2/3.*no luck'):
            run_experiment(config, workdir)
    summary = read_json(workdir / 'summary.json')
    for index, (trial, other) in enumerate(zip(summary['trials'], whole['trials'], strict=True)):
        if index in (2, 3):
            assert trial['failure'] == 'RuntimeError: no luck'
            assert trial['seeds'] == [] and trial['final_test_accuracy']['mean'] is None
        else:
            assert trial == other and trial['failure'] is None
    assert 'Traceback' in (workdir / 'failures.log').read_text()

    def finished_lines():
        return [line for line in Metrics(workdir).read() if line['trial'] not in (2, 3)]

    lines = finished_lines()
    again = run_experiment(config, workdir)
    assert again['trials'] == whole['trials']
    # The finished trials were not trained again: their lines have the same seconds.
    assert finished_lines() == lines and len(lines) == 2 * len(Metrics(workdir).read()) // 3


def test_when_everything_fails_there_is_no_summary(config, tmp_path, monkeypatch):
    failing = failing_trainer([(6,), (7,), (8,)], 'RESOURCE_EXHAUSTED: out of memory allocating')
    monkeypatch.setattr(train_loop, 'Trainer', failing)
    with pytest.raises(UserError, match=r'3 of 3 programs failed.*out of memory'):
        run_experiment(config, tmp_path / 'workdir')
    assert not (tmp_path / 'workdir' / 'summary.json').exists()


def test_what_stops_every_program_stops_the_experiment(config, tmp_path, monkeypatch):
    def disk_full(*_):
        raise UserError('the disk is full')

    monkeypatch.setattr(Metrics, 'append', disk_full)
    with pytest.raises(UserError, match='the disk is full'):
        run_experiment(config, tmp_path / 'workdir')


@pytest.mark.parametrize(
    ('devices', 'per_batch', 'sentence'),
    [
        (1, 6, 'with 6 runs at a time on each of 1 devices; try runs.per_batch=3'),
        (2, 3, 'with 3 runs at a time on each of 2 devices; try runs.per_batch=1'),
        (4, 1, 'with 1 runs at a time on each of 4 devices; try runs.devices=2, or a '),
        (1, 1, 'try a smaller train.batch_size than 5, or a smaller num_seeds'),
    ],
)
@pytest.mark.parametrize('error', [RuntimeError('RESOURCE_EXHAUSTED: on'), MemoryError()])
def test_out_of_memory_names_what_to_set(config, devices, per_batch, sentence, error):
    config.runs.devices, config.runs.per_batch = devices, per_batch
    text = train_loop.failure_sentence(make_plan(config), 0, error)
    assert text.startswith('out of memory with ') and sentence in text


def test_what_is_named_for_want_of_memory_helps_in_the_end(config, tmp_path, monkeypatch):
    """It trains as soon as two runs at a time are what fits, in the same workdir."""

    class Small(train_loop.Trainer):
        def __init__(self, plan, number, group=None):
            super().__init__(plan, number, group)
            if self.layout.per_batch > 2:
                raise RuntimeError('RESOURCE_EXHAUSTED: Out of memory allocating 7 bytes.')

    monkeypatch.setattr(train_loop, 'Trainer', Small)
    config.model.widths = (6,)
    config.sweep.product = (('optimizer.learning_rate', (1e-3, 1e-2)),)
    config.runs.devices, config.runs.per_batch, tried = 1, 6, []
    while config.runs.per_batch not in tried:
        tried.append(config.runs.per_batch)
        try:
            run_experiment(config, tmp_path)
        except UserError as error:
            config.runs.per_batch = int(re.search(r'try runs.per_batch=(\d+)', str(error))[1])
    assert tried == [6, 3, 1]
    assert not read_json(tmp_path / 'summary.json')['trials'][0]['failed_seeds']
