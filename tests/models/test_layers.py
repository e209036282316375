"""Dropout's statistics and the shapes and formulas of the layers."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from pairjax.models.layers import (
    Branches,
    ConvReluPool,
    Dropout,
    Encoder,
    Head,
    call_on_both,
    count_dropout_units,
    normalizes_over_batch,
    random_bytes,
)

KEY = jax.random.key(0)


def make_dropout(key, rate):
    return Dropout(random_bytes(key, 1, 120_000)[0], rate)


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@functools.cache
def dropout_of(shape):
    """A compiled function of the rate and the input."""
    return jax.jit(lambda rate, x: make_dropout(KEY, rate)(x.reshape(shape)))


def kept(rate, shape=(400, 250)):
    return np.asarray(dropout_of(shape)(rate, np.ones(shape, np.float32)))


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
    x = normal(400, 250)
    np.testing.assert_array_equal(dropout_of(x.shape)(0.0, x), x)


def test_kept_units_are_scaled_inputs():
    x = normal(400, 250)
    out = np.asarray(dropout_of(x.shape)(0.25, x))
    np.testing.assert_allclose(out[out != 0], x[out != 0] * 256 / 192, rtol=1e-6)


def test_the_four_units_of_a_word_are_independent():
    """Their correlations, and those of neighbouring words: 0 within 4 standard errors."""
    mask = (kept(0.5) > 0).reshape(-1, 4)
    columns = [*mask.T, np.roll(mask[:, 0], 1)]
    for one, two in itertools.combinations(columns, 2):
        assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(len(mask))


@pytest.mark.parametrize('shape', [(), (1,), (7,), (3, 5), (2, 3, 7)])
def test_any_shape_even_where_no_multiple_of_four(shape):
    out = kept(0.5, shape)
    assert out.shape == shape
    assert set(np.unique(out)) <= {0.0, 2.0}


def test_every_call_draws_a_mask_of_its_own_from_the_key():
    @jax.jit
    def masks(seed):
        dropout = make_dropout(jax.random.key(seed), 0.5)
        return [dropout(jnp.ones((20, 20))) for _ in range(3)]

    for one, two in zip(masks(0), masks(0), strict=True):
        np.testing.assert_array_equal(one, two)
    # Independent masks agree in half of their 400 units, standard error 10.
    for one, two in itertools.combinations(masks(0) + masks(1), 2):
        assert 150 < (one == two).sum() < 250


def test_rate_is_traced_one_compilation_serves_all_rates():
    traces = []

    @jax.jit
    def apply(rate):
        traces.append(rate)
        return make_dropout(KEY, rate)(jnp.ones((30, 30)))

    dropped = [(np.asarray(apply(rate)) == 0).mean() for rate in (0.0, 0.25, 0.75)]
    # Within 5 standard errors of a share of 900 units.
    np.testing.assert_allclose(dropped, (0.0, 0.25, 0.75), atol=0.075)
    assert len(traces) == 1


def test_dropped_units_get_no_gradient():
    gradient = jax.jit(jax.grad(lambda x: make_dropout(KEY, 0.5)(x).sum()))(
        np.ones((3, 5), np.float32)
    )
    np.testing.assert_array_equal(gradient, kept(0.5, (3, 5)))


def test_units_are_counted_as_they_are_used():
    def apply(x, dropout):
        return dropout(dropout(x)[:2])

    assert count_dropout_units(apply, jax.ShapeDtypeStruct((5, 7), jnp.float32)) == 35 + 14


def test_random_bytes_are_uniform_and_differ_between_rows():
    rows = np.asarray(random_bytes(KEY, 3, 10_001))
    assert rows.shape == (3, 10_001)
    assert rows.dtype == np.uint8
    # The mean of 256 equally likely values is 127.5 with standard deviation 73.9.
    np.testing.assert_allclose(rows.mean(axis=1), 127.5, atol=4 * 73.9 / 100)
    assert (rows[0] == rows[1]).mean() < 0.01


# ---------------------------------------------------------------- layers


def filled(make):
    """The module that `make(rngs)` makes, with parameters from NumPy, which takes no compiling."""
    structure, abstract = nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0))))
    rng = np.random.default_rng(1)
    draw = lambda p: rng.uniform(-1, 1, p.shape).astype(np.float32)  # noqa: E731
    return nnx.merge(structure, jax.tree.map(draw, abstract))


@pytest.mark.parametrize(
    ('kernel_size', 'padding', 'pool', 'side'),
    [(3, 0, 2, 6), (3, 1, 2, 7), (2, 1, 3, 5), (3, 1, 6, 2), (2, 0, 1, 13)],
)
def test_conv_relu_pool_has_its_own_parameters_and_shape(kernel_size, padding, pool, side):
    def make(rngs):
        return ConvReluPool(2, 5, kernel_size=kernel_size, padding=padding, pool=pool, rngs=rngs)

    block = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    assert block.kernel.shape == (kernel_size, kernel_size, 2, 5)
    assert block.bias.shape == (5,)
    out = nnx.eval_shape(lambda block, x: block(x), block, normal(14, 14, 2, 3))
    assert out.shape == (side, side, 5, 3)


@pytest.mark.parametrize(
    ('side', 'pool'),
    [(6, 1), (6, 2), (12, 2), (7, 2)],
)
def test_a_normalised_block_normalises_then_cuts_at_0_then_pools(side, pool):
    def make(rngs):
        return ConvReluPool(
            3,
            5,
            kernel_size=3,
            padding=1,
            pool=pool,
            batch_norm=True,
            rngs=rngs,
        )

    structure, params, stats = nnx.split(filled(make), nnx.Param, nnx.BatchStat)

    def plain(params, x):
        x = jax.lax.conv_general_dilated(
            x, params['kernel'], (1, 1), [(1, 1)] * 2, dimension_numbers=('HWCN', 'HWIO', 'HWCN')
        )
        # What no window reads is not normalised, nor does it count.
        read = side // pool * pool
        x = x[:read, :read]
        mean, var = (f(x, axis=(0, 1, 3), keepdims=True) for f in (jnp.mean, jnp.var))
        scale, bias = (params['norm'][name][:, None] for name in ('scale', 'bias'))
        x = jnp.maximum(scale * (x - mean) / jnp.sqrt(var + 1e-5) + bias, 0)
        windows = (pool, pool, 1, 1)
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, windows, windows, 'VALID')

    def of_block(params, x):
        # What a block writes into may not be NumPy's.
        return nnx.merge(structure, params, jax.tree.map(jnp.asarray, stats))(x)

    operands, x = nnx.to_pure_dict(params), normal(side, side, 3, 4)
    expected, transpose = jax.vjp(plain, operands, x)
    found, found_transpose = jax.vjp(of_block, params, x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=3e-4 * np.abs(expected).max())
    cotangent = normal(*expected.shape)
    of_params, of_x = found_transpose(cotangent)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=3e-4 * np.abs(b).max()),
        (nnx.to_pure_dict(of_params), of_x),
        transpose(cotangent),
    )


def test_encoder_makes_one_feature_vector_of_each_image():
    encoder = filled(
        lambda rngs: Encoder(
            [
                ConvReluPool(3, 4, kernel_size=3, pool=3, rngs=rngs),
                ConvReluPool(4, 5, kernel_size=3, rngs=rngs),
            ]
        )
    )
    apply = jax.jit(encoder)
    images = normal(6, 3, 14, 14)
    features = apply(images)
    assert features.shape == (6, 2 * 2 * 5)
    changed = apply(np.concatenate([images[:1] + 1, images[1:]]))
    np.testing.assert_array_equal(features[1:], changed[1:])
    assert not np.allclose(features[0], changed[0])


def head_by_hand(head, x):
    x = x.astype(np.float64)
    for i, layer in enumerate(head.layers):
        x = np.maximum(x, 0) if i else x
        x = x @ np.asarray(layer.kernel[...]) + np.asarray(layer.bias[...])
    return x


@pytest.mark.parametrize('widths', [(3, 2), (7, 5, 2), (4, 6, 3, 10)])
def test_head_is_dense_layers_with_relu_between_and_dropout_before_each(widths):
    head = filled(functools.partial(Head, widths))
    x = normal(8, widths[0])
    out = jax.jit(head)(x)
    assert out.shape == (8, widths[-1])
    np.testing.assert_allclose(out, head_by_hand(head, x), rtol=1e-5, atol=1e-5)

    seen = []
    jax.eval_shape(lambda x: head(x, lambda x: seen.append(x.shape) or x), x)
    assert seen == [(8, width) for width in widths[:-1]]


@pytest.mark.parametrize('weight_sharing', [True, False])
def test_branches_equal_two_calls(weight_sharing):
    branches = filled(lambda rngs: Branches(lambda: Head((6, 3), rngs), weight_sharing))
    a, b = normal(2, 5, 6)
    assert (branches.second_module is None) == weight_sharing
    expected = (
        head_by_hand(branches.module, a),
        head_by_hand(branches.second_module or branches.module, b),
    )
    np.testing.assert_allclose(jax.jit(branches)(a, b), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('weight_sharing', [True, False])
def test_both_branches_have_dropout_masks_of_their_own(weight_sharing):
    branches = filled(lambda rngs: Branches(lambda: Head((16, 2), rngs), weight_sharing))
    if not weight_sharing:
        branches.second_module = branches.module
    x = normal(50, 16)
    out_a, out_b = jax.jit(lambda x: branches(x, x, make_dropout(KEY, 0.5)))(x)
    assert not np.allclose(out_a, out_b)


def block(batch_norm):
    return filled(
        lambda rngs: Branches(
            lambda: Encoder(
                [ConvReluPool(1, 2, kernel_size=3, pool=4, batch_norm=batch_norm, rngs=rngs)]
            ),
            weight_sharing=True,
        )
    )


def outputs_and_stats(branches, call):
    """call(branches, a, b) of two batches of images, and the running averages after it."""
    structure, state = nnx.split(branches)

    @jax.jit
    def run(state, a, b):
        branches = nnx.merge(structure, state)
        return call(branches, a, b), nnx.state(branches, nnx.BatchStat)

    a, b = normal(2, 5, 1, 14, 14)
    return run(state, a, b + 1)


def called_twice(branches, a, b):
    return branches.module(a), branches.module(b)


def test_one_batch_of_both_images_equals_two_calls():
    branches = block(batch_norm=False)
    assert not normalizes_over_batch(branches)
    found, _ = outputs_and_stats(
        branches, lambda branches, a, b: call_on_both(branches.module, a, b)
    )
    expected, _ = outputs_and_stats(branches, called_twice)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    chosen, _ = outputs_and_stats(branches, Branches.__call__)
    np.testing.assert_array_equal(chosen, found)


def test_a_shared_normalised_branch_normalises_each_image_over_its_own_batch():
    branches = block(batch_norm=True)
    assert normalizes_over_batch(branches)
    found, stats = outputs_and_stats(branches, Branches.__call__)
    expected, expected_stats = outputs_and_stats(branches, called_twice)
    jax.tree.map(np.testing.assert_array_equal, (found, stats), (expected, expected_stats))
    together, _ = outputs_and_stats(
        branches, lambda branches, a, b: call_on_both(branches.module, a, b)
    )
    assert not np.allclose(found, together, atol=0.1)
    # Evaluation uses the running averages, so that the other examples no longer matter.
    branches.eval()
    assert not normalizes_over_batch(branches)
    found, _ = outputs_and_stats(branches, Branches.__call__)
    expected, _ = outputs_and_stats(branches, called_twice)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
