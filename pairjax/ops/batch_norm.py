"""Batch normalisation, ReLU and max-pool in one, with a gradient that passes over the images once.

Left to itself, XLA walks over the images before the pool for every sum in the gradient of
normalisation, and once more for each place of a window. Written out, all sums of that gradient are
over the pooled images, since only each window's highest place has one.
"""

import jax
import jax.numpy as jnp

from pairjax.ops.pooling import highest_place, unpool


@jax.custom_vjp
def normalize_relu_pool(
    places: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalises over the batch, cuts at 0 and takes the maximum over places.

    S. Ioffe and C. Szegedy, "Batch Normalization", 2015, with the pool of the values that follow.

    Args:
      places: (places, H, W, C, N) floats, the places of each pooling window.
      scale, bias: (C,) floats.
      epsilon: added to the variance.

    Returns: the pooled images (H, W, C, N), and of what was normalised mean and variance, (C,)
      each, which take no part in the gradient. Of places that tie the first gets the gradient; at a
      ReLU input of 0 it is 0.
    """
    return _forward(places, scale, bias, epsilon)[0]


def _forward(places, scale, bias, epsilon):
    over = (0, 1, 2, 4)
    mean = places.mean(axis=over)
    var = jnp.maximum(jnp.square(places).mean(axis=over) - jnp.square(mean), 0)
    inverse = jax.lax.rsqrt(var + epsilon)
    # A channel of negative scale is highest where it was lowest.
    sign = jnp.where(scale < 0, -1.0, 1.0).astype(places.dtype)
    highest, winner = highest_place(places * sign[:, None])
    centred = (highest * sign[:, None] - mean[:, None]) * inverse[:, None]
    pooled = jnp.maximum(centred * scale[:, None] + bias[:, None], 0)
    return (pooled, mean, var), (places, winner, centred, pooled, mean, inverse, scale)


def _backward(residuals, gradients):
    places, winner, centred, pooled, mean, inverse, scale = residuals
    gradient = jnp.where(pooled > 0, gradients[0], 0)
    over = (0, 1, 3)
    of_bias = gradient.sum(axis=over)
    of_scale = (gradient * centred).sum(axis=over)
    count = places.size // len(mean)
    factor = scale * inverse
    slope = factor * inverse * of_scale / count
    offset = factor * of_bias / count - slope * mean
    of_places = unpool(factor[:, None] * gradient, winner, len(places))
    of_places -= offset[:, None] + slope[:, None] * places
    return of_places, of_scale, of_bias, None


normalize_relu_pool.defvjp(_forward, _backward)
