"""The trace of one epoch: which one, where it lies, and that training is not changed by it."""

import io
import re

import jax
import pytest
from failing import failing_trainer
from rich.console import Console

from pairjax.errors import UserError
from pairjax.reporting.progress import ProgressDisplay
from pairjax.runtime import train_loop
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.profiling import Profile
from pairjax.workdir.metrics_log import Metrics


@pytest.fixture
def config(small_config):
    small_config.model.name, small_config.model.widths = 'ShallowModel', (6,)
    small_config.model.dropout_rate = small_config.loss.aux_weight = 0.0
    return small_config


def run(config, workdir, directory):
    """Runs with a profile and returns what was printed; errors stay with the caller."""
    console = Console(file=io.StringIO(), width=200)
    display = ProgressDisplay(console)
    run_experiment(config, workdir, callbacks=[display, Profile(directory, display.on_message)])
    return console.file.getvalue()


def traced_epochs(directory):
    """The numbers of the epochs marked in each trace file, in the order of the files."""
    traces = []
    for path in sorted(directory.rglob('*.xplane.pb')):
        planes = jax.profiler.ProfileData.from_file(str(path)).planes
        events = [event for plane in planes for line in plane.lines for event in line.events]
        marks = [dict(event.stats) for event in events if event.name == 'epoch']
        traces.append([mark['step_num'] for mark in marks])
    return traces


def results_of(workdir):
    return [
        {name: value for name, value in record.items() if not name.endswith('_seconds')}
        for record in Metrics(workdir).read()
    ]


def test_the_second_epoch_is_traced_and_no_result_changes(config, tmp_path):
    printed = run(config, tmp_path / 'with', tmp_path / 'deep' / 'profile')
    assert traced_epochs(tmp_path / 'deep' / 'profile') == [[2]]
    assert f'profile of epoch 2 of ShallowModel (6) 1/1 in {tmp_path}/deep/profile;' in printed
    assert f'xprof --logdir={tmp_path}/deep/profile' in printed
    run_experiment(config, tmp_path / 'without')
    assert results_of(tmp_path / 'with') == results_of(tmp_path / 'without')


def test_where_there_is_no_second_epoch_it_says_so(config, tmp_path):
    config.train.num_epochs = 1
    printed = run(config, tmp_path / 'workdir', tmp_path / 'profile')
    assert traced_epochs(tmp_path / 'profile') == []
    assert f'--profile={tmp_path}/profile: no epoch was traced' in printed


def test_a_program_with_one_epoch_is_passed_over_and_then_one_trace_is_enough(config, tmp_path):
    config.sweep.product = (('train.num_epochs', (1, 3, 2)),)
    printed = run(config, tmp_path / 'workdir', tmp_path / 'profile')
    assert traced_epochs(tmp_path / 'profile') == [[2]]
    # The two longer programs start in the order in which their compilation ends.
    assert re.search(r'profile of epoch 2 of ShallowModel \(6\) [23]/3 in', printed)


def test_a_program_that_fails_while_it_is_traced_leaves_it_to_the_next(
    config, tmp_path, monkeypatch
):
    config.sweep.product = (('model.widths', ((6,), (7,))),)
    monkeypatch.setattr(train_loop, 'Trainer', failing_trainer([(6,)], 'no luck', 2))
    with pytest.raises(UserError, match='1 of 2 programs failed'):
        run(config, tmp_path / 'workdir', tmp_path / 'profile')
    assert traced_epochs(tmp_path / 'profile')[-1] == [2]
    assert {r['epoch'] for r in results_of(tmp_path / 'workdir') if r['trial'] == 1} == {1, 2, 3}


def test_a_profiler_that_is_in_use_costs_no_result(config, tmp_path):
    with jax.profiler.trace(tmp_path / 'other'):
        printed = run(config, tmp_path / 'workdir', tmp_path / 'profile')
    assert 'there is no trace (' in printed
    assert len(results_of(tmp_path / 'workdir')) == 9


def test_a_directory_that_cannot_be_made_is_a_sentence(config, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match=r'--profile=.*file/profile cannot be created'):
        run(config, tmp_path / 'workdir', tmp_path / 'file' / 'profile')
    assert results_of(tmp_path / 'workdir') == []
