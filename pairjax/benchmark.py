"""How fast many runs train: against this machine's peak, and against PyTorch where it is installed.

Seconds are wall seconds. The peers are described in `torch_peers.py`, which only their own
processes import.
"""

import functools
import importlib.util
import math
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np
from flax import nnx

from pairjax.config import validate
from pairjax.errors import UserError
from pairjax.experiment import Trainer
from pairjax.layers import Branches, Encoder, Head
from pairjax.models import PairModel, build_model
from pairjax.pairs import draw_pairs, pair_targets
from pairjax.plan import Plan, make_plan
from pairjax.runs import Layout, choose_layout, stack_runs
from pairjax.training import EVALUATION_BATCH_SIZE, Purpose, run_key

PEERS = ('eager', 'strongest')
# A peer trains one run after another, so a few of a core's share tell what all of them cost.
MOST_PEER_RUNS = 5
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


def ratios(slower: Sequence[float], faster: Sequence[float]) -> dict[str, Any]:
    """How many times faster, pair by pair of alternating repeats."""
    values = [s / f for s, f in zip(slower, faster, strict=True)]
    return {'min': min(values), 'median': median(values), 'max': max(values), 'values': values}


def drawn_pairs(plan: Plan, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The pairs that a run of this seed trains on and is evaluated on, for a peer.

    Returns: by name of the set, images (n, 2, 14, 14) float32 as the run sees them, classes
      (n, 2) and targets (n,) int64.
    """
    data, pools = plan.config.data, plan.pools
    sets = draw_pairs(run_key(seed, Purpose.PAIRS), data, pools)
    images, labels = np.asarray(pools.images, np.float32), np.asarray(pools.labels, np.int64)
    mean, deviation = 0.0, 1.0
    if data.standardize:
        train = images[np.asarray(sets.train)]
        mean, deviation = train.mean(), max(train.std(ddof=1), 1e-6)
    images = ((images - mean) / deviation).astype(np.float32)
    return {
        name: (images[i], labels[i], np.asarray(pair_targets(data.relation, labels[i]), np.int64))
        for name, i in ((name, np.asarray(i)) for name, i in sets._asdict().items())
    }


class PeerProcesses:
    """Python processes that train with PyTorch what they are sent, see `torch_peers.serve`."""

    def __init__(self, num_processes: int):
        """Starts them; each has imported torch when this returns."""
        command = [sys.executable, '-m', 'pairjax.torch_peers']
        pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
        self._processes = [subprocess.Popen(command, **pipes) for _ in range(num_processes)]
        self.torch = [self._receive(process) for process in self._processes][0]

    def __enter__(self) -> 'PeerProcesses':
        return self

    def __exit__(self, *exception):
        for process in self._processes:
            process.terminate()
            process.communicate()

    def train(self, jobs: Sequence[Mapping[str, Any]]) -> tuple[float, list[float]]:
        """Trains one job a process, all at once after each has warmed up.

        Returns: seconds of the process that took longest, and the runs' test accuracies.
        """
        busy = self._processes[: len(jobs)]
        for messages in (jobs, ['go'] * len(jobs)):
            for process, message in zip(busy, messages, strict=True):
                pickle.dump(message, process.stdin)
                process.stdin.flush()
            replies = [self._receive(process) for process in busy]
        return max(seconds for seconds, _ in replies), [a for _, values in replies for a in values]

    @staticmethod
    def _receive(process: subprocess.Popen) -> Any:
        try:
            return pickle.load(process.stdout)
        except EOFError:
            raise UserError(
                'a PyTorch process ended early, see above for its reason; --torch=False leaves '
                'PyTorch out'
            ) from None


def peer_jobs(
    plan: Plan, peer: str, num_processes: int, num_runs: int, num_epochs: int, warm_up: bool
) -> list[dict[str, Any]]:
    """What each process of `PeerProcesses` trains: runs of the first seeds, dealt out in turn."""
    on_gpu = jax.default_backend() == 'gpu'
    pairs = functools.cache(functools.partial(drawn_pairs, plan))
    return [
        {
            'peer': peer,
            'config': plan.config.to_dict(),
            'num_classes': plan.pools.num_classes,
            'evaluation_batch_size': EVALUATION_BATCH_SIZE,
            'device': 'cuda' if on_gpu else 'cpu',
            # One process a core; where there are fewer seeds than cores, all cores all the same.
            'num_threads': max(1, jax.device_count() // num_processes),
            'warm_up': warm_up,
            'num_epochs': num_epochs,
            'runs': [pairs(plan.seeds[i]) for i in range(process, num_runs, num_processes)],
        }
        for process in range(num_processes)
    ]
