"""Workdirs that were damaged or forged: a sentence, or the right figures and the right state.

In one ordinary run about 750 of them, see `hostile` for more.
"""

import io
import json
import shutil
from functools import partial
from pathlib import Path
from unittest import mock

import jax
import numpy as np
import pytest
from conftest import make_small_config
from hostile import JSON, hostile
from hypothesis import given
from hypothesis import strategies as st

from pairjax.analysis.paired import compare_workdirs
from pairjax.analysis.results import read_experiment
from pairjax.data.pairs import PairIndices
from pairjax.errors import UserError
from pairjax.inference import evaluate_workdir, restore
from pairjax.reporting.comparison import show_comparison
from pairjax.reporting.console import show_evaluation, show_results
from pairjax.reporting.html import page
from pairjax.reporting.html.report import read_experiments, render_report
from pairjax.reporting.plots import curves
from pairjax.reporting.plots.comparison import draw_comparison
from pairjax.reporting.progress import make_console
from pairjax.runtime import experiment, train_loop
from pairjax.runtime.plan import make_plan
from pairjax.runtime.trainer import epoch_records
from pairjax.training import train_step
from pairjax.training.evaluate import Correct
from pairjax.trials import traced_hyperparameters
from pairjax.workdir.checkpoints import Checkpoints, check_seeds_and_epoch

PARTS = ('config.json', 'summary.json', 'metrics.jsonl')


class Trains(Exception):
    """Stands in for the training that would begin."""


class MadeUpTrainer:
    """Stands in for `trainer.Trainer`: states and accuracies at random, nothing compiled."""

    def __init__(self, plan, number, group):
        self.runs, self.config = plan.runs(number), plan.programs[number][0].config
        self.random = np.random.default_rng(number)
        shapes = shapes_of(self.config, plan.pools, len(self.runs))
        state = jax.tree.map(lambda s: self.random.integers(0, 99, s.shape).astype(s.dtype), shapes)
        seeds = np.array([seed for _, seed in self.runs], np.int32)
        self.state = state.replace(seed=seeds, failed=np.zeros(len(self.runs), bool))

    @property
    def state_structure(self):
        return jax.tree.structure(self.state)

    def start(self, saved=None):
        self.state = self.state if saved is None else saved

    def host_state(self):
        return self.state

    def all_pairs_records(self, is_stopping):
        accuracies = self.random.uniform(size=len(self.runs))
        return [{'exact_pair_accuracy': None, 'sampled_pair_accuracy': a} for a in accuracies]

    def epoch(self, epoch, evaluate, all_sets):
        number = len(self.runs)
        self.state = self.state.replace(epoch=np.full(number, epoch, np.int32))
        counts = PairIndices(*self.random.integers(0, 8, (3, number)))
        correct = Correct(counts, counts, np.ones(number, bool))
        losses = self.random.uniform(size=number)
        records = epoch_records(self.runs, epoch, losses, correct, self.config.data)
        return [{**record, 'train_seconds': 0.5, 'compile_seconds': 0.1} for record in records]


def shapes_of(config, pools, number):
    """The shapes of the state of so many runs."""
    hyper = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((number,), x.dtype), traced_hyperparameters(config)
    )
    init = jax.vmap(partial(train_step.init_state, config), in_axes=(None, 0, 0))
    return jax.eval_shape(init, pools, jax.ShapeDtypeStruct((number,), np.int32), hyper)


@pytest.fixture(scope='module')
def config(small_digits_path):
    config = make_small_config(small_digits_path)
    config.num_seeds = config.train.num_epochs = 2
    config.model.widths = (2, 2, 2, 2)
    config.sweep.product = (('loss.aux_weight', (0.0, 1.0)),)
    config.checkpoint.keep = 1
    return config


@pytest.fixture(scope='module')
def trained(config, tmp_path_factory):
    """A workdir that nothing here changes: two trials of two seeds and two epochs."""
    workdir = tmp_path_factory.mktemp('hostile') / 'trained'
    with mock.patch.object(train_loop, 'Trainer', MadeUpTrainer):
        experiment.run_experiment(config, workdir)
    return workdir


@pytest.fixture(scope='module')
def other(trained, tmp_path_factory):
    """An intact copy to compare with."""
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp('hostile') / 'other'))


@pytest.fixture(scope='module')
def target(trained, tmp_path_factory):
    """A copy whose files are changed."""
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp('hostile') / 'target'))


def mend(target, trained):
    """Makes the copy what it was."""
    shutil.rmtree(target)
    shutil.copytree(trained, target)


@pytest.fixture
def intact(target, trained):
    """The copy as it was."""
    mend(target, trained)
    return target


@pytest.fixture(autouse=True)
def without_what_takes_long():
    """Pictures are not painted, and nothing is compiled."""

    def answer(fn, layout, num_stacked, options):
        def count(pools, state):
            ones = np.ones(len(state.seed), np.int32)
            counts = PairIndices(None, None, ones)
            return Correct(counts, counts, ones.astype(bool))

        return count

    def train(*arguments):
        raise Trains

    with (
        mock.patch.object(page, 'figure_bytes', lambda figure, kind: b''),
        mock.patch.object(curves, 'figure_bytes', lambda figure, kind: b''),
        mock.patch.object(restore, 'over_runs', answer),
        mock.patch.object(experiment, 'train_programs', train),
        mock.patch.object(restore, 'place_runs', lambda state, layout: state),
        mock.patch.object(restore, 'unstack_runs', lambda stacked, layout: stacked),
    ):
        yield


def places(value, path=()):
    """Where in JSON something could be put."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def changed(data, value, number=2):
    """A copy with something else, or nothing, in some places."""
    value = json.loads(json.dumps(value))
    for _ in range(data.draw(st.integers(1, number))):
        path = data.draw(st.sampled_from(list(places(value))))
        if not path:
            if data.draw(st.integers(0, 9)) == 0:
                value = data.draw(JSON)
            continue
        inner = value
        for key in path[:-1]:
            inner = inner[key]
        if data.draw(st.booleans()) and isinstance(inner, dict):
            del inner[path[-1]]
        else:
            inner[path[-1]] = data.draw(JSON)
    return value


@st.composite
def forged(draw, name, contents):
    """Text of a file in the workdir: JSON of wrong shapes, or damaged bytes."""
    data = draw(st.data())
    if draw(st.integers(0, 4)) == 0:
        raw = bytearray(contents)
        for _ in range(draw(st.integers(1, 3))):
            raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
        return bytes(raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw)
    if name != 'metrics.jsonl':
        return json.dumps(changed(data, json.loads(contents))).encode()
    lines = contents.splitlines()
    for _ in range(draw(st.integers(1, 2))):
        number = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(['change', 'change', 'double', 'drop', 'put']))
        if kind == 'change':
            lines[number] = json.dumps(changed(data, json.loads(contents.splitlines()[0]))).encode()
        elif kind == 'double':
            lines.append(lines[number])
        elif kind == 'drop' and len(lines) > 1:
            del lines[number]
        elif kind == 'put':
            lines.insert(number, draw(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=9)))
    return b'\n'.join(lines) + b'\n'


def one_line(error):
    text = str(error)
    assert text and '\n' not in text and len(text) < 3000, text[:3000]
    text.encode()


def console():
    with mock.patch('sys.stdout', io.TextIOWrapper(io.BytesIO(), 'utf-8')):
        made = make_console()
    made.file = io.StringIO()
    return made


# The four ways in which a workdir is read; each returns what a person is told.


def read_by_compare(workdir, other, config):
    result = compare_workdirs([f'{workdir}:all', str(other)], 'final_test_accuracy')
    out = console()
    show_comparison(result, out)
    draw_comparison(result)
    return out.file.getvalue()


def read_by_report(workdir, other, config):
    results = read_experiments([workdir, other])
    return render_report(results, ['No predictions.'] * 2).encode()


def read_by_evaluate(workdir, other, config):
    out = console()
    show_evaluation(evaluate_workdir.evaluate_workdir(workdir), out)
    digits = evaluate_workdir.evaluate_workdir(workdir, 'npz', config.data.dir)
    show_evaluation(digits, out)
    return out.file.getvalue()


def read_by_training(workdir, other, config):
    out = console()
    experiment.run_experiment(config, workdir)
    show_results(read_experiment(workdir), out)
    return out.file.getvalue()


# And which files each of them reads.
READERS = {
    read_by_compare: PARTS[:2],
    read_by_report: PARTS,
    read_by_evaluate: PARTS[:1],
    read_by_training: PARTS,
}
READINGS = [(reader, name) for reader, names in READERS.items() for name in names]


@pytest.mark.parametrize('reader', READERS)
def test_an_intact_workdir_is_read(intact, other, config, reader):
    assert reader(intact, other, config)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize(('reader', 'name'), READINGS)
@hostile(25)
@given(data=st.data())
def test_forged_files(trained, other, config, target, name, reader, data):
    contents = (trained / name).read_bytes()
    mend(target, trained)
    (target / name).write_bytes(data.draw(forged(name, contents)))
    try:
        reader(target, other, config)
    except UserError as error:
        one_line(error)
    except Trains:
        pass


@pytest.mark.parametrize(('reader', 'name'), READINGS)
@pytest.mark.parametrize('contents', ['deep', 'missing', 'directory', 'empty'])
def test_files_that_are_no_files(intact, other, config, name, reader, contents):
    path = intact / name
    path.unlink()
    if contents == 'deep':
        path.write_text('[' * 10**5 + ']' * 10**5 + '\n')
    elif contents == 'directory':
        path.mkdir()
    elif contents == 'empty':
        path.write_text('')
    try:
        reader(intact, other, config)
    except UserError as error:
        one_line(error)
    except Trains:
        assert contents in ('missing', 'empty')
    finally:
        if path.is_dir():
            path.rmdir()


FIGURE_CHANGES = {
    'mean': lambda figure: figure.update(mean=figure['mean'] + 0.01),
    'interval': lambda figure: figure['ci95'].reverse(),
    'deviation': lambda figure: figure.update(std=0.5),
    'value': lambda figure: figure['values'].__setitem__(0, 1 - figure['values'][0]),
    'seed too many': lambda figure: figure['values'].append(0.5),
    'percent': lambda figure: figure.update(values=[100 * v for v in figure['values']]),
}


@pytest.mark.parametrize('change', FIGURE_CHANGES)
@pytest.mark.parametrize('reader', [read_by_compare, read_by_report, read_by_training])
def test_a_figure_that_its_values_do_not_give_is_refused(intact, other, config, change, reader):
    summary = json.loads((intact / 'summary.json').read_text())
    FIGURE_CHANGES[change](summary['trials'][1]['final_test_accuracy'])
    (intact / 'summary.json').write_text(json.dumps(summary))
    with pytest.raises(UserError, match=r'trials\[1\]\.final_test_accuracy'):
        reader(intact, other, config)


@pytest.mark.parametrize(
    'name', ['a$\\nope{$', '[red]', '[link]', 'ü', 'x:1', ' ', '-', '%s{}', '\udcff']
)
def test_workdirs_may_have_any_name(trained, other, config, tmp_path, name):
    workdir = Path(shutil.copytree(trained, tmp_path / name))
    assert f'{name}:1' in read_by_compare(workdir, other, config)
    result = compare_workdirs([f'{workdir}:all'], 'final_test_accuracy')
    painted = draw_comparison(result)
    if name != '\udcff':  # No font has half a character.
        painted.draw_without_rendering()
    assert name in {label.rpartition(':')[0] for label in (arm.name for arm in result.arms)}


@hostile(60)
@given(st.text(max_size=9) | st.sampled_from(['9' * 5000, '٣', '-1', '1.0', '00', 'all ', '\0']))
def test_trials_that_are_not_there(trained, other, which):
    try:
        compare_workdirs([f'{trained}:{which}', str(other)], 'final_test_accuracy')
        assert which in ('', '0', '1', 'all')
    except UserError as error:
        one_line(error)


# ------------------------------------------------------------------------- checkpoints


def program(workdir):
    return workdir / 'checkpoints' / 'program_0000'


@pytest.fixture(scope='module')
def shapes(config):
    made = make_plan(config)
    return shapes_of(made.programs[0][0].config, made.pools, len(made.runs(0)))


def restored(workdir, shapes, seeds=(0, 1, 0, 1)):
    """The state as evaluation and a training that goes on restore it."""
    checkpoints = Checkpoints(program(workdir))
    epoch = checkpoints.latest_epoch
    if epoch is None:
        raise UserError('no checkpoint')
    state = checkpoints.restore(shapes)
    check_seeds_and_epoch(state, seeds, epoch, program(workdir))
    return state


@pytest.fixture(scope='module')
def expected(trained, shapes):
    return restored(trained, shapes)


def same_bits(one, two):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def checkpoint_files(workdir):
    return sorted(p.relative_to(workdir) for p in program(workdir).rglob('*') if p.is_file())


@pytest.mark.filterwarnings('ignore')
@hostile(80)
@given(data=st.data())
def test_damaged_checkpoints(trained, shapes, expected, target, data):
    mend(target, trained)
    for _ in range(data.draw(st.integers(1, 2))):
        path = target / data.draw(st.sampled_from(checkpoint_files(trained)))
        kind = data.draw(st.sampled_from(['bit', 'bit', 'bit', 'cut', 'random', 'delete']))
        if not path.is_file():
            continue
        raw = bytearray(path.read_bytes())
        if kind == 'bit' and raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == 'cut':
            del raw[data.draw(st.integers(0, len(raw))) :]
        elif kind == 'random':
            raw = data.draw(st.binary(max_size=50))
        path.write_bytes(raw)
        if kind == 'delete':
            path.unlink()
    try:
        found = restored(target, shapes)
    except UserError as error:
        one_line(error)
    else:
        assert same_bits(found, expected)


def array_files(workdir):
    """The files that hold the values of the arrays."""
    return [p for p in checkpoint_files(workdir) if '/d/' in str(p)]


@hostile(60)
@given(data=st.data())
def test_no_flipped_bit_of_the_values_goes_unnoticed(trained, shapes, expected, target, data):
    mend(target, trained)
    name = data.draw(st.sampled_from(array_files(trained)))
    raw = bytearray((trained / name).read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (target / name).write_bytes(raw)
    try:
        found = restored(target, shapes)
    except UserError as error:
        one_line(error)
    else:
        assert same_bits(found, expected)


def test_a_checkpoint_under_another_name_is_not_taken_for_that_epoch(intact, shapes):
    (program(intact) / '2').rename(program(intact) / '1')
    with pytest.raises(UserError, match=r'is of epoch 2 and seeds .* not of epoch 1'):
        evaluate_workdir.evaluate_workdir(intact)
    with pytest.raises(UserError, match=r'is of epoch 2 and seeds .* not of epoch 1'):
        restored(intact, shapes)


def test_a_checkpoint_of_other_seeds_is_not_taken_for_these(intact):
    text = (intact / 'config.json').read_text()
    assert text.count('"seed": 0') == 1
    (intact / 'config.json').write_text(text.replace('"seed": 0', '"seed": 5'))
    with pytest.raises(UserError, match=r'seeds \[0, 1, 0, 1\], not of epoch 2 and seeds \[5, 6'):
        evaluate_workdir.evaluate_workdir(intact)


def test_other_things_among_the_checkpoints_are_not_in_the_way(intact, shapes, expected):
    (program(intact) / 'notes.txt').write_text('mine')
    (program(intact) / 'backup').mkdir()
    (program(intact) / '999x').mkdir()
    assert same_bits(restored(intact, shapes), expected)
