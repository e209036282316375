"""Convolution alone, for layers that do something between it and the max-pool.

The products of conv_relu_pool for images of any size: what Winograd's minimal filtering covers in
one tile stays one; a larger image is cut into overlapping tiles, which join the batch. Tiles of
seven outputs a side, for images of 7x7 and 14x14, agree with a plain convolution to 2e-4 of the
largest magnitude, smaller ones to 3e-5.
"""

import functools

import jax
import jax.numpy as jnp

from pairjax.ops.conv_relu_pool import Geometry, winograd_gradients, winograd_outputs

MOST_OUTPUTS = 7


def convolve(inputs: jax.Array, kernel: jax.Array, padding: int, pool: int = 1) -> jax.Array:
    """Stride-1 convolution, its outputs ordered for a max-pool that is to follow.

    Args:
      inputs: (H, W, C_in, N) floats.
      kernel: (k, k, C_in, C_out) floats.
      padding: zeros added on each side of both spatial axes.
      pool: side and stride of the windows; outputs that no window reads are left out.

    Returns: (pool * pool, H' // pool, W' // pool, C_out, N) with H' = H + 2 * padding - k + 1, the
      places of a window first, row by row.
    """
    height, width, channels_in, _ = inputs.shape
    geometry = Geometry(height, width, kernel.shape[0], padding, pool)
    # With one or two channels there is no sum over channels to save on.
    if jax.default_backend() != 'cpu' or channels_in <= 2:
        return _convolve_patches(inputs, kernel, geometry)
    if pool * max(geometry.rows, geometry.columns) <= MOST_OUTPUTS:
        return _convolve_tile(inputs, kernel, geometry)
    if all(_split(pool * side)[1] % pool == 0 for side in (geometry.rows, geometry.columns)):
        return _convolve_tiles(inputs, kernel, geometry)
    return by_place(_convolve_tiles(inputs, kernel, geometry._replace(pool=1))[0], pool)


def by_place(outputs: jax.Array, pool: int) -> jax.Array:
    """(H, W, C, N) -> (pool * pool, H // pool, W // pool, C, N), the places of a window first."""
    rows, columns = (side // pool for side in outputs.shape[:2])
    read = outputs[: rows * pool, : columns * pool]
    read = read.reshape(rows, pool, columns, pool, *outputs.shape[2:]).transpose(1, 3, 0, 2, 4, 5)
    return read.reshape(pool * pool, rows, columns, *outputs.shape[2:])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve_tile(inputs, kernel, geometry):
    return _tile_forward(inputs, kernel, geometry)[0]


def _tile_forward(inputs, kernel, geometry):
    outputs, images = winograd_outputs(inputs, kernel, geometry)
    shape = (len(outputs), geometry.rows, geometry.columns, *outputs.shape[2:])
    return outputs.reshape(shape), (images, kernel)


def _tile_backward(geometry, residuals, gradient):
    images, kernel = residuals
    gradient = gradient.reshape(len(gradient), -1, *gradient.shape[3:])
    return winograd_gradients(images, kernel, gradient, geometry)


_convolve_tile.defvjp(_tile_forward, _tile_backward)


def _convolve_tiles(inputs, kernel, geometry):
    """The same by tiles of equal size; what they compute beyond the image is cut off."""
    pool, size = geometry.pool, geometry.size
    (num_rows, tall), (num_columns, wide) = (
        _split(pool * windows) for windows in (geometry.rows, geometry.columns)
    )
    height, width = num_rows * tall + size - 1, num_columns * wide + size - 1
    padding = geometry.padding
    inputs = jnp.pad(
        inputs,
        (
            (padding, max(0, height - padding - geometry.height)),
            (padding, max(0, width - padding - geometry.width)),
            (0, 0),
            (0, 0),
        ),
    )
    corners = [(i * tall, j * wide) for i in range(num_rows) for j in range(num_columns)]
    tiles = [inputs[i : i + tall + size - 1, j : j + wide + size - 1] for i, j in corners]
    tile = Geometry(tall + size - 1, wide + size - 1, size, 0, pool)
    outputs = _convolve_tile(jnp.concatenate(tiles, axis=3), kernel, tile)
    outputs = jnp.split(outputs, len(tiles), axis=4)
    rows = [
        jnp.concatenate(outputs[i : i + num_columns], axis=2)
        for i in range(0, len(outputs), num_columns)
    ]
    return jnp.concatenate(rows, axis=1)[:, : geometry.rows, : geometry.columns]


def _split(length):
    """How many tiles, and the outputs of each."""
    count = -(-length // MOST_OUTPUTS)
    return count, -(-length // count)


def _convolve_patches(inputs, kernel, geometry):
    size, padding = geometry.size, geometry.padding
    inputs = jnp.pad(inputs, ((padding,) * 2,) * 2 + ((0, 0),) * 2)
    height, width = (side - size + 1 for side in inputs.shape[:2])
    shifted = [inputs[i : i + height, j : j + width] for i in range(size) for j in range(size)]
    patches = by_place(jnp.concatenate(shifted, axis=2), geometry.pool)
    weights = kernel.reshape(-1, kernel.shape[3]).T
    # Repeating the weights makes it a batched product that needs no transposed copies.
    repeated = jnp.broadcast_to(weights, (*patches.shape[:3], *weights.shape))
    return jnp.einsum('prcot,prctn->prcon', repeated, patches)
