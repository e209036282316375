"""Convolution alone, for layers that normalise between it and the max-pool.

The products of conv_relu_pool: Winograd's minimal filtering where it covers the image, else im2col.
"""

import functools

import jax
import jax.numpy as jnp

from pairjax.ops.conv_relu_pool import (
    Geometry,
    choose_algorithm,
    extract_patches,
    winograd_gradients,
    winograd_outputs,
)


def convolve(inputs: jax.Array, kernel: jax.Array, padding: int, pool: int = 1) -> jax.Array:
    """Stride-1 convolution, its outputs ordered for a max-pool that is to follow.

    Agrees with a plain convolution to 3e-5 of the largest magnitude.

    Args:
      inputs: (H, W, C_in, N) floats.
      kernel: (k, k, C_in, C_out) floats.
      padding: zeros added on each side of both spatial axes.
      pool: side and stride of the windows; outputs that no window reads are left out.

    Returns: (pool * pool, H' // pool, W' // pool, C_out, N) with H' = H + 2 * padding - k + 1, the
      places of a window first, row by row.
    """
    height, width, channels_in, batch = inputs.shape
    geometry = Geometry(height, width, kernel.shape[0], padding, pool)
    if choose_algorithm(geometry, channels_in, batch, jax.default_backend()) == 'winograd':
        return _by_winograd(inputs, kernel, geometry)
    patches = extract_patches(inputs, geometry, channel_axis=2).swapaxes(0, 1)
    weights = kernel.reshape(-1, kernel.shape[3]).T
    # Repeating the weights makes it a batched product that needs no transposed copies.
    repeated = jnp.broadcast_to(weights, (*patches.shape[:3], *weights.shape))
    return jnp.einsum('prcot,prctn->prcon', repeated, patches)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _by_winograd(inputs, kernel, geometry):
    return _forward(inputs, kernel, geometry)[0]


def _forward(inputs, kernel, geometry):
    outputs, images = winograd_outputs(inputs, kernel, geometry)
    shape = (len(outputs), geometry.rows, geometry.columns, *outputs.shape[2:])
    return outputs.reshape(shape), (images, kernel)


def _backward(geometry, residuals, gradient):
    images, kernel = residuals
    gradient = gradient.reshape(len(gradient), -1, *gradient.shape[3:])
    return winograd_gradients(images, kernel, gradient, geometry)


_by_winograd.defvjp(_forward, _backward)
