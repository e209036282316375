"""What both sides of the benchmark may use: devices, their peak speed, memory, processes."""

import os
import resource
import sys
import time
from typing import Any, NamedTuple

import jax
import numpy as np

from pairjax.runtime.sharding import Layout, choose_layout, stack_runs

MATMUL_SIDE = {'cpu': 1024}
MATMUL_SIDE_OF_ACCELERATORS = 8192
_square = jax.jit(lambda x: x @ x)


class Machine(NamedTuple):
    """The devices, and the processes of the peers."""

    layout: Layout
    num_processes: int
    device: str

    @classmethod
    def of(cls, config: Any) -> 'Machine':
        """All devices, or as many as config.runs names: CPU cores, or accelerators."""
        layout = choose_layout(config.runs.devices or jax.device_count(), config.runs, 1)
        on_cpu = jax.default_backend() == 'cpu'
        return cls(layout, layout.mesh.size if on_cpu else 1, 'cpu' if on_cpu else 'cuda')

    def describe(self) -> dict[str, Any]:
        """For benchmark.json."""
        return {
            'device_kind': self.layout.mesh.devices.flat[0].device_kind,
            'num_devices': self.layout.mesh.size,
            'num_cores': os.cpu_count(),
            'peer_processes': self.num_processes,
        }

    def matmul_peak(self) -> float:
        """FLOP/s of float32 matrix products, one on each of the devices at once."""
        mesh = self.layout.mesh
        side = MATMUL_SIDE.get(mesh.devices.flat[0].platform, MATMUL_SIDE_OF_ACCELERATORS)
        square = np.random.default_rng(0).standard_normal((side, side), np.float32)
        layout = self.layout._replace(num_runs=mesh.size, per_batch=1)
        squares = stack_runs([square] * mesh.size, layout)
        seconds = []
        for _ in range(10):
            started = time.perf_counter()
            jax.block_until_ready(_square(squares))
            seconds.append(time.perf_counter() - started)
        return mesh.size * 2 * side**3 / min(seconds)

    def peak_memory(self) -> int:
        """Bytes: the most that this process has held so far, on an accelerator all its devices."""
        stats = [device.memory_stats() for device in self.layout.mesh.devices.flat]
        if all(stats):
            return sum(s['peak_bytes_in_use'] for s in stats)
        # Linux counts in KiB, macOS in bytes.
        unit = 1 if sys.platform == 'darwin' else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
