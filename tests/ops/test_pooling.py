"""Max-pools against NumPy."""

import jax
import numpy as np
import pytest

from pairjax.ops.pooling import MOST_FUSED_PLACES, highest_place, relu_pool, unpool


@pytest.mark.parametrize('num_places', [1, 4, MOST_FUSED_PLACES, MOST_FUSED_PLACES + 1, 36])
def test_of_places_that_tie_the_first_wins_and_gets_the_gradient(num_places):
    # Few values, so that many places tie.
    rng = np.random.default_rng(num_places)
    places = rng.integers(-2, 3, (num_places, 2, 3, 4, 5)).astype(np.float32)
    gradient = rng.normal(size=places.shape[1:]).astype(np.float32)
    highest, winner = jax.jit(highest_place)(places)
    first = np.argmax(places, axis=0)
    np.testing.assert_array_equal(highest, places.max(axis=0))
    np.testing.assert_array_equal(winner, first)
    spread = jax.jit(unpool, static_argnums=2)(gradient, winner, num_places)
    expected = np.zeros_like(places)
    np.put_along_axis(expected, first[None], gradient[None], axis=0)
    np.testing.assert_array_equal(spread, expected)


def test_the_bias_is_added_before_the_cut_at_0():
    places = np.array([[-3.0, 1.0, 0.5], [-2.0, 0.0, 2.0]], np.float32)
    pooled, winner = relu_pool(places, np.float32([1, -0.25, -3]))
    np.testing.assert_array_equal(pooled, [0, 0.75, 0])
    np.testing.assert_array_equal(winner, [1, 0, 1])
