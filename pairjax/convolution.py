"""Convolution, ReLU and max-pool as matrix products, with a plain `lax` reference beside them.

Both take the layout (height, width, channels, batch): positions first, batch last. Then every
output position is one product of a (C_out, k k C_in) matrix with a (k k C_in, N) matrix, which
stays a plain matrix product inside `scan` and under `vmap` over runs with different kernels,
where XLA:CPU's own convolution falls to a naive loop or a grouped convolution.
"""

import jax
import jax.numpy as jnp
from jax import lax


@jax.custom_vjp
def _max_over_phases(outputs, bias):
    """Maximum over axis 0, plus bias, ReLU. outputs (phases, positions, C, N), bias (C,)."""
    return jnp.maximum(jnp.max(outputs, axis=0) + bias[:, None], 0.0)


def _max_over_phases_forward(outputs, bias):
    highest, first = outputs[0], jnp.zeros(outputs.shape[1:], jnp.int8)
    for phase in range(1, outputs.shape[0]):
        first = jnp.where(outputs[phase] > highest, jnp.int8(phase), first)
        highest = jnp.maximum(outputs[phase], highest)
    highest = highest + bias[:, None]
    # -1 marks outputs that ReLU cut off: no phase receives their gradient.
    chosen = jnp.where(highest > 0, first, jnp.int8(-1))
    return jnp.maximum(highest, 0.0), (chosen, outputs.shape[0])


def _max_over_phases_backward(residuals, gradient):
    chosen, num_phases = residuals
    bias_gradient = jnp.where(chosen >= 0, gradient, 0.0).sum(axis=(0, 2))
    phases = lax.broadcasted_iota(jnp.int8, (num_phases, 1, 1, 1), 0)
    return jnp.where(chosen[None] == phases, gradient[None], 0.0), bias_gradient


_max_over_phases.defvjp(_max_over_phases_forward, _max_over_phases_backward)


def conv_relu_pool(inputs, kernel, bias, *, padding, pool):
    """Stride-1 convolution, bias, max-pool (window = stride = pool, floor) and ReLU.

    Args:
      inputs: (H, W, C_in, N) float32.
      kernel: (k, k, C_in, C_out) float32.
      bias: (C_out,) float32.
      padding: zeros added on each side of both spatial axes.
      pool: side of the pooling window and its stride; 1 means no pooling.

    Returns:
      (H_out // pool, W_out // pool, C_out, N) float32 with H_out = H + 2 * padding - k + 1.
      Where several inputs of a pool window tie, the first in row-major order gets the gradient,
      as in PyTorch; the gradient at a ReLU input of 0 is 0.
    """
    height, width, channels_in, batch = inputs.shape
    size, channels_out = kernel.shape[0], kernel.shape[3]
    rows = (height + 2 * padding - size + 1) // pool
    columns = (width + 2 * padding - size + 1) // pool
    padded = jnp.pad(inputs, ((padding, padding), (padding, padding), (0, 0), (0, 0)))

    def window(row, column):
        return padded[
            row : row + (rows - 1) * pool + 1 : pool,
            column : column + (columns - 1) * pool + 1 : pool,
        ].reshape(rows * columns, channels_in, batch)

    taps = [(i, j) for i in range(size) for j in range(size)]
    patches = jnp.concatenate(
        [
            jnp.concatenate([window(di + i, dj + j) for i, j in taps], axis=1)
            for di in range(pool)
            for dj in range(pool)
        ]
    )
    weights = kernel.reshape(-1, channels_out).T
    # The same weights repeated for each position: a batched product, no transposed copies.
    repeated = jnp.broadcast_to(weights, (patches.shape[0], *weights.shape))
    outputs = jnp.einsum('pmk,pkn->pmn', repeated, patches)
    outputs = outputs.reshape(pool * pool, rows * columns, channels_out, batch)
    return _max_over_phases(outputs, bias).reshape(rows, columns, channels_out, batch)


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
    pooled = lax.reduce_window(outputs, -jnp.inf, lax.max, window, window, 'VALID')
    return jax.nn.relu(pooled)
