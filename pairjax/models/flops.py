"""What a network costs in multiply-adds, and what this machine can do at most."""

import resource
import sys
import time
from typing import Any

import jax
import numpy as np
from flax import nnx

from pairjax.models.layers import Branches, Encoder, Head
from pairjax.models.networks import PairModel
from pairjax.models.registry import build_model
from pairjax.runtime.sharding import Layout, stack_runs

MATMUL_SIDE = {'cpu': 1024}
MATMUL_SIDE_OF_ACCELERATORS = 8192
_square = jax.jit(lambda x: x @ x)


def layer_flops(model: PairModel) -> list[int]:
    """Multiply-adds x2 of every layer in one pass of one pair, the one that reads images first.

    Convolutions count as direct ones, and only in the outputs that a pool reads. Layers stand in
    the attributes encoder, digit_head and main_head; those that each image passes count twice.
    """
    parts = [getattr(model, name, None) for name in ('encoder', 'digit_head', 'main_head')]
    return [flops for part in parts if part is not None for flops in _part_flops(part)]


def _part_flops(part: Branches | Encoder | Head) -> list[int]:
    if isinstance(part, Branches):
        return [2 * flops for flops in _part_flops(part.module)]
    if isinstance(part, Head):
        return [2 * layer.in_features * layer.out_features for layer in part.layers]
    side, flops = 14, []
    for block in part.blocks:
        size, _, num_inputs, num_outputs = block.kernel.shape
        pooled = (side + 2 * block.padding - size + 1) // block.pool
        flops.append(2 * (pooled * block.pool) ** 2 * size**2 * num_inputs * num_outputs)
        side = pooled
    return flops


def epoch_flops(config: Any, num_classes: int) -> tuple[int, int]:
    """Floating-point operations of one run: an epoch of training, an evaluation of all sets.

    A training step is three passes (forward, and the gradients of weights and of inputs), less
    the unneeded gradient of the images; an evaluation is one. Only convolutions and dense layers
    count.
    """
    layers = layer_flops(
        nnx.eval_shape(lambda: build_model(config.model, num_classes, nnx.Rngs(0)))
    )
    data = config.data
    num_evaluated = data.num_train_pairs + data.num_validation_pairs + data.num_test_pairs
    return data.num_train_pairs * (3 * sum(layers) - layers[0]), num_evaluated * sum(layers)


def matmul_peak(layout: Layout) -> float:
    """FLOP/s of float32 matrix products, one on each of the layout's devices at once."""
    platform, num_devices = layout.mesh.devices.flat[0].platform, layout.mesh.size
    side = MATMUL_SIDE.get(platform, MATMUL_SIDE_OF_ACCELERATORS)
    square = np.random.default_rng(0).standard_normal((side, side), np.float32)
    squares = stack_runs([square] * num_devices, layout._replace(num_runs=num_devices, per_batch=1))
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        jax.block_until_ready(_square(squares))
        seconds.append(time.perf_counter() - started)
    return num_devices * 2 * side**3 / min(seconds)


def peak_memory(layout: Layout) -> int:
    """Bytes: the most that this process has held so far, on an accelerator all its devices."""
    stats = [device.memory_stats() for device in layout.mesh.devices.flat]
    if all(stats):
        return sum(s['peak_bytes_in_use'] for s in stats)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
