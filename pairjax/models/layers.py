"""Flax modules of the networks, initialised as in PyTorch, which the papers used."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from pairjax.ops.batch_norm import normalize_relu_pool
from pairjax.ops.conv_relu_pool import conv_relu_pool
from pairjax.ops.convolve import convolve


def allow_no_key(init: Callable) -> Callable:
    """Wraps an initialiser to return a ShapeDtypeStruct instead of an array if the key is None."""

    def init_or_shape(key, shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype) if key is None else init(key, shape, dtype)

    return init_or_shape


# Uniform in +-1/sqrt(fan_in), PyTorch's default for the weights of Conv2d and Linear.
kernel_init = allow_no_key(nnx.initializers.variance_scaling(1 / 3, 'fan_in', 'uniform'))


def bias_init(fan_in: int) -> Callable:
    """Uniform in +-1/sqrt(fan_in), PyTorch's default for the biases of Conv2d and Linear."""
    bound = fan_in**-0.5
    return allow_no_key(
        lambda key, shape, dtype: jax.random.uniform(key, shape, dtype, -bound, bound)
    )


class Dropout:
    """Dropout for one forward pass in training; every call consumes fresh random bytes.

    A unit is kept where its random byte is at least round(256 * rate): the rate may be a traced
    value, and one 32-bit word serves four units.
    """

    def __init__(self, random_bytes: jax.Array, rate: jax.Array | float):
        """Takes `count_dropout_units` random bytes, (units,) uint8, and the rate."""
        self._bytes = random_bytes
        self._num_used = 0
        self._threshold = jnp.round(256 * jnp.asarray(rate)).astype(jnp.uint32)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Zeroes units of x (any shape, float32) and scales the others to keep the mean."""
        start, self._num_used = self._num_used, self._num_used + x.size
        random = self._bytes[start : self._num_used].reshape(x.shape)
        scale = 256 / (256 - self._threshold).astype(x.dtype)
        # `where` selects the factor: selecting the product compiles to a branch per unit.
        return x * jnp.where(random >= self._threshold, scale, 0)


class _UnitCounter:
    """Stands in for `Dropout` and counts the units it is applied to."""

    def __init__(self):
        self.num_units = 0

    def __call__(self, x: jax.Array) -> jax.Array:
        self.num_units += x.size
        return x


def count_dropout_units(apply: Callable, *args: Any) -> int:
    """Number of units that apply(*args, dropout) passes to dropout, by abstract evaluation.

    Args:
      apply: a function whose last argument is a `Dropout`.
      *args: its other arguments, arrays or ShapeDtypeStructs.
    """
    counter = _UnitCounter()
    jax.eval_shape(lambda *args: apply(*args, counter), *args)
    return counter.num_units


def random_bytes(key: jax.Array, num_rows: int, num_bytes: int) -> jax.Array:
    """(num_rows, num_bytes) uint8 from one draw of 32-bit words."""
    words = jax.random.bits(key, (num_rows, -(-num_bytes // 4)), jnp.uint32)
    return jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(num_rows, -1)[:, :num_bytes]


class Dense(nnx.Linear):
    """A dense layer with PyTorch's default initialisation."""

    def __init__(self, num_inputs: int, num_outputs: int, rngs: nnx.Rngs):
        super().__init__(
            num_inputs,
            num_outputs,
            kernel_init=kernel_init,
            bias_init=bias_init(num_inputs),
            rngs=rngs,
        )

    def __call__(self, x: jax.Array) -> jax.Array:
        """(N, num_inputs) -> (N, num_outputs)."""
        if len(x) > 1:
            return super().__call__(x)
        # With one row, XLA fuses the kernel gradient into an elementwise outer product and
        # recomputes the row for each kernel element. With two rows it stays a matrix product.
        return super().__call__(jnp.concatenate([x, jnp.zeros_like(x)]))[:1]


class ConvReluPool(nnx.Module):
    """Stride-1 convolution, optional batch normalisation, ReLU and max-pool.

    Images are (H, W, channels, N). Pooling windows do not overlap; rows and columns that do not
    fill a window are dropped.
    """

    def __init__(
        self,
        num_inputs: int,
        channels: int,
        *,
        kernel_size: int,
        padding: int = 0,
        pool: int = 1,
        batch_norm: bool = False,
        rngs: nnx.Rngs,
    ):
        shape = (kernel_size, kernel_size, num_inputs, channels)
        fan_in = kernel_size**2 * num_inputs
        self.kernel = nnx.Param(kernel_init(rngs.params(), shape, jnp.float32))
        # Batch normalisation would subtract a bias again.
        self.bias = None if batch_norm else nnx.Param(bias_init(fan_in)(rngs.params(), (channels,)))
        self.norm = BatchNormReluPool(channels, rngs) if batch_norm else None
        self.padding = padding
        self.pool = pool

    def __call__(self, x: jax.Array) -> jax.Array:
        """(H, W, num_inputs, N) -> (H', W', channels, N)."""
        kernel, padding, pool = self.kernel[...], self.padding, self.pool
        if self.norm is None:
            return conv_relu_pool(x, kernel, self.bias[...], padding=padding, pool=pool)
        return self.norm(convolve(x, kernel, padding, pool))


class BatchNormReluPool(nnx.BatchNorm):
    """Batch normalisation with PyTorch's constants, ReLU and max-pool: `normalize_relu_pool`.

    Convolution outputs outside all pooling windows are not in the input, nor in the statistics.
    """

    def __init__(self, num_features: int, rngs: nnx.Rngs):
        super().__init__(num_features, axis=-2, momentum=0.9, epsilon=1e-5, rngs=rngs)

    def __call__(self, places: jax.Array) -> jax.Array:
        """(places in a window, H, W, num_features, N) -> (H, W, num_features, N)."""
        if self.use_running_average:
            return jax.nn.relu(super().__call__(places).max(axis=0))
        images, *batch = normalize_relu_pool(places, self.scale[...], self.bias[...], self.epsilon)
        for average, of_batch in zip((self.mean, self.var), batch, strict=True):
            average[...] = self.momentum * average[...] + (1 - self.momentum) * of_batch
        return images


class Encoder(nnx.Module):
    """A stack of ConvReluPool blocks, from images to one feature vector each."""

    def __init__(self, blocks: Sequence[ConvReluPool]):
        self.blocks = nnx.List(blocks)

    def __call__(self, images: jax.Array) -> jax.Array:
        """(N, channels, 14, 14) -> (N, features)."""
        # The blocks have the batch last: the values of a position are then contiguous.
        x = images.transpose(2, 3, 1, 0)
        for block in self.blocks:
            x = block(x)
        return x.reshape(-1, x.shape[-1]).T


class Head(nnx.Module):
    """Dense layers with ReLU between them, and dropout before each when training."""

    def __init__(self, widths: Sequence[int], rngs: nnx.Rngs):
        """Takes the widths from inputs to outputs, such as (64, 256, 10)."""
        self.layers = nnx.List(
            [Dense(n, m, rngs) for n, m in zip(widths, widths[1:], strict=False)]
        )

    def __call__(self, x: jax.Array, dropout: Dropout | None = None) -> jax.Array:
        """(N, widths[0]) -> (N, widths[-1])."""
        for i, layer in enumerate(self.layers):
            x = x if i == 0 else jax.nn.relu(x)
            x = layer(x if dropout is None else dropout(x))
        return x


class Branches(nnx.Module):
    """A submodule for each image of a pair, or one for both with weight sharing."""

    def __init__(self, make: Callable[[], nnx.Module], weight_sharing: bool):
        """Takes a function that makes the submodule."""
        self.module = make()
        self.second_module = None if weight_sharing else make()

    def __call__(self, a: jax.Array, b: jax.Array, *args) -> tuple[jax.Array, jax.Array]:
        """Inputs of both images, (N, ...) each -> outputs of both images, (N, ...) each."""
        if self.second_module is not None:
            return self.module(a, *args), self.second_module(b, *args)
        if normalizes_over_batch(self.module):
            return self.module(a, *args), self.module(b, *args)
        return call_on_both(self.module, a, b, *args)


def normalizes_over_batch(module: nnx.Module) -> bool:
    """Whether an output depends on the other examples: batch normalisation when training."""
    return any(
        isinstance(layer, nnx.BatchNorm) and not layer.use_running_average
        for _, layer in nnx.iter_modules(module)
    )


def call_on_both(
    module: nnx.Module, a: jax.Array, b: jax.Array, *args
) -> tuple[jax.Array, jax.Array]:
    """(module(a), module(b)) computed as one batch: fewer, larger matrix products."""
    both = module(jnp.concatenate([a, b]), *args)
    return both[: len(a)], both[len(a) :]
