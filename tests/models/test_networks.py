"""What the networks compute, against the same formulas in NumPy float64."""

import functools

import jax
import numpy as np
import pytest
from flax import nnx

from pairjax.config import default_config
from pairjax.models.layers import Dropout, random_bytes
from pairjax.models.registry import MODELS, build_model

BATCH = 8


def model_config(name, widths, weight_sharing=True, **options):
    model = default_config().model
    model.update({'name': name, 'widths': widths, 'weight_sharing': weight_sharing, **options})
    return model


# Kernel size, padding, pool of each convolution.
THREE_BLOCKS = ((3, 0, 2), (3, 1, 2), (2, 1, 3))
BLOCKS = {
    'BasicNet1': THREE_BLOCKS,
    'AuxNet1': THREE_BLOCKS,
    'AuxNet2': THREE_BLOCKS,
    'AuxNet3': ((3, 0, 2), (3, 1, 6)),
    'DeepModel': ((3, 0, 2), (3, 0, 2), (2, 0, 1)),
    'PairNet': ((3, 0, 2), (3, 1, 1), (3, 1, 1), (3, 1, 2)),
}
WIDTHS = {
    'BasicNet1': (3, 4, 5, 6),
    'AuxNet1': (3, 4, 5, 6),
    'AuxNet2': (3, 4, 5, 6),
    'AuxNet3': (3, 4, 5, 6),
    'ShallowModel': (6,),
    'DeepModel': (6,),
    'PairNet': (3, 4, 5, 6),
}


def features_by_hand(blocks, params, images):
    """images (N, channels, 14, 14) -> (N, features), NCHW and float64 throughout."""
    x = images.astype(np.float64)
    for i, (size, padding, pool) in enumerate(blocks):
        kernel, bias = params['blocks'][i]['kernel'], params['blocks'][i]['bias']
        assert kernel.shape[:2] == (size, size)
        x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
        x = np.einsum('ncyxij,ijcm->nmyx', windows, kernel) + bias[:, None, None]
        side = x.shape[2] // pool
        x = np.maximum(x, 0)[:, :, : side * pool, : side * pool]
        x = x.reshape(*x.shape[:2], side, pool, side, pool).max((3, 5))
    return x.transpose(0, 2, 3, 1).reshape(len(x), -1)


def head_by_hand(params, x):
    for i in range(len(params['layers'])):
        x = np.maximum(x, 0) if i else x
        layer = params['layers'][i]
        x = x @ layer['kernel'].astype(np.float64) + layer['bias']
    return x


def outputs_by_hand(name, params, images):
    """(main logits, digit logits a, digit logits b) as the design's table has them."""
    if name == 'ShallowModel':
        return head_by_hand(params['main_head'], images.reshape(-1, 392).astype(np.float64)), None
    if name == 'BasicNet1':
        features = features_by_hand(BLOCKS[name], params['encoder'], images)
        return head_by_hand(params['main_head'], features), None
    features, digits = [], []
    for side in (0, 1):
        encoder, head = (
            params[part].get('second_module' if side else 'module', params[part]['module'])
            for part in ('encoder', 'digit_head')
        )
        features.append(features_by_hand(BLOCKS[name], encoder, images[:, side : side + 1]))
        digits.append(head_by_hand(head, features[-1]))
    seen = {
        'AuxNet1': np.concatenate(digits, axis=1),
        'AuxNet2': np.concatenate(features, axis=1),
        'AuxNet3': np.concatenate(features, axis=1),
        'DeepModel': np.maximum(np.concatenate(digits, axis=1), 0),
        'PairNet': np.concatenate(digits, axis=1),
    }
    return head_by_hand(params['main_head'], seen[name]), *digits


def make_images(seed=0):
    """Standardised images of digits have one value for most of their pixels; here it is 0."""
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 1, (BATCH, 2, 14, 14))
    return (images * (rng.random(images.shape) < 0.4)).astype(np.float32)


CASES = [
    (name, weight_sharing)
    for name in MODELS
    for weight_sharing in (True, False)
    if weight_sharing or MODELS[name].has_branches
]


def abstract_model(name, weight_sharing=True, num_classes=10, widths=None):
    config = model_config(name, widths or WIDTHS[name], weight_sharing)
    return nnx.eval_shape(lambda: build_model(config, num_classes, nnx.Rngs(0)))


@functools.cache
def built(name, weight_sharing=True):
    """(the compiled model as a function of parameters and images, NumPy parameters)."""
    structure, abstract = nnx.split(abstract_model(name, weight_sharing))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda p: rng.uniform(-0.5, 0.5, p.shape).astype(np.float32), abstract)

    def call(params, images, *dropout):
        return nnx.merge(structure, params)(images, *dropout)

    return jax.jit(call), params


def assert_outputs_equal(one, two):
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(('name', 'weight_sharing'), CASES)
def test_outputs_are_the_tables_formula(name, weight_sharing):
    call, params = built(name, weight_sharing)
    images = make_images()
    output = call(params, images)
    main, *digits = outputs_by_hand(name, nnx.to_pure_dict(params), images)
    assert output.main_logits.dtype == np.float32
    # Logits are sums of numbers up to 15: near 0 they keep the sums' rounding, not their own.
    np.testing.assert_allclose(output.main_logits, main, rtol=1e-5, atol=5e-5)
    if not MODELS[name].has_digit_heads:
        assert output[1:] == (None, None)
        return
    for found, expected in zip(output[1:], digits, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize('name', [name for name in MODELS if MODELS[name].has_branches])
def test_branches_share_their_parameters_or_have_their_own(name):
    images = make_images()
    swapped = images[:, ::-1]
    call, params = built(name)
    _, digits_a, digits_b = call(params, images)
    np.testing.assert_allclose(call(params, swapped)[1:], (digits_b, digits_a), atol=1e-6)

    call, params = built(name, False)
    main, digits_a, digits_b = call(params, images)
    assert not np.allclose(call(params, swapped)[1], digits_b)
    for part in ('encoder', 'digit_head'):
        changed = jax.tree.map(np.copy, params)
        for leaf in jax.tree.leaves(changed[part]['second_module']):
            leaf *= 1.5
        new_main, new_a, new_b = call(changed, images)
        np.testing.assert_array_equal(new_a, digits_a)
        assert not np.allclose(new_b, digits_b)
        reaches_main = part == 'encoder' or name in ('AuxNet1', 'DeepModel', 'PairNet')
        assert np.allclose(new_main, main) != reaches_main


@pytest.mark.parametrize('weight_sharing', [True, False])
def test_a_shared_encoder_learns_from_both_images(weight_sharing):
    call, params = built('AuxNet1', weight_sharing)

    @jax.jit
    def gradient(weight_a, weight_b):
        def weighted(params):
            _, digits_a, digits_b = call.__wrapped__(params, make_images())
            return weight_a * digits_a.sum() + weight_b * digits_b.sum()

        return jax.grad(weighted)(params)['encoder']

    of_a, of_b, of_both = gradient(1.0, 0.0), gradient(0.0, 1.0), gradient(1.0, 1.0)
    for a, b, both in zip(*map(jax.tree.leaves, (of_a, of_b, of_both)), strict=True):
        np.testing.assert_allclose(a + b, both, rtol=1e-4, atol=1e-4)
        # Every parameter hears of both images, or of its own alone.
        assert (np.any(a) and np.any(b)) == weight_sharing
        assert np.any(a) or np.any(b)


@pytest.mark.parametrize(
    ('name', 'inputs'),
    [
        ('BasicNet1', (5, 6)),
        ('AuxNet1', (5, 6, 5, 6, 20, 6)),
        ('AuxNet2', (5, 6, 5, 6, 10, 6)),
        ('AuxNet3', (4, 5, 6, 4, 5, 6, 8, 5, 6)),
        ('ShallowModel', ()),
        ('DeepModel', ()),
        ('PairNet', (54, 54, 20)),
    ],
)
def test_dropout_stands_before_each_dense_layer_of_the_heads(name, inputs):
    seen = []
    model = abstract_model(name, weight_sharing=not MODELS[name].has_branches)
    structure, params = nnx.split(model)
    jax.eval_shape(
        lambda p, x: nnx.merge(structure, p)(x, lambda x: seen.append(x.shape) or x),
        params,
        make_images(),
    )
    assert seen == [(BATCH, width) for width in inputs]


def test_dropout_is_random_by_key_and_absent_without_one():
    call, params = built('AuxNet1')
    images = make_images()
    drop = jax.jit(
        lambda seed: call.__wrapped__(
            params, images, Dropout(random_bytes(jax.random.key(seed), 1, 10_000)[0], 0.5)
        )
    )
    assert_outputs_equal(drop(0), drop(0))
    for one, other, none in zip(drop(0), drop(1), call(params, images), strict=True):
        assert not np.allclose(one, other) and not np.allclose(one, none)
    assert_outputs_equal(call(params, images), call(params, images))


@pytest.mark.parametrize('name', MODELS)
def test_digit_heads_answer_with_as_many_classes_as_there_are(name):
    structure, params = nnx.split(abstract_model(name, num_classes=26))
    output = jax.eval_shape(lambda p, x: nnx.merge(structure, p)(x), params, make_images())
    expected = ((BATCH, 26),) * 2 if MODELS[name].has_digit_heads else (None, None)
    assert output.main_logits.shape == (BATCH, 2)
    assert tuple(digits and digits.shape for digits in output[1:]) == expected
