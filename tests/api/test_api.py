"""pairjax from Python: the commands' numbers, objects in place of names, errors of a sentence."""

import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from conftest import make_shallow_config
from failing import failing_trainer
from flax import nnx

import pairjax
from pairjax.analysis.paired import compare_workdirs
from pairjax.api import run as api_run
from pairjax.api.configs import find_config
from pairjax.data.pairs import RELATIONS, make_pools
from pairjax.data.sources import SOURCES
from pairjax.inference.restore import load_trained_digits
from pairjax.models.networks import PairModel, PairOutput
from pairjax.models.registry import MODELS
from pairjax.runtime import train_loop, vectorize
from pairjax.runtime.experiment import run_experiment
from pairjax.training.losses import LOSSES, pair_loss
from pairjax.workdir.lock import locked


@pytest.fixture
def config(small_digits_path):
    config = make_shallow_config(small_digits_path)
    config.model.widths = (8,)
    return config


@pytest.fixture(autouse=True)
def registries_as_they_were():
    registries = (MODELS, RELATIONS, LOSSES, SOURCES)
    kept = [dict(registry) for registry in registries]
    yield
    for registry, entries in zip(registries, kept, strict=True):
        registry.clear()
        registry.update(entries)


def without_clock(metrics):
    return metrics.drop(columns=[c for c in metrics if c.endswith('seconds')])


# ------------------------------------------------------------------------------- importing


def test_importing_pairjax_imports_no_jax_and_knows_its_names():
    code = (
        'import sys, pairjax\n'
        'assert not {"jax", "numpy", "pandas", "matplotlib"} & set(sys.modules)\n'
        'assert set(pairjax.__all__) <= set(dir(pairjax))\n'
        'assert all(callable(getattr(pairjax, name)) for name in pairjax.__all__)'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
    with pytest.raises(AttributeError, match='no attribute'):
        _ = pairjax.nothing


# --------------------------------------------------------------------------------- configs


def test_a_config_is_found_by_name_path_and_argument(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # From any directory.
    assert find_config('deep_shared', {}).model.name == 'DeepModel'
    assert find_config('report1:fastest', {}).name == 'fastest'
    path = tmp_path / 'mine.py'
    path.write_text(
        'from pairjax.config import default_config\n'
        'def get_config(name="none"):\n'
        '    config = default_config()\n'
        '    config.name = name\n'
        '    return config\n'
    )
    assert find_config(path, {}).name == find_config('mine.py', {}).name == 'none'
    assert find_config(f'{path}:other', {'train.num_epochs': 7}).train.num_epochs == 7


def test_a_config_that_is_passed_stays_as_it_is(config):
    assert find_config(config, {'optimizer.learning_rate': 1}).optimizer.learning_rate == 1.0
    assert config.optimizer.learning_rate == 5e-3
    assert find_config(config.to_dict(), {}) == find_config(config, {})


@pytest.mark.parametrize(
    ('made', 'overrides', 'part'),
    [
        ('auxnet22', {}, "did you mean 'auxnet2'"),
        ('nowhere/auxnet2.py', {}, 'there is no file'),
        (7, {}, 'must be a name'),
        ('auxnet2', {'learning_rate': 1.0}, 'did you mean overrides: optimizer.learning_rate'),
        ('auxnet2', {'train.num_epochs': 0}, 'train.num_epochs=0 must be a whole number'),
        ('report1:fastes', {}, "did you mean 'fastest'"),
    ],
)
def test_mistakes_are_one_sentence(made, overrides, part):
    with pytest.raises(pairjax.UserError, match=part) as caught:
        pairjax.run(made, overrides=overrides)
    assert '\n' not in str(caught.value)


def test_a_config_file_that_fails_is_said(tmp_path):
    (tmp_path / 'bad.py').write_text('def get_config():\n    return 1 / 0')
    with pytest.raises(pairjax.UserError, match=r'bad\.py.*ZeroDivisionError'):
        find_config(tmp_path / 'bad.py', {})


# ----------------------------------------------------------------------------------- runs


def test_numbers_are_those_of_the_command_and_nothing_is_kept(config, tmp_path):
    run_experiment(config, tmp_path / 'command')
    command = pairjax.load_results(tmp_path / 'command')
    results = pairjax.run(config, progress=False)
    pd.testing.assert_frame_equal(without_clock(results.metrics), without_clock(command.metrics))
    workdir = results.workdir
    pd.testing.assert_frame_equal(results.summary, command.summary)
    first, second = (r.load(seed=1) for r in (results, command))
    jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
    assert workdir.is_dir()
    del results
    assert not workdir.exists()


def test_what_fails_can_be_read_where_no_workdir_was_named(config, tmp_path, monkeypatch):
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(train_loop, 'Trainer', failing_trainer([(8,)], 'no luck'))
        with pytest.raises(pairjax.UserError, match=r'no luck; see .*failures\.log') as caught:
            pairjax.run(config, progress=False)
    (log,) = tmp_path.glob('pairjax-*/*/failures.log')
    assert str(log) in str(caught.value) and 'no luck' in log.read_text()
    shutil.rmtree(log.parents[1])
    with pytest.raises(pairjax.UserError):
        pairjax.run(config, overrides={'data.num_train_pairs': 10**6}, progress=False)
    assert not list(tmp_path.glob('pairjax-*'))


def test_a_workdir_is_resumed_and_shared_with_the_command(config, tmp_path):
    results = pairjax.run(config, num_seeds=2, workdir=tmp_path / 'w', progress=False)
    lines = (tmp_path / 'w' / 'metrics.jsonl').read_bytes()
    again = pairjax.run(config, num_seeds=2, workdir=str(tmp_path / 'w'), progress=False)
    assert (tmp_path / 'w' / 'metrics.jsonl').read_bytes() == lines
    pd.testing.assert_frame_equal(results.metrics, again.metrics)
    assert results.summary['final_test_accuracy', 'n'].item() == 2
    with pytest.raises(pairjax.UserError, match='num_seeds is 2 there and 1 now'):
        pairjax.run(config, num_seeds=1, workdir=tmp_path / 'w', progress=False)


def test_ctrl_c_says_what_is_kept(config, tmp_path, monkeypatch):
    def interrupted(_, workdir, *others):
        workdir.mkdir(parents=True)
        (workdir / 'failures.log').write_text('of another program')
        raise pairjax.Interrupted('stopped after epoch 3')

    monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
    monkeypatch.setattr('pairjax.runtime.parts.run_whole_or_part', interrupted)
    with pytest.raises(pairjax.Interrupted, match='epoch 3; nothing is kept'):
        pairjax.run(config)
    assert not list(tmp_path.iterdir())
    with pytest.raises(pairjax.Interrupted, match=r'epoch 3$'):
        pairjax.run(config, workdir=tmp_path / 'w')


class Stop(pairjax.Callback):
    """Presses Ctrl-C, or a notebook's stop button, once."""

    def on_epoch_end(self, name, epoch, records):
        if epoch == 2:
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.2)  # Handlers run in the main thread, which needs its turn.


def test_the_same_cell_goes_on_after_ctrl_c(config, tmp_path):
    whole, before = pairjax.run(config, progress=False), signal.getsignal(signal.SIGINT)
    arguments = {'workdir': tmp_path / 'w', 'progress': False}
    with pytest.raises(pairjax.Interrupted, match='stopped and saved after epoch 2 of program 1'):
        pairjax.run(config, **arguments, callbacks=[Stop()])
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(pairjax.UserError, match='the training is not finished'):
        pairjax.load_results(tmp_path / 'w')
    found = pairjax.run(config, **arguments)
    pd.testing.assert_frame_equal(without_clock(found.metrics), without_clock(whole.metrics))


def test_a_thread_trains_too(config):
    with ThreadPoolExecutor(1) as executor:
        results = executor.submit(pairjax.run, config, progress=False).result()
    assert results.experiment.trials[0].n == 3


def test_a_workdir_in_use_is_said(config, tmp_path):
    in_use = pytest.raises(pairjax.UserError, match=r'w is in use by process \d+ on .*; wait until')
    with locked(tmp_path / 'w'), in_use:
        pairjax.run(config, workdir=tmp_path / 'w')


def test_callbacks_hear_of_epochs(config, capsys):
    class Heard(pairjax.Callback):
        epochs = ()

        def on_epoch_end(self, name, epoch, records):
            self.epochs += (epoch,)

    heard = Heard()
    pairjax.run(config, callbacks=[heard], progress=False)
    assert heard.epochs == (1, 2, 3) and capsys.readouterr().out == ''


# -------------------------------------------------------------------------------- results


def test_a_summary_has_a_row_per_trial_and_every_statistic(small_sweep):
    results = pairjax.load_results(small_sweep / 'run')
    summary, trials = results.summary, results.experiment.trials
    assert list(summary.index.get_level_values('trial')) == [0, 1, 2]
    assert summary['trial', 'selected'].tolist() == [False, False, True]
    final = summary['final_test_accuracy']
    assert list(final) == ['mean', 'std', 'low', 'high', 'n']
    expected = trials[2].statistic('final_test_accuracy')
    assert final.iloc[2][['mean', 'std', 'low', 'high']].tolist() == [
        expected['mean'],
        expected['std'],
        *expected['ci95'],
    ]
    # No digit heads, no accuracy of digits.
    assert summary['final_digit_accuracy', 'mean'].isna().tolist() == [True, False, False]
    assert len(results.metrics) == 3 * 3 * 10 and repr(results).endswith('3 trials, n = 3>')
    assert {'trial', 'seed', 'epoch', 'train_loss', 'test_accuracy'} <= set(results.metrics)


def test_plots_are_figures_of_the_trial(small_sweep):
    results = pairjax.load_results(small_sweep / 'run')
    assert 'DeepModel' in results.plot_curves().get_suptitle()
    assert 'ShallowModel' in results.plot_curves(0).get_suptitle()
    assert results.plot_sweep().axes
    with pytest.raises(pairjax.UserError, match='trial=3 does not exist'):
        results.plot_curves(3)


def test_a_comparison_is_that_of_the_command(small_sweep):
    arguments = [f'{small_sweep / "run"}:{trial}' for trial in (0, 2)]
    (pair,) = compare_workdirs(arguments, 'final_test_accuracy').pairs
    row = pairjax.compare(arguments[0], small_sweep / 'run').iloc[0]
    assert (row.a, row.b, row.n) == (pair.a, pair.b, 3)
    assert (row.difference, row.p, row.holm_p) == (pair.paired.mean, pair.paired.p_value, row.p)
    assert (row.low, row.high) == (pair.paired.ci95 or (None, None))
    results = pairjax.load_results(small_sweep / 'run')
    frame = pairjax.compare(results, arguments[0], measure='best_epoch_test_accuracy')
    assert frame.a.tolist() == ['run:2'] and len(frame) == 1
    for wrong in (7, [results, 7], None):
        with pytest.raises(pairjax.UserError, match='must be results'):
            pairjax.compare(results, wrong)
    with pytest.raises(pairjax.UserError, match='name a workdir'):
        pairjax.load_results()


def test_runs_without_a_workdir_are_compared_under_names_that_say_what_they_are(config):
    small = {'num_seeds': 2, 'overrides': {'train.num_epochs': 1}, 'progress': False}
    one = pairjax.run(config, **small)
    small['overrides']['optimizer.learning_rate'] = 0.5
    other = pairjax.run(config, **small)
    (row,) = pairjax.compare(one, other).itertuples()
    assert (row.a, row.b) == (f'{config.name} (1)', f'{config.name} (2)')
    assert 'learning_rate=0.5' in row.trial_b and row.trial_a != row.trial_b
    small['overrides']['name'] = 'faster'
    (row,) = pairjax.compare(pairjax.run(config, **small), one).itertuples()
    assert (row.a, row.b) == ('faster', config.name)


# -------------------------------------------------------------------------------- networks


def test_a_network_predicts_what_it_was_evaluated_as(small_sweep):
    network = pairjax.load(small_sweep / 'run', seed=1)
    digits = load_trained_digits(network.restored.plan, small_sweep / 'run')
    pools, pairs = make_pools(digits), network.restored.state.pairs.test[0]
    pixels, (first, second) = pools.images[pairs], pools.labels[pairs].T
    # npz brings values of its own; 0 to 255 is from its black to its white.
    low, high = digits.train_images.min(), digits.train_images.max()
    output = jax.jit(network.apply)(network.params, pixels)
    right = np.argmax(output.main_logits, 1) == (first % 2 == second % 2)
    metrics = pairjax.load_results(small_sweep / 'run').metrics
    last = metrics[(metrics.trial == 2) & (metrics.seed == 1) & (metrics.epoch == 10)]
    assert right.mean() == pytest.approx(last.test_accuracy.item())
    scaled = np.clip(255 * (pixels - low) / (high - low), 0, 255)
    predictions = network.predict(scaled[:, 0], scaled[:, 1])
    assert predictions.holds.shape == predictions.probability.shape == (150,)
    assert predictions.digits_a.shape == (150, 3)
    assert np.mean(predictions.holds == np.argmax(output.main_logits, 1)) > 0.97
    gradient = jax.grad(lambda p: network.apply(p, pixels[:4]).main_logits.sum())(network.params)
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))


def test_an_ensemble_has_an_axis_of_seeds(small_sweep):
    network = pairjax.load(pairjax.load_results(small_sweep / 'run'), trial=1, ensemble=True)
    assert all(leaf.shape[0] == 3 for leaf in jax.tree.leaves(network.params))
    assert 'seeds 0, 1, 2' in repr(network)
    one = np.zeros((20, 28))
    assert network.predict(one, one).holds.shape == (1,)


@pytest.mark.parametrize(
    ('a', 'b', 'part'),
    [
        (np.zeros((2, 14, 14)), np.zeros((3, 14, 14)), 'images_a has 2 images and images_b 3'),
        (np.zeros((2, 14, 14, 3)), np.zeros((2, 14, 14)), r'images_a has shape \(2, 14, 14, 3\)'),
        (np.zeros((0, 14, 14)), np.zeros((0, 14, 14)), 'shape'),
        (np.zeros((1, 14, 14)), np.full((1, 14, 14), np.nan), 'images_b holds values from nan'),
        (np.full((1, 14, 14), 256), np.zeros((1, 14, 14)), 'to 256; expected 0'),
        (np.full((1, 14, 14), 'x'), np.zeros((1, 14, 14)), 'has type <U1'),
        ([np.zeros((14, 14)), np.zeros((9, 9))], np.zeros((2, 14, 14)), 'must be one array'),
    ],
)
def test_arrays_that_are_no_images_are_refused(small_sweep, a, b, part):
    with pytest.raises(pairjax.UserError, match=part):
        pairjax.load(small_sweep / 'run').predict(a, b)


# --------------------------------------------------------------- objects in place of names


def page_blocks():
    text = (Path(__file__).parents[2] / 'docs' / 'python.md').read_text()
    return re.findall(r'```python\n(.*?)```', text, re.DOTALL)


@pytest.fixture
def page(config, tmp_path, monkeypatch):
    """Runs a block of docs/python.md in small; returns its names and the results of its runs."""
    runs, generator = [], np.random.default_rng(0)
    monkeypatch.chdir(tmp_path)  # The page saves a network.

    class Small:
        """`pairjax`, whose `run` trains the small config in the place of the one that is named."""

        def __getattr__(self, name):
            return getattr(pairjax, name)

        def run(self, name, overrides=None, **options):
            keep = {k: v for k, v in (overrides or {}).items() if k.startswith('model.')}
            source = {'data.dir': ''} if 'data' in options else {}
            options |= {'overrides': keep | source, 'progress': False}
            runs.append(pairjax.run(config, **options))
            return runs[-1]

    images, labels = generator.integers(0, 256, (100, 28, 28), np.uint8), np.arange(100) % 3
    names = {
        'pairjax': Small(),
        'images_a': images,
        'images_b': images[::-1],
        'images': 255 * np.ones((2, 2, 14, 14)),
    }
    names |= {'train_images': images[:60], 'train_labels': labels[:60]}
    names |= {'test_images': images[60:], 'test_labels': labels[60:]}

    def execute(number):
        code = page_blocks()[number].replace('import pairjax\n', '')
        exec(code, names)
        return names, runs

    return execute


def test_the_first_block_of_the_page_runs(page):
    names, runs = page(0)
    assert len(runs) == 2 and len(names['answers'].holds) == 100
    again = pairjax.load('mine.safetensors').predict(names['images_a'], names['images_b'])
    np.testing.assert_array_equal(again.probability, names['answers'].probability)


def test_objects_of_ones_own_are_used(page, config, tmp_path, capsys):
    _, (model, relation, loss, data, callback) = page(1)
    assert model.summary['trial', 'params'].item() == 2 * 392 + 2
    assert model.load().params['layer']['kernel'].shape == (392, 2)
    fields = [results.experiment.trials[0].hyperparameters for results in (model, relation, loss)]
    assert [f['model.name'] for f in fields] == ['OneLayer', 'ShallowModel', 'ShallowModel']
    assert fields[1]['data.relation'] == 'sum_is_even'
    assert fields[2]['loss.name'] == 'heavier_when_true'
    assert data.experiment.data['train_pool'] == 60 and data.experiment.data['num_classes'] == 3
    # Each changes what is trained, and the callback nothing.
    plain = pairjax.run(config, progress=False).metrics.train_loss
    assert all(not np.allclose(r.metrics.train_loss, plain) for r in (relation, loss, data))
    np.testing.assert_array_equal(callback.metrics.train_loss, plain)
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize(
    ('objects', 'part'),
    [
        ({'model': len}, r'must be a subclass of .*PairModel'),
        ({'relation': lambda a, b: a < b}, 'a name of its own'),
        ({'loss': 3}, 'must be a function'),
        ({'data': np.zeros((3, 14, 14))}, 'must be four arrays'),
        ({'data': (np.zeros((4, 14, 14)), [0, 1], *[np.zeros((4, 14, 14)), [0, 1]])}, 'data: tra'),
        ({'loss': type('pair_loss', (), {})}, 'rename yours'),
    ],
)
def test_objects_of_the_wrong_kind_are_refused(config, objects, part, monkeypatch):
    monkeypatch.setitem(LOSSES, 'pair_loss', pair_loss)
    with pytest.raises(pairjax.UserError, match=part):
        pairjax.run(config, **objects)


def make_model(output, **attributes):
    """A class `Mine` with one layer; output: (its logits, classes) -> what __call__ returns."""

    class Mine(PairModel):
        has_branches = has_dropout = has_convolutions = has_digit_heads = False

        def __init__(self, model, num_classes, rngs):
            self.num_classes = num_classes
            self.layer = nnx.Linear(2 * 196, 2, rngs=rngs)

        def __call__(self, images, dropout=None):
            return output(self.layer(images.reshape(len(images), -1)), self.num_classes)

    for name, value in attributes.items():
        setattr(Mine, name, value)
    return Mine


MINE = {'model.widths': (), 'model.dropout_rate': 0.0, 'loss.aux_weight': 0.0}


def test_a_class_that_is_defined_anew_is_trained_anew(config):
    """As a notebook's cell does that is edited and run again."""
    options = {'overrides': MINE, 'progress': False}
    once, again = (
        pairjax.run(config, model=make_model(output), **options).metrics.train_loss
        for output in (lambda x, _: PairOutput(x), lambda x, _: PairOutput(0 * x))
    )
    np.testing.assert_allclose(again, np.log(2), rtol=1e-5)
    assert not np.allclose(once, again)


@pytest.mark.parametrize(
    ('output', 'attributes', 'part'),
    [
        (lambda x, _: x, {}, 'must return a PairOutput'),
        (
            lambda x, _: PairOutput(x[:, :1]),
            {},
            r'main_logits must have shape \(3, 2\), not \(3, 1\)',
        ),
        (
            lambda x, _: PairOutput(x),
            {'has_digit_heads': True},
            'digit_logits_a must have shape .*, not None',
        ),
        (lambda x, _: PairOutput(x, x), {}, 'digit_logits_a must have shape None'),
    ],
)
def test_a_model_that_returns_something_else_is_refused(config, output, attributes, part):
    with pytest.raises(pairjax.UserError, match=part):
        pairjax.run(config, model=make_model(output, **attributes), overrides=MINE)


# ------------------------------------------------------------------------ a running backend


def test_a_running_backend_keeps_its_options(monkeypatch):
    """Eight CPU devices run here already."""
    before = dict(jax.config.values)
    monkeypatch.setattr(vectorize, 'num_cores', lambda: 3)
    vectorize.configure_or_check_jax()
    vectorize.configure_or_check_jax(2)
    assert dict(jax.config.values) == before


def test_fewer_devices_than_cores_are_said(monkeypatch, config):
    jax.devices()  # A backend runs.
    monkeypatch.setattr(vectorize, 'num_cores', lambda: 16)
    with pytest.raises(pairjax.UserError, match=r'8 CPU devices where.*\(16\); restart Python'):
        pairjax.run(config)
    monkeypatch.setattr('pairjax.runtime.parts.run_whole_or_part', lambda *a: a[1])
    monkeypatch.setattr(api_run, 'read_experiment', lambda workdir: workdir)
    pairjax.run(config, overrides={'runs.devices': 8}, progress=False)  # Accepted on purpose.


def test_an_accelerator_that_rounds_is_said(monkeypatch):
    monkeypatch.setattr(vectorize, 'num_cores', lambda: 16)
    monkeypatch.setattr(vectorize.jax, 'default_backend', lambda: 'gpu')
    vectorize.configure_or_check_jax()
    rounds = pytest.raises(pairjax.UserError, match=r"on gpu with .*'tensorfloat32'")
    with jax.default_matmul_precision('tensorfloat32'), rounds:
        vectorize.configure_or_check_jax()
