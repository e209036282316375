"""The host loop: records, resume, interruptions, failed runs, and what evaluation restores."""

import json
import os
import shutil
import signal
import time

import jax
import numpy as np
import pytest
from conftest import make_shallow_config
from data_files import write_images
from orbax.checkpoint import v1 as ocp

from pairjax.errors import UserError
from pairjax.inference.evaluate_workdir import evaluate_workdir
from pairjax.runtime import train_loop
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.plan import make_plan
from pairjax.runtime.preemption import Interrupted
from pairjax.workdir.checkpoints import Checkpoints
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import checkpoint_directory


class InterruptAfter(Callback):
    """Sends this process a signal when an epoch of its counting has passed."""

    def __init__(self, epochs, number=signal.SIGINT):
        self.epochs_left, self.number = epochs, number

    def on_epoch_end(self, *values):
        self.epochs_left -= 1
        if self.epochs_left == 0:
            os.kill(os.getpid(), self.number)
            time.sleep(0.2)  # Handlers run in the main thread, which needs its turn.


class Crash(BaseException):
    """Stands for the power going out."""


class CrashAfter(InterruptAfter):
    def on_epoch_end(self, *values):
        self.epochs_left -= 1
        if self.epochs_left == 0:
            raise Crash


def make_sweep_config(path):
    """Two programs of two trials each; networks that compile in a second."""
    config = make_shallow_config(path)
    config.train.shuffle = True
    config.checkpoint.every_seconds = 0.0
    config.runs.devices = 2
    config.sweep.product = (
        ('model.widths', ((8,), (6,))),
        ('optimizer.learning_rate', (1e-3, 1e-2)),
    )
    return config


@pytest.fixture
def config(small_digits_path):
    return make_sweep_config(small_digits_path)


@pytest.fixture(scope='module')
def finished(small_digits_path, tmp_path_factory):
    """The workdir and summary of an experiment that nothing interrupted; not to be changed."""
    workdir = tmp_path_factory.mktemp('finished') / 'workdir'
    return workdir, run_experiment(make_sweep_config(small_digits_path), workdir)


def without_clock(records):
    return [{k: v for k, v in r.items() if not k.endswith('_seconds')} for r in records]


def contents(directory):
    return {p.relative_to(directory): p.read_bytes() for p in directory.rglob('*') if p.is_file()}


def final_states(workdir):
    states = {}
    for directory in sorted((workdir / 'checkpoints').iterdir()):
        with ocp.training.Checkpointer(directory) as checkpointer:
            assert checkpointer.latest.step == 3
            states[directory.name] = checkpointer.load()
    return states


def assert_same_outcome(workdir, summary, finished):
    other_workdir, other_summary = finished
    records, others = (Metrics(path).read() for path in (workdir, other_workdir))
    assert without_clock(records) == without_clock(others)
    assert summary['trials'] == other_summary['trials']
    states, others = final_states(workdir), final_states(other_workdir)
    assert len(states) == 2
    jax.tree.map(np.testing.assert_array_equal, states, others)


def test_lines_cover_every_trial_seed_and_epoch_in_order(finished, config):
    records = Metrics(finished[0]).read()
    expected = [
        (trial, seed, epoch)
        for program in ((0, 1), (2, 3))
        for epoch in (1, 2, 3)
        for trial in program
        for seed in (0, 1, 2)
    ]
    assert [(r['trial'], r['seed'], r['epoch']) for r in records] == expected


@pytest.mark.parametrize(
    ('epochs', 'number'), [(1, signal.SIGTERM), (3, signal.SIGINT), (5, signal.SIGINT)]
)
def test_an_interrupted_experiment_resumes_to_the_same_outcome(
    config, tmp_path, finished, epochs, number
):
    workdir = tmp_path / 'interrupted'
    with pytest.raises(Interrupted, match='saved after epoch'):
        run_experiment(config, workdir, callbacks=[InterruptAfter(epochs, number)])
    assert not (workdir / 'summary.json').exists()
    lines_before = len(Metrics(workdir).read())
    assert lines_before == epochs * 6
    summary = run_experiment(config, workdir)
    assert_same_outcome(workdir, summary, finished)


def test_a_signal_while_a_program_compiles_stops_before_its_first_epoch(
    config, tmp_path, finished, monkeypatch
):
    class Compiling(train_loop.Trainer):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)  # Handlers run in the main thread, which needs its turn.

    workdir = tmp_path / 'interrupted'
    with monkeypatch.context() as patch:
        patch.setattr(train_loop, 'Trainer', Compiling)
        with pytest.raises(Interrupted, match='stopped before a further epoch of 2 programs'):
            run_experiment(config, workdir)
    assert Metrics(workdir).read() == []
    assert_same_outcome(workdir, run_experiment(config, workdir), finished)


def test_lines_past_the_checkpoint_are_written_once(config, tmp_path, finished):
    """A crash between the metrics of an epoch and its checkpoint repeats that epoch."""
    workdir = tmp_path / 'crashed'
    with pytest.raises(Crash):
        run_experiment(config, workdir, callbacks=[CrashAfter(2)])
    assert Checkpoints(checkpoint_directory(workdir, 0)).latest_epoch == 1
    with Metrics(workdir).path.open('a') as file:
        file.write('{"trial": 0, "seed": 0, "epo')
    summary = run_experiment(config, workdir)
    assert_same_outcome(workdir, summary, finished)


def test_lost_lines_are_made_again(config, tmp_path, finished):
    workdir = tmp_path / 'lost'
    with pytest.raises(Interrupted):
        run_experiment(config, workdir, callbacks=[InterruptAfter(2)])
    path = Metrics(workdir).path
    path.write_text(''.join(path.read_text().splitlines(keepends=True)[:4]))
    summary = run_experiment(config, workdir)
    assert_same_outcome(workdir, summary, finished)


def test_a_doubled_line_is_made_again(config, tmp_path, finished):
    """As two processes in one workdir would leave it."""
    workdir = tmp_path / 'doubled'
    with pytest.raises(Interrupted):
        run_experiment(config, workdir, callbacks=[InterruptAfter(2)])
    path = Metrics(workdir).path
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[0])
    summary = run_experiment(config, workdir)
    assert_same_outcome(workdir, summary, finished)


def test_a_damaged_line_is_named_and_what_it_held_is_made_again(config, tmp_path, finished):
    workdir = shutil.copytree(finished[0], tmp_path / 'damaged')
    path = Metrics(workdir).path
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(''.join([*lines[:30], lines[30].replace('{', '(', 1), *lines[31:]]))
    before = contents(workdir)
    with pytest.raises(UserError, match=r'metrics\.jsonl, line 31 is no record.*delete that line'):
        run_experiment(config, workdir)
    assert contents(workdir) == before
    path.write_text(''.join([*lines[:30], *lines[31:]]))
    summary = run_experiment(config, workdir)
    assert_same_outcome(workdir, summary, finished)


def test_a_damaged_summary_is_named_and_made_again(config, tmp_path, finished):
    workdir = shutil.copytree(finished[0], tmp_path / 'damaged')
    path = workdir / 'summary.json'
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=r'summary\.json cannot be read.*; delete it, and'):
        run_experiment(config, workdir)
    path.unlink()
    assert run_experiment(config, workdir) == finished[1]


def test_a_damaged_config_is_named_and_nothing_is_touched(config, tmp_path, finished):
    workdir = shutil.copytree(finished[0], tmp_path / 'damaged')
    path = workdir / 'config.json'
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    before = contents(workdir)
    with pytest.raises(UserError, match=r'config\.json cannot be read.*; put a copy back, or'):
        run_experiment(config, workdir)
    assert contents(workdir) == before
    path.write_bytes(whole)
    assert run_experiment(config, workdir) == finished[1]


def test_a_run_that_diverges_in_its_last_step_counts_as_failed(config, tmp_path):
    """Its loss was taken before that step and is finite."""
    config.sweep.product, config.model.widths = (), (8,)
    config.train.num_epochs, config.train.batch_size = 1, config.data.num_train_pairs
    config.optimizer.learning_rate = 1e38
    summary = run_experiment(config, tmp_path / 'last step')
    assert summary['trials'][0]['failed_seeds'] == [0, 1, 2]
    assert all(row['test_accuracy'] is None for row in evaluate_workdir(tmp_path / 'last step'))


def test_evaluation_needs_no_more_devices_than_there_are(config, tmp_path):
    config.sweep.product, config.model.widths = (), (8,)
    summary = run_experiment(config, tmp_path / 'moved')
    path = tmp_path / 'moved' / 'config.json'
    saved = json.loads(path.read_text())
    saved['config']['runs']['devices'] = 64
    path.write_text(json.dumps(saved))
    accuracies = [row['test_accuracy'] for row in evaluate_workdir(tmp_path / 'moved')]
    assert accuracies == summary['trials'][0]['final_test_accuracy']['values']


def test_a_finished_experiment_is_not_trained_again(config, finished):
    workdir, summary = finished
    before = Metrics(workdir).path.read_bytes()
    assert run_experiment(config, workdir) == summary
    assert Metrics(workdir).path.read_bytes() == before


def test_a_checkpoint_of_another_shape_is_refused(config, tmp_path, finished):
    workdir = tmp_path / 'mixed'
    shutil.copytree(finished[0], workdir)
    checkpoints = workdir / 'checkpoints'
    (checkpoints / 'program_0000').rename(checkpoints / 'aside')
    (checkpoints / 'program_0001').rename(checkpoints / 'program_0000')
    config.train.num_epochs = 4
    saved = json.loads((workdir / 'config.json').read_text())
    saved['config']['train']['num_epochs'] = 4
    (workdir / 'config.json').write_text(json.dumps(saved))
    with pytest.raises(UserError, match=r'program_0000/3 does not match the config.*float32'):
        run_experiment(config, workdir)


def test_a_diverging_trial_is_reported_per_seed_and_leaves_the_others_alone(
    config, tmp_path, finished
):
    config.sweep.product = (
        ('model.widths', ((8,), (6,))),
        ('optimizer.learning_rate', (1e-3, 1e30)),
    )
    summary = run_experiment(config, tmp_path / 'diverging')
    healthy, diverged = summary['trials'][:2]
    assert healthy == finished[1]['trials'][0]
    assert diverged['failed_seeds'] == [0, 1, 2]
    assert diverged['final_test_accuracy'] == {
        'mean': None,
        'std': None,
        'ci95': None,
        'values': [None, None, None],
    }
    assert summary['selected_trial'] in (0, 2)
    rows = evaluate_workdir(tmp_path / 'diverging')
    assert [r['test_accuracy'] for r in rows if r['trial'] == 1] == [None, None, None]


def test_evaluation_equals_the_summary_to_the_last_pair(config, finished):
    workdir, summary = finished
    rows = evaluate_workdir(workdir)
    for index, trial in enumerate(summary['trials']):
        mine = [row for row in rows if row['trial'] == index]
        assert [row['seed'] for row in mine] == trial['seeds']
        assert [row['test_accuracy'] for row in mine] == trial['final_test_accuracy']['values']


def test_evaluating_less_often_changes_no_result(config, tmp_path, finished):
    config.train.evaluate_every = 2
    summary = run_experiment(config, tmp_path / 'thinned')
    records = Metrics(tmp_path / 'thinned').read()
    assert {r['epoch'] for r in records if r['test_accuracy'] is not None} == {2, 3}
    assert all(r['train_loss'] is not None for r in records)
    for trial, other in zip(summary['trials'], finished[1]['trials'], strict=True):
        assert trial['final_test_accuracy'] == other['final_test_accuracy']


def test_train_and_validation_pairs_are_evaluated_less_often_where_asked(
    config, tmp_path, finished
):
    config.train.evaluate_all_every = 2
    summary = run_experiment(config, tmp_path / 'thinned')
    thinned, whole = (Metrics(workdir).read() for workdir in (tmp_path / 'thinned', finished[0]))
    for line, other in zip(without_clock(thinned), without_clock(whole), strict=True):
        if line['epoch'] == 1:
            for name in ('train_accuracy', 'validation_accuracy'):
                assert line.pop(name) is None and other.pop(name) is not None
        assert line == other
    for trial, other in zip(summary['trials'], finished[1]['trials'], strict=True):
        # An epoch without validation pairs cannot be the best on them.
        own = ('hyperparameters', 'best_validation_epoch_test_accuracy')
        assert {**trial, **{name: other[name] for name in own}} == other


def test_param_range_keeps_what_lies_strictly_between(config, tmp_path):
    # A ShallowModel has 392 h + h + 2 h + 2 parameters.
    config.sweep.product = (('model.widths', ((8,), (6,), (7,))),)
    config.sweep.param_range = (395 * 6 + 2, 395 * 8 + 2)
    plan = make_plan(config)
    assert [tuple(t.config.model.widths) for t in plan.trials] == [(7,)]
    assert plan.num_params == [395 * 7 + 2]
    config.sweep.param_range = (1, 2)
    with pytest.raises(UserError, match='leaves no trial'):
        make_plan(config)


def test_what_loading_says_is_shown_and_class_names_are_kept(config, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (300, 14, 14), dtype=np.uint8)
    write_images(tmp_path / 'own', images, np.arange(300) % 3, ('bag', 'coat', 'tee'))
    config.data.source, config.data.dir = 'folder', str(tmp_path / 'own')
    shown, counts = [], []

    class Note(Callback):
        def on_message(self, text):
            shown.append(text)

        def on_images_read(self, num_read, num_images):
            counts.append((num_read, num_images))

    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(UserError, match='file'):  # After loading, before training.
        run_experiment(config, tmp_path / 'file' / 'workdir', callbacks=[Note()])
    assert counts[-1] == (300, 300)
    assert shown[0].startswith('data: there is no test split')
    assert make_plan(config).data['class_names'] == ['bag', 'coat', 'tee']
