"""Many experiments in a row: all run, failures stand aside, finished ones are skipped."""

import os
import signal

import pytest
from made_results import DATA, make_trial, save_experiment
from rich.console import Console

from pairjax.config import default_config, validate
from pairjax.errors import UserError
from pairjax.reporting.progress import ProgressDisplay
from pairjax.runtime.many_experiments import run_experiments
from pairjax.runtime.preemption import Interrupted, StopRequest
from pairjax.system import write_json
from pairjax.workdir.workdir import read_json


def config_of(num_seeds):
    config = default_config()
    config.num_seeds = num_seeds
    return config


EXPERIMENTS = [('one', config_of(1)), ('two', config_of(2)), ('three', config_of(3))]


class Runs:
    """Stands in for run_experiment: notes who ran, and fails or finishes as told."""

    def __init__(self, failure=None, **errors):
        self.failure, self.errors, self.names = failure, errors, []

    def __call__(self, config, workdir, callbacks):
        self.names.append(workdir.name)
        if workdir.name in self.errors:
            raise self.errors[workdir.name]
        save_experiment(workdir, [make_trial([0.5, 0.6])] * 2)
        content = {'config': validate(config).to_dict(), 'data': DATA, 'versions': {}}
        write_json(workdir / 'config.json', content)
        summary = read_json(workdir / 'summary.json')
        summary['trials'][1]['failure'] = self.failure
        write_json(workdir / 'summary.json', summary)


@pytest.fixture
def display():
    return ProgressDisplay(Console(record=True, width=200, highlight=False))


def test_every_experiment_runs_in_a_workdir_of_its_own(tmp_path, display):
    run = Runs()
    workdirs = run_experiments(iter(EXPERIMENTS), tmp_path, run, [display])
    assert workdirs == {name: tmp_path / name for name in ('one', 'two', 'three')}
    assert run.names == ['one', 'two', 'three']


@pytest.mark.parametrize(
    ('error', 'shown'),
    [
        (UserError('the pool is too small'), 'two (2/3) failed: the pool is too small\n'),
        (ValueError('a bug'), 'two (2/3) failed: ValueError: a bug\n'),
    ],
)
def test_a_failure_is_shown_and_the_others_run(tmp_path, display, error, shown):
    run = Runs(two=error)
    workdirs = run_experiments(EXPERIMENTS, tmp_path, run, [display])
    assert list(workdirs) == ['one', 'three']
    assert shown in display.console.export_text()


def test_what_is_finished_is_skipped_and_what_failed_runs_again(tmp_path, display):
    run_experiments(EXPERIMENTS, tmp_path, Runs(two=UserError('no')), [display])
    again = Runs()
    workdirs = run_experiments(EXPERIMENTS, tmp_path, again, [display])
    assert again.names == ['two']
    assert list(workdirs) == ['one', 'two', 'three']
    assert 'three (3/3): finished before' in display.console.export_text()


def test_another_config_in_a_finished_workdir_is_left_to_run_experiment(tmp_path, display):
    run_experiments(EXPERIMENTS, tmp_path, Runs(), [display])
    again = Runs()
    run_experiments([('one', config_of(1)), ('two', config_of(9))], tmp_path, again, [display])
    assert again.names == ['two']


def test_an_experiment_without_summary_goes_on(tmp_path, display):
    run_experiments(EXPERIMENTS, tmp_path, Runs(), [display])
    (tmp_path / 'one' / 'summary.json').unlink()
    again = Runs()
    run_experiments(EXPERIMENTS, tmp_path, again, [display])
    assert again.names == ['one']


def test_an_interruption_stops_everything(tmp_path, display):
    run = Runs(two=Interrupted('stopped and saved after epoch 3'))
    with pytest.raises(Interrupted, match='after epoch 3'):
        run_experiments(EXPERIMENTS, tmp_path, run, [display])
    assert run.names == ['one', 'two']


def test_a_signal_in_the_last_epoch_of_an_experiment_keeps_the_next_from_starting(
    tmp_path, display
):
    names, before = [], signal.getsignal(signal.SIGINT)

    def run(config, workdir, callbacks):
        names.append(workdir.name)
        with StopRequest() as stop:  # As run_experiment does, which finishes all the same.
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.requested

    with pytest.raises(Interrupted, match=r'before two \(2/3\)'):
        run_experiments(EXPERIMENTS, tmp_path, run, [display])
    assert names == ['one']
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_while_an_experiment_is_prepared_is_not_forgotten():
    with StopRequest() as outer:
        os.kill(os.getpid(), signal.SIGINT)
        with StopRequest() as inner:
            assert inner is outer and inner.requested
    with StopRequest() as another:
        assert not another.requested


def test_an_experiment_with_a_failed_trial_runs_again(tmp_path, display):
    run_experiments(EXPERIMENTS[:1], tmp_path, Runs(failure='RuntimeError: no luck'), [display])
    again = Runs()
    run_experiments(EXPERIMENTS[:1], tmp_path, again, [display])
    run_experiments(EXPERIMENTS[:1], tmp_path, again, [display])
    assert again.names == ['one']


def test_a_wrong_config_and_a_damaged_workdir_are_failures_of_one_experiment(tmp_path, display):
    run_experiments(EXPERIMENTS, tmp_path, Runs(), [display])
    (tmp_path / 'three' / 'config.json').write_text('{')
    wrong = [('one', config_of(-1)), *EXPERIMENTS[1:]]
    assert list(run_experiments(wrong, tmp_path, Runs(), [display])) == ['two']
    shown = display.console.export_text()
    assert 'one (1/3) failed: num_seeds=-1' in shown
    assert 'three (3/3) failed' in shown and 'cannot be read as JSON' in shown
