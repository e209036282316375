"""Max-pools over the places of a window, which convolutions put on the leading axis."""

import jax
import jax.numpy as jnp
from jax import lax

# XLA:CPU may fuse the search for each window's winner into what reads it, and then searches all
# places once more for every place. A loop keeps the two apart; for few places it gains nothing.
MOST_FUSED_PLACES = 9


def highest_place(outputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The maximum over the leading axis, and the first place that has it, int8."""
    highest, winner = outputs[0], jnp.zeros(outputs.shape[1:], jnp.int8)
    for place in range(1, len(outputs)):
        winner = jnp.where(outputs[place] > highest, jnp.int8(place), winner)
        highest = jnp.maximum(outputs[place], highest)
    return highest, winner


def relu_pool(outputs: jax.Array, bias: jax.Array) -> tuple[jax.Array, jax.Array]:
    """ReLU of the maximum over the leading axis plus bias, and the first place that has it."""
    highest, winner = highest_place(outputs)
    return jnp.maximum(highest + bias, 0), winner


def unpool(gradient: jax.Array, winner: jax.Array, num_places: int) -> jax.Array:
    """Each window's gradient at the place that won, 0 elsewhere: (num_places, ...)."""
    if num_places > MOST_FUSED_PLACES:
        return lax.map(
            lambda place: jnp.where(winner == place, gradient, 0),
            jnp.arange(num_places, dtype=jnp.int8),
        )
    places = lax.broadcasted_iota(jnp.int8, (num_places,) + (1,) * gradient.ndim, 0)
    return jnp.where(winner == places, gradient, 0)
