"""Normalisation, ReLU and pool in one, against their plain formula and its automatic gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pairjax.ops.batch_norm import normalize_relu_pool

EPSILON = 1e-5
SCALE = np.array([1.5, -0.7, 0.0, 2.0, 1e-3], np.float32)
BIAS = np.array([0.1, 0.2, 0.3, -0.4, 0.0], np.float32)


def plain(places, scale, bias):
    """The same step by step; a window's first highest place is found before it is normalised."""
    mean = places.mean(axis=(0, 1, 2, 4))[:, None]
    var = jnp.square(places - mean).mean(axis=(0, 1, 2, 4))[:, None]
    normalised = (places - mean) / jnp.sqrt(var + EPSILON) * scale[:, None] + bias[:, None]
    signed = places * jnp.where(scale < 0, -1, 1)[:, None]
    winner = jnp.argmax(signed, axis=0, keepdims=True)
    return jax.nn.relu(jnp.take_along_axis(normalised, winner, axis=0)[0])


def normal_places(num_places):
    return np.random.default_rng(0).normal(0.3, 2, (num_places, 2, 3, 5, 7)).astype(np.float32)


def tied_places(num_places):
    """Of few values, so that many places of a window tie."""
    values = np.random.default_rng(1).integers(-1, 2, (num_places, 2, 3, 5, 7))
    return values.astype(np.float32)


@pytest.mark.parametrize('make_places', [normal_places, tied_places])
@pytest.mark.parametrize('num_places', [1, 4, 9, 16])
def test_values_and_gradients_are_those_of_the_formula(num_places, make_places):
    places = make_places(num_places)
    cotangent = np.random.default_rng(2).normal(size=places.shape[1:]).astype(np.float32)

    def results(fn):
        pooled, transpose = jax.vjp(fn, places, SCALE, BIAS)
        return pooled, *transpose(cotangent)

    expected = jax.jit(lambda: results(plain))()
    found = jax.jit(lambda: results(lambda *args: normalize_relu_pool(*args, EPSILON)[0]))()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * max(1, np.abs(other).max()))


def test_the_pool_is_the_maximum_of_what_is_normalised_and_statistics_are_those_of_all_places():
    places = normal_places(4)
    pooled, mean, var = jax.jit(normalize_relu_pool)(places, SCALE, BIAS, EPSILON)
    over = (0, 1, 2, 4)
    np.testing.assert_allclose(mean, places.mean(axis=over), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(var, places.var(axis=over), rtol=1e-4)
    deviation = np.sqrt(places.var(axis=over) + EPSILON)
    normalised = (places - places.mean(axis=over)[:, None]) * (SCALE / deviation)[:, None]
    expected = np.maximum(normalised + BIAS[:, None], 0).max(axis=0)
    np.testing.assert_allclose(pooled, expected, rtol=1e-4, atol=1e-5)


def test_statistics_take_no_part_in_the_gradient():
    gradient = jax.grad(lambda places: sum(normalize_relu_pool(places, SCALE, BIAS, EPSILON)[1]))
    np.testing.assert_array_equal(gradient(normal_places(4)), 0)
