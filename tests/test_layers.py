"""Dropout's statistics and the shapes and formulas of the layers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from pairjax.convolution import conv_relu_pool_reference
from pairjax.layers import Branches, ConvReluPool, Dropout, Encoder, Head

KEY = jax.random.key(0)


def kept(rate, shape=(400, 250), key=KEY):
    return np.asarray(Dropout(key, rate)(jnp.ones(shape)))


# ---------------------------------------------------------------- dropout


@pytest.mark.parametrize('rate', [0.0, 0.25, 0.5, 0.9, 0.996])
def test_dropout_keeps_its_fraction_and_the_mean(rate):
    out = kept(rate)
    dropped = round(256 * rate)
    deviation = np.sqrt(dropped / 256 * (1 - dropped / 256) / out.size)
    assert abs((out == 0).mean() - dropped / 256) <= 4 * deviation
    # Kept units are scaled by exactly the inverse of the share that is kept.
    scale = 256 / (256 - dropped)
    assert set(np.unique(out)) <= {np.float32(0), np.float32(scale)}
    assert abs(out.mean() - 1) <= 4 * deviation * scale


def test_rate_zero_changes_nothing():
    x = jax.random.normal(KEY, (7, 5))
    np.testing.assert_array_equal(Dropout(KEY, 0.0)(x), x)


def test_kept_units_are_scaled_inputs():
    x = jax.random.normal(KEY, (33, 5))
    out = np.asarray(Dropout(KEY, 0.25)(x))
    np.testing.assert_allclose(out[out != 0], np.asarray(x)[out != 0] * 256 / 192, rtol=1e-6)


def test_the_four_units_of_a_word_are_independent():
    """Their correlations, and those of neighbouring words: 0 within 4 standard errors."""
    mask = (kept(0.5, (40_000,)) > 0).reshape(-1, 4)
    columns = [*mask.T, np.roll(mask[:, 0], 1)]
    for one, two in itertools.combinations(columns, 2):
        assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(len(mask))


@pytest.mark.parametrize('shape', [(), (1,), (7,), (3, 5), (2, 3, 7)])
def test_any_shape_even_where_no_multiple_of_four(shape):
    dropout = Dropout(KEY, 0.5)
    out = np.asarray(dropout(jnp.full(shape, 3.0)))
    assert out.shape == shape
    assert set(np.unique(out)) <= {0.0, 6.0}


def test_every_call_draws_a_mask_of_its_own_from_the_key():
    one, two = Dropout(KEY, 0.5), Dropout(KEY, 0.5)
    x = jnp.ones((20, 20))
    first, second, third = one(x), one(x), one(x)
    np.testing.assert_array_equal(first, two(x))
    np.testing.assert_array_equal(second, two(x))
    other_key = Dropout(jax.random.key(1), 0.5)(x)
    # Independent masks agree in half of their 400 units, standard error 10.
    for left, right in itertools.combinations((first, second, third, other_key), 2):
        assert 150 < (left == right).sum() < 250


def test_rate_is_traced_one_compilation_serves_all_rates():
    traces = []

    @jax.jit
    def apply(rate):
        traces.append(rate)
        return Dropout(KEY, rate)(jnp.ones((30, 30)))

    for rate in (0.0, 0.25, 0.5):
        np.testing.assert_allclose(apply(rate), kept(rate, (30, 30)), rtol=1e-6)
    assert len(traces) == 1


def test_dropped_units_get_no_gradient():
    dropout = lambda x: Dropout(KEY, 0.5)(x)  # noqa: E731
    x = jnp.ones((9, 9))
    np.testing.assert_array_equal(jax.grad(lambda x: dropout(x).sum())(x), dropout(x))


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize(
    ('kernel_size', 'padding', 'pool', 'side'),
    [(3, 0, 2, 6), (3, 1, 2, 7), (2, 1, 3, 5), (3, 1, 6, 2), (2, 0, 1, 13)],
)
def test_conv_relu_pool_has_its_own_parameters_and_shape(kernel_size, padding, pool, side):
    block = ConvReluPool(
        2, 5, kernel_size=kernel_size, padding=padding, pool=pool, rngs=nnx.Rngs(0)
    )
    x = jax.random.normal(KEY, (14, 14, 2, 3))
    assert block.kernel.shape == (kernel_size, kernel_size, 2, 5)
    assert block.bias.shape == (5,)
    out = nnx.jit(lambda block, x: block(x))(block, x)
    assert out.shape == (side, side, 5, 3)
    expected = conv_relu_pool_reference(
        x, block.kernel[...], block.bias[...], padding=padding, pool=pool
    )
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_encoder_makes_one_feature_vector_an_image():
    rngs = nnx.Rngs(0)
    encoder = Encoder(
        [
            ConvReluPool(3, 4, kernel_size=3, pool=3, rngs=rngs),
            ConvReluPool(4, 5, kernel_size=3, rngs=rngs),
        ]
    )
    images = jax.random.normal(KEY, (6, 3, 14, 14))
    apply = nnx.jit(lambda encoder, images: encoder(images))
    features = apply(encoder, images)
    assert features.shape == (6, 2 * 2 * 5)
    # One image's features do not depend on its batch.
    changed = apply(encoder, images.at[0].add(1))
    np.testing.assert_array_equal(features[1:], changed[1:])
    assert not np.allclose(features[0], changed[0])


@pytest.mark.parametrize('widths', [(3, 2), (7, 5, 2), (4, 6, 3, 10)])
def test_head_is_dense_layers_with_relu_and_dropout_before_each(widths):
    head = Head(widths, nnx.Rngs(0))
    x = jax.random.normal(KEY, (8, widths[0]))
    expected = np.asarray(x, np.float64)
    for i, layer in enumerate(head.layers):
        expected = np.maximum(expected, 0) if i else expected
        expected = expected @ np.asarray(layer.kernel[...]) + np.asarray(layer.bias[...])
    assert expected.shape == (8, widths[-1])
    np.testing.assert_allclose(head(x), expected, rtol=1e-5, atol=1e-6)

    seen = []
    head(x, lambda x: seen.append(x.shape) or x)
    assert seen == [(8, width) for width in widths[:-1]]


@pytest.mark.parametrize('weight_sharing', [True, False])
def test_branches_equal_two_calls(weight_sharing):
    rngs = nnx.Rngs(0)
    branches = Branches(lambda: Head((6, 4, 3), rngs), weight_sharing)
    a, b = jax.random.normal(KEY, (2, 5, 6))
    second = branches.module if weight_sharing else branches.second_module
    out_a, out_b = branches(a, b)
    np.testing.assert_allclose(out_a, branches.module(a), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(out_b, second(b), rtol=1e-5, atol=1e-6)
    assert weight_sharing == np.allclose(branches.module(b), out_b)


def test_both_branches_have_dropout_masks_of_their_own():
    for weight_sharing in (True, False):
        branches = Branches(lambda: Head((16, 2), nnx.Rngs(0)), weight_sharing)
        x = jnp.ones((50, 16))
        out_a, out_b = branches(x, x, Dropout(KEY, 0.5))
        assert not np.allclose(out_a, out_b)
