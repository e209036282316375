"""Convolution alone, against `lax` in every shape."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from pairjax.ops.convolve import convolve

# Side, kernel, padding, channels in, pool: Winograd, and patches of large images or few channels.
SHAPES = [
    (6, 3, 1, 4, 1),
    (6, 3, 1, 4, 2),
    (12, 3, 1, 3, 2),
    (12, 3, 1, 3, 1),
    (14, 3, 1, 3, 2),
    (14, 3, 1, 3, 1),
    (7, 3, 1, 5, 1),
    (7, 3, 1, 5, 2),
    (13, 2, 0, 3, 3),
    (14, 3, 0, 1, 1),
    (14, 3, 1, 2, 2),
]


def plain(inputs, kernel, padding):
    return lax.conv_general_dilated(
        inputs,
        kernel,
        (1, 1),
        [(padding, padding)] * 2,
        dimension_numbers=('HWCN', 'HWIO', 'HWCN'),
    )


def by_place(outputs, pool):
    """(H, W, C, N) -> (pool * pool, H // pool, W // pool, C, N)."""
    rows, columns = (side // pool for side in outputs.shape[:2])
    return jnp.stack(
        [
            outputs[i : rows * pool : pool, j : columns * pool : pool]
            for i in range(pool)
            for j in range(pool)
        ]
    )


@pytest.mark.parametrize(('side', 'size', 'padding', 'channels', 'pool'), SHAPES)
def test_values_and_gradients_are_those_of_lax(side, size, padding, channels, pool):
    rng = np.random.default_rng(side)
    inputs = rng.normal(size=(side, side, channels, 9)).astype(np.float32)
    kernel = rng.normal(size=(size, size, channels, 6)).astype(np.float32)
    expected, transpose = jax.vjp(
        lambda *args: by_place(plain(*args, padding), pool), inputs, kernel
    )
    found, found_transpose = jax.jit(
        lambda *args: jax.vjp(functools.partial(convolve, padding=padding, pool=pool), *args)
    )(inputs, kernel)
    assert found.shape == expected.shape
    cotangent = rng.normal(size=expected.shape).astype(np.float32)
    for a, b in zip(
        (found, *found_transpose(cotangent)), (expected, *transpose(cotangent)), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=3e-5 * np.abs(b).max())


def test_images_need_not_be_square():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(5, 14, 3, 4)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 3, 2)).astype(np.float32)
    expected = by_place(plain(inputs, kernel, 1), 2)
    tolerance = 3e-5 * np.abs(expected).max()
    np.testing.assert_allclose(convolve(inputs, kernel, 1, 2), expected, atol=tolerance)
