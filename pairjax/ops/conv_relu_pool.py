"""Convolution, ReLU and max-pool as matrix products, with a plain `lax` version beside them.

XLA:CPU turns a convolution inside `scan` into a naive loop, and `vmap` over runs with different
kernels turns it into a grouped convolution; both are ten times slower than need be. Matrix
products keep their speed in both places, so everything here is one.

A convolution is a bilinear map of kernel k and image x and can be written, with constant matrices,

    y = A [(G k) * (B x)]

where the product over points is, for many channels, one product of a (C_out, C_in) with a
(C_in, N) matrix a point. Choosing the constants chooses the algorithm:

  im2col    the points are all pairs (output, tap); B and G copy, A adds up an output's taps.
            The sum over taps then joins the sum over channels inside one larger product.
  Winograd  the points are those of minimal filtering: 64 products where im2col has 324 for a
            6x6 image, at the price of dense transforms B, G and A. See `winograd.py`.

Padding, outputs that no pooling window reads and the order of the outputs within a window all
fold into the constants. Arrays are laid out (height, width, channels, N): positions lead, so that
transforms and pooling work on contiguous slices, and N, the batch, is the vector axis.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from pairjax.ops import winograd
from pairjax.ops.pooling import relu_pool, unpool


class Geometry(NamedTuple):
    """The static shape of one convolution with its pool."""

    height: int
    width: int
    size: int
    padding: int
    pool: int

    @property
    def rows(self):
        """Rows of the pooled output."""
        return (self.height + 2 * self.padding - self.size + 1) // self.pool

    @property
    def columns(self):
        """Columns of the pooled output."""
        return (self.width + 2 * self.padding - self.size + 1) // self.pool


def choose_algorithm(geometry, channels_in, batch, backend):
    """The fastest of 'winograd', 'rowwise' and 'wide' as measured on CPU (AVX-512, one core).

    On TPU 'lax', the plain convolution: by its compiler's own account it moves fewer bytes than
    any of these (docs/performance.md). Not measured on a GPU, which gets one large product.

    'wide' is im2col with all positions in one product; it wins while N is too narrow to fill a
    product by itself. 'rowwise' is im2col with a product for each position, one row of outputs
    after another, pooled while still in the cache. Winograd wins wherever there is a sum over
    channels to save on, 1.4 to 9 times from 16 to 256 channels.
    """
    if backend == 'tpu':
        return 'lax'
    if backend != 'cpu' or batch < 8:
        return 'wide'
    num_outputs = geometry.pool * max(geometry.rows, geometry.columns)
    if channels_in > 2 and num_outputs <= winograd.MOST_OUTPUTS:
        return 'winograd'
    return 'rowwise' if batch >= 20 else 'wide'


def conv_relu_pool(inputs, kernel, bias, *, padding, pool):
    """Stride-1 convolution, bias, max-pool (window = stride = pool, floor) and ReLU.

    Agrees with `conv_relu_pool_reference` in values and gradients to 3e-5 of the largest
    magnitude in float32 (Winograd's transforms cost a digit; im2col stays within 3e-6), except
    for the gradient at ties.

    Args:
      inputs: (H, W, C_in, N) floats.
      kernel: (k, k, C_in, C_out) floats.
      bias: (C_out,) floats.
      padding: zeros added on each side of both spatial axes.
      pool: side of the pooling window and its stride; 1 means no pooling.

    Returns:
      (H_out // pool, W_out // pool, C_out, N) with H_out = H + 2 * padding - k + 1.
      Where several places of a pooling window tie, the first in row-major order gets the
      gradient, as in PyTorch; the gradient at a ReLU input of 0 is 0. Winograd's rounding may
      break a tie that exact sums would show, other than between places that see only zeros.
    """
    height, width, channels_in, batch = inputs.shape
    geometry = Geometry(height, width, kernel.shape[0], padding, pool)
    backend = jax.default_backend()
    algorithm = choose_algorithm(geometry, channels_in, batch, backend)
    if algorithm == 'lax':
        return conv_relu_pool_reference(inputs, kernel, bias, padding=padding, pool=pool)
    return conv_relu_pool_by(inputs, kernel, bias, geometry, algorithm)


def conv_relu_pool_reference(inputs, kernel, bias, *, padding, pool):
    """The same as `conv_relu_pool`, written with `lax.conv_general_dilated`."""
    outputs = lax.conv_general_dilated(
        inputs,
        kernel,
        window_strides=(1, 1),
        padding=[(padding, padding)] * 2,
        dimension_numbers=('HWCN', 'HWIO', 'HWCN'),
    )
    outputs = outputs + bias[:, None]
    window = (pool, pool, 1, 1)
    return jax.nn.relu(lax.reduce_window(outputs, -jnp.inf, lax.max, window, window, 'VALID'))


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def conv_relu_pool_by(inputs, kernel, bias, geometry, algorithm):
    """`conv_relu_pool` by the algorithm of that name, for tests and measurements."""
    return _forward(inputs, kernel, bias, geometry, algorithm)[0]


def _forward(inputs, kernel, bias, geometry, algorithm):
    forward, _ = _ALGORITHMS[algorithm]
    result, residuals = forward(inputs, kernel, bias, geometry)
    return result, (result, residuals)


def _backward(geometry, algorithm, residuals, gradient):
    result, residuals = residuals
    gradient = jnp.where(result > 0, gradient, 0)
    _, backward = _ALGORITHMS[algorithm]
    inputs, kernel = backward(geometry, residuals, gradient)
    return inputs, kernel, gradient.sum(axis=(0, 1, 3))


conv_relu_pool_by.defvjp(_forward, _backward)


def _transform(matrix, array):
    """A constant matrix applied to the leading axis."""
    flat = jnp.asarray(matrix, array.dtype) @ array.reshape(len(array), -1)
    return flat.reshape(-1, *array.shape[1:])


def winograd_outputs(inputs, kernel, geometry):
    """Outputs by place in the pooling window, (pool * pool, windows, C_out, N), and B x."""
    to_points, filter_points, to_outputs = winograd.tile_matrices(*geometry)
    taps = kernel.reshape(-1, *kernel.shape[2:])
    images = _transform(to_points, inputs.reshape(-1, *inputs.shape[2:]))
    filters = _transform(filter_points, taps.transpose(0, 2, 1))
    outputs = _transform(to_outputs, jnp.einsum('poc,pcn->pon', filters, images))
    return outputs.reshape(geometry.pool**2, -1, *outputs.shape[1:]), images


def winograd_gradients(images, kernel, outputs, geometry):
    """Gradients of inputs and kernel from those of the outputs, as `winograd_outputs` has them."""
    to_points, filter_points, to_outputs = winograd.tile_matrices(*geometry)
    taps = kernel.reshape(-1, *kernel.shape[2:])
    products = _transform(to_outputs.T, outputs.reshape(-1, *outputs.shape[2:]))
    filters = _transform(filter_points, taps)
    inputs = _transform(to_points.T, jnp.einsum('pco,pon->pcn', filters, products))
    taps = _transform(filter_points.T, jnp.einsum('pon,pcn->poc', products, images))
    inputs = inputs.reshape(geometry.height, geometry.width, *inputs.shape[1:])
    return inputs, taps.transpose(0, 2, 1).reshape(kernel.shape)


def _winograd_forward(inputs, kernel, bias, geometry):
    outputs, images = winograd_outputs(inputs, kernel, geometry)
    result, winner = relu_pool(outputs, bias[:, None])
    result = result.reshape(geometry.rows, geometry.columns, *result.shape[1:])
    return result, (images, kernel, winner)


def _winograd_backward(geometry, residuals, gradient):
    images, kernel, winner = residuals
    outputs = unpool(gradient.reshape(winner.shape), winner, geometry.pool**2)
    return winograd_gradients(images, kernel, outputs, geometry)


def extract_patches(images, geometry, channel_axis):
    """Each output's k k C_in inputs, in the axis that has the channels of `images` (H, W, ., .).

    Returns (rows, pool * pool, columns, ., .).
    """
    pool, size = geometry.pool, geometry.size
    height, width = geometry.rows * pool, geometry.columns * pool
    images = jnp.pad(images, ((geometry.padding,) * 2,) * 2 + ((0, 0),) * 2)
    shifted = [images[i : i + height, j : j + width] for i in range(size) for j in range(size)]
    patches = jnp.concatenate(shifted, axis=channel_axis)
    patches = patches.reshape(geometry.rows, pool, geometry.columns, pool, *patches.shape[2:])
    patches = patches.transpose(0, 1, 3, 2, 4, 5)
    return patches.reshape(geometry.rows, pool * pool, geometry.columns, *patches.shape[4:])


def _add_patches(patches, geometry, channel_axis):
    """The transpose of `extract_patches`: each input collects its places in all patches."""
    shape = [geometry.height, geometry.width, *patches.shape[3:]]
    shape[channel_axis] //= geometry.size**2
    images = jax.ShapeDtypeStruct(tuple(shape), patches.dtype)
    transpose = jax.linear_transpose(lambda x: extract_patches(x, geometry, channel_axis), images)
    return transpose(patches)[0]


def _rowwise_forward(inputs, kernel, bias, geometry):
    patches = extract_patches(inputs, geometry, channel_axis=2)
    weights = kernel.reshape(-1, kernel.shape[3]).T

    def one_row(patches):
        # Repeating the weights makes it a batched product that needs no transposed copies.
        repeated = jnp.broadcast_to(weights, (*patches.shape[:2], *weights.shape))
        return relu_pool(jnp.einsum('pcot,pctn->pcon', repeated, patches), bias[:, None])

    result, winner = lax.map(one_row, patches)
    return result, (patches, kernel, winner)


def _rowwise_backward(geometry, residuals, gradient):
    patches, kernel, winner = residuals
    weights = kernel.reshape(-1, kernel.shape[3])

    def one_row(row):
        patches, winner, gradient = row
        outputs = unpool(gradient, winner, geometry.pool**2)
        repeated = jnp.broadcast_to(weights, (*outputs.shape[:2], *weights.shape))
        weights_gradient = jnp.einsum('pctn,pcon->pcto', patches, outputs)
        return weights_gradient, jnp.einsum('pcto,pcon->pctn', repeated, outputs)

    weights_gradient, patches = lax.map(one_row, (patches, winner, gradient))
    inputs = _add_patches(patches, geometry, channel_axis=2)
    return inputs, weights_gradient.sum(axis=(0, 1, 2)).reshape(kernel.shape)


def _wide_forward(inputs, kernel, bias, geometry):
    # Channels last: each row of the product is a patch, each output row a vector of channels.
    patches = extract_patches(inputs.transpose(0, 1, 3, 2), geometry, channel_axis=3).swapaxes(0, 1)
    result, winner = relu_pool(patches @ kernel.reshape(-1, kernel.shape[3]), bias)
    return result.transpose(0, 1, 3, 2), (patches, kernel, winner)


def _wide_backward(geometry, residuals, gradient):
    patches, kernel, winner = residuals
    weights = kernel.reshape(-1, kernel.shape[3])
    outputs = unpool(gradient.transpose(0, 1, 3, 2), winner, geometry.pool**2)
    # Flat before the product: as an einsum over four axes it would copy the patches to transpose.
    weights_gradient = patches.reshape(-1, len(weights)).T @ outputs.reshape(-1, weights.shape[1])
    inputs = _add_patches((outputs @ weights.T).swapaxes(0, 1), geometry, channel_axis=3)
    return inputs.transpose(0, 1, 3, 2), weights_gradient.reshape(kernel.shape)


_ALGORITHMS = {
    'winograd': (_winograd_forward, _winograd_backward),
    'rowwise': (_rowwise_forward, _rowwise_backward),
    'wide': (_wide_forward, _wide_backward),
}
