"""What this machine can do: peak FLOP/s of matrix products, and memory used so far."""

import resource
import sys
import time

import jax
import numpy as np

from pairjax.runtime.sharding import Layout, stack_runs

MATMUL_SIDE = {'cpu': 1024}
MATMUL_SIDE_OF_ACCELERATORS = 8192
_square = jax.jit(lambda x: x @ x)


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
