"""Networks as files: bit for bit, in PyTorch's hands, and what is said of files that do not fit."""

import json

import jax
import numpy as np
import pytest
import safetensors.numpy

import pairjax
from pairjax.inference.networks import PRETRAINED
from pairjax.inference.restore import RestoredRuns
from pairjax.inference.saved_network import read_network, write_network
from pairjax.runtime.plan import make_plan


@pytest.fixture
def saved(small_sweep, tmp_path):
    """A trained network and the file that it was saved as."""
    network = pairjax.load(small_sweep / 'run', ensemble=True)
    network.save(tmp_path / 'mine.safetensors')
    return network, tmp_path / 'mine.safetensors'


def images_of(num_images, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (num_images, 14, 14))


def assert_same_trees(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_saved_network_predicts_the_same_without_its_digits(saved, small_sweep):
    network, path = saved
    again = pairjax.load(path)
    assert_same_trees(network.params, again.params)
    assert again.restored.seeds == [0, 1, 2] and again.restored.epoch == 10
    assert again.restored.runs[0][0].index == 2
    # The values of black and white are in the file, not in the digits that lie elsewhere.
    assert str(small_sweep) not in path.with_suffix('.json').read_text()
    answers = (n.predict(images_of(7), images_of(7, 1)) for n in (network, again))
    assert_same_trees(*answers)
    one = pairjax.load(str(path), seed=1)
    assert one.restored.seeds == [1] and 'mine.safetensors' in repr(one)
    assert_same_trees(one.params, pairjax.load(small_sweep / 'run', seed=1).params)


def test_how_parameters_lie_in_memory_does_not_matter(saved, tmp_path):
    """safetensors 0.8 writes memory as it lies, and reads it back as if it had been in C order."""
    network, path = saved
    state = jax.tree.map(np.asfortranarray, network.restored.state)
    write_network(network.restored._replace(state=state), tmp_path / 'other.safetensors')
    assert (tmp_path / 'other.safetensors').read_bytes() == path.read_bytes()


def test_each_seed_is_heard(saved):
    network, path = saved
    images = images_of(5), images_of(5, 1)
    mean, seeds = network.predict_with_seeds(*images)
    assert_same_trees(mean, network.predict(*images))
    for seed, answers in enumerate(seeds):
        alone = pairjax.load(path, seed=seed).predict(*images)
        np.testing.assert_allclose(answers.probability, alone.probability, rtol=1e-5)
    each = [answers.digits_b for answers in seeds]
    np.testing.assert_allclose(np.mean(each, axis=0), mean.digits_b, rtol=1e-5)


def test_batch_statistics_and_members_are_saved(small_config, tmp_path):
    small_config.num_seeds = 2
    small_config.model.name, small_config.model.widths = 'PairNet', (2, 3, 4, 5)
    small_config.model.normalization, small_config.model.num_members = 'batch', 2
    small_config.model.dropout_rate = 0.0
    plan, generator = make_plan(small_config), np.random.default_rng(0)
    state = jax.tree.map(
        lambda leaf: generator.normal(size=leaf.shape).astype(leaf.dtype), plan.abstract_state(0)
    )
    restored = RestoredRuns(tmp_path, plan, plan.runs(0), 0, state)
    write_network(restored, tmp_path / 'a.safetensors')
    again = read_network(tmp_path / 'a.safetensors')
    variables = (r.state.learned.variables for r in (restored, again))
    assert_same_trees(*variables)
    arrays = safetensors.numpy.load_file(tmp_path / 'a.safetensors')
    assert arrays['seed_1.params.encoder.module.blocks.1.kernel'].shape == (2, 3, 3, 2, 3)
    assert arrays['seed_0.batch_stats.encoder.module.blocks.3.norm.var'].shape == (2, 5)


# ------------------------------------------------------------------------------- elsewhere


def forward(arrays, images, seed):
    """PairNet's digit logits in NumPy, float64, from the names that docs/pretrained.md gives."""

    def of(name):
        return np.asarray(arrays[f'seed_{seed}.{name}'], np.float64)

    x = ((images - of('mean')) / of('std'))[..., None]
    for block, (padding, pool) in enumerate([(0, 2), (1, 1), (1, 1), (1, 2)]):
        name = f'encoder.module.blocks.{block}'
        around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, around), (3, 3), axis=(1, 2))
        x = np.einsum('nyxcij,ijcd->nyxd', windows, of(f'params.{name}.kernel'))
        mean, var = (of(f'batch_stats.{name}.norm.{which}') for which in ('mean', 'var'))
        x = (x - mean) / np.sqrt(var + 1e-5) * of(f'params.{name}.norm.scale')
        x = np.maximum(x + of(f'params.{name}.norm.bias'), 0)
        side = x.shape[1] // pool
        x = x[:, : side * pool, : side * pool]
        x = x.reshape(len(x), side, pool, side, pool, -1).max(axis=(2, 4))
    name = 'params.digit_head.module.layers.0'
    return x.reshape(len(x), -1) @ of(f'{name}.kernel') + of(f'{name}.bias')


def assert_is_numpys(path, arrays, seed):
    network, images = pairjax.load(path, seed=seed), images_of(12).astype(np.float32)
    output = jax.jit(network.apply)(network.params, images.reshape(6, 2, 14, 14))
    expected = forward(arrays, images, seed).reshape(6, 2, 10)
    found = np.stack(output[1:], axis=1)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_numpy_computes_the_same_from_the_file():
    path = PRETRAINED / 'pairnet.safetensors'
    assert_is_numpys(path, safetensors.numpy.load_file(path), 4)


def test_pytorch_reads_the_file_and_writes_one_that_loads(tmp_path):
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    from safetensors.torch import load_file, save_file

    arrays = load_file(PRETRAINED / 'pairnet.safetensors')
    assert all(array.dtype == torch.float32 for array in arrays.values())
    assert_is_numpys(PRETRAINED / 'pairnet.safetensors', arrays, 2)
    bias = 'seed_2.params.digit_head.module.layers.0.bias'
    arrays[bias] = arrays[bias] + 1
    save_file(arrays, tmp_path / 'tuned.safetensors')
    text = (PRETRAINED / 'pairnet.json').read_text()
    (tmp_path / 'tuned.json').write_text(text)
    assert_is_numpys(tmp_path / 'tuned.safetensors', arrays, 2)


# -------------------------------------------------------------------------------- mistakes


def change_arrays(path, change):
    arrays = safetensors.numpy.load_file(path)
    change(arrays)
    safetensors.numpy.save_file(arrays, path)


def change_json(path, **fields):
    path = path.with_suffix('.json')
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


MEAN, NAN = 'seed_0.mean', np.array(np.nan, np.float32)


@pytest.mark.parametrize(
    ('damage', 'part'),
    [
        (lambda p: p.unlink(), r'mine\.safetensors is missing'),
        (lambda p: p.with_suffix('.json').unlink(), r'mine\.json is missing'),
        (lambda p: p.write_bytes(p.read_bytes()[:-9]), r'mine\.safetensors cannot be read'),
        (lambda p: p.write_bytes(b''), r'mine\.safetensors cannot be read'),
        (lambda p: p.write_bytes(p.read_bytes()[:-1] + b'\x01'), 'do not match their digest'),
        (lambda p: p.with_suffix('.json').write_text('{'), 'cannot be read as JSON'),
        (lambda p: change_json(p, format=2), 'has format 2'),
        (lambda p: change_json(p, seeds=[]), 'at least one seed'),
        (lambda p: change_json(p, seeds=[0, 7]), r'seed_7\.\S+ is missing'),
        (lambda p: change_json(p, config={'name': 'x', 'wide': 1}), 'wide is not a config field'),
        (lambda p: change_arrays(p, lambda a: a.pop(MEAN)), r'seed_0\.mean is missing'),
        (
            lambda p: change_arrays(p, lambda a: a.update({MEAN: np.zeros(3, np.float32)})),
            r'seed_0\.mean is float32 \(3,\) and should be float32 \(\)',
        ),
        (lambda p: change_arrays(p, lambda a: a.update({MEAN: np.array(3, np.int32)})), 'is int32'),
        (
            lambda p: change_arrays(p, lambda a: a.update({MEAN: np.array(np.nan, np.float32)})),
            'NaN',
        ),
    ],
)
def test_a_file_that_is_damaged_or_does_not_fit_is_said(saved, damage, part):
    damage(saved[1])
    with pytest.raises(pairjax.UserError, match=part) as caught:
        pairjax.load(saved[1])
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'part'),
    [
        ('mine', r'must be the name of a file that ends in \.safetensors'),
        ('no/mine.safetensors', 'cannot be written'),
        (7, 'path=7 must be the name'),
    ],
)
def test_a_name_that_no_network_can_have_is_refused(saved, tmp_path, monkeypatch, name, part):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(pairjax.UserError, match=part):
        saved[0].save(name)


@pytest.mark.parametrize(
    ('source', 'options', 'part'),
    [
        ('pairnt', {}, r"pairnt does not exist; did you mean 'pairnet'\?"),
        ('here/rum', {}, r"did you mean 'here/run'\?"),
        ('here/min.safetensors', {}, r'is missing.*'),
        ('', {}, 'must be'),
        (None, {}, "load: None must be 'pairnet'"),
        ('pairnet', {'trial': 1}, 'trial=1'),
        ('pairnet', {'seed': 5}, r'seed=5 is not in .*seeds \[0, 1, 2, 3, 4\]'),
        ('pairnet', {'seed': 'a'}, "seed='a' must be a whole number"),
        ('pairnet', {'seed': 1, 'ensemble': True}, 'leave out seed=1'),
    ],
)
def test_what_there_is_not_is_not_loaded(small_sweep, tmp_path, monkeypatch, source, options, part):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'here').symlink_to(small_sweep)
    with pytest.raises(pairjax.UserError, match=part) as caught:
        pairjax.load(source, **options)
    assert '\n' not in str(caught.value)
