"""Layout of runs over devices, and moving their arrays between host and devices."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pairjax.errors import UserError
from pairjax.runtime.multihost import all_gather_objects
from pairjax.training.train_step import SMALL_BATCH_SIZE

RUNS = PartitionSpec('runs')
REPLICATED = PartitionSpec()

# How many runs a core may train together where batches are small; docs/performance.md has times.
SMALL_BATCH_RUNS = (3, 4, 5)


class Layout(NamedTuple):
    """Runs over a mesh of devices.

    Attributes:
      mesh: one axis, `runs`.
      num_runs: without padding.
      per_batch: how many runs a device trains in one vmapped batch.
    """

    mesh: Mesh
    num_runs: int
    per_batch: int

    @property
    def padded(self) -> int:
        """The number of runs that programs are compiled for: a multiple of devices x per_batch."""
        return math.ceil(self.num_runs / self._multiple) * self._multiple

    @property
    def _multiple(self) -> int:
        return self.mesh.size * self.per_batch


def allowed_devices(runs: Any) -> list[jax.Device]:
    """The devices of all processes that config.runs allows, in jax's order.

    Raises: UserError if config.runs.devices exceeds the number of devices.
    """
    devices, num_processes = jax.devices(), jax.process_count()
    if 0 < runs.devices < num_processes:
        raise UserError(
            f'runs.devices={runs.devices}, but there are {num_processes} processes, each with '
            'devices of its own; 0 takes all of them'
        )
    if runs.devices > len(devices):
        raise UserError(
            f'runs.devices={runs.devices}, but there are {len(devices)} '
            f'{devices[0].platform} devices; 0 takes all of them'
        )
    return spread_devices(devices, runs.devices or len(devices))


def choose_layout(
    num_runs: int, runs: Any, batch_size: int, devices: Sequence[jax.Device] | None = None
) -> Layout:
    """Chooses the layout of a program's runs.

    On CPU one run at a time on each core, since a wider batch leaves the cache,
    but three to five, whichever pads least, where batches are so small that a step
    is mostly overhead. On an accelerator all at once.

    Args:
      num_runs: number of runs of the program.
      runs: config.runs.
      batch_size: training batch size in pairs.
      devices: the devices to use; by default all that config.runs allows.

    Raises: UserError if config.runs.devices exceeds the number of devices.
    """
    devices = allowed_devices(runs) if devices is None else list(devices)
    # Every process needs a device to take part.
    num_devices = max(min(len(devices), num_runs), jax.process_count())
    widest = math.ceil(num_runs / num_devices)
    if runs.per_batch or devices[0].platform != 'cpu':
        per_batch = runs.per_batch or widest
    elif batch_size < SMALL_BATCH_SIZE:
        # -widest % n runs of padding fill up the last n.
        per_batch = min(SMALL_BATCH_RUNS, key=lambda n: -widest % n)
    else:
        per_batch = 1
    # As few batches as that width needs, and no wider than they need: padding is trained too.
    per_batch = math.ceil(widest / math.ceil(widest / per_batch))
    mesh = Mesh(np.array(spread_devices(devices, num_devices)), ('runs',))
    return Layout(mesh, num_runs, per_batch)


def spread_devices(devices: Sequence[jax.Device], count: int) -> list[jax.Device]:
    """`count` of the devices, as evenly over their processes as possible, in their order."""
    by_process: dict[int, list[jax.Device]] = {}
    for device in devices:
        by_process.setdefault(device.process_index, []).append(device)
    rounds = itertools.zip_longest(*by_process.values())
    chosen = [device for one_each in rounds for device in one_each if device is not None][:count]
    return [device for device in devices if device in chosen]


def stack_runs(runs: Sequence[Any], layout: Layout) -> Any:
    """Stacks trees of numbers, one per run, into arrays on the devices.

    The last run is repeated up to `layout.padded`; `unstack_runs` cuts that off.
    """
    padded = list(runs) + [runs[-1]] * (layout.padded - len(runs))
    return place_runs(jax.tree.map(lambda *leaves: np.stack(leaves), *padded), layout)


def place_runs(stacked: Any, layout: Layout) -> Any:
    """Puts host arrays with a leading axis of `num_runs` or `padded` runs on the devices."""

    def pad(leaf):
        return np.concatenate([leaf, np.repeat(leaf[-1:], layout.padded - len(leaf), axis=0)])

    return _place(jax.tree.map(pad, stacked), NamedSharding(layout.mesh, RUNS))


def replicate(tree: Any, layout: Layout) -> Any:
    """Puts a tree on every device, once."""
    return _place(tree, NamedSharding(layout.mesh, REPLICATED))


def _place(tree: Any, sharding: NamedSharding) -> Any:
    """Puts host arrays that every process has on the devices; each process fills its own."""

    def place(leaf):
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(place, tree)


def unstack_runs(stacked: Any, layout: Layout) -> Any:
    """Host arrays of the real runs of all processes, without the padding."""
    return collect_runs('unstack', lambda: stacked, layout)


def collect_runs(tag: str, compute: Callable[[], Any], layout: Layout) -> Any:
    """Runs `compute` on every process and returns the results of all runs, without the padding.

    Args:
      tag: names this call, see `multihost.all_gather_objects`.
      compute: returns a tree of stacked runs, arrays on the layout's devices.
      layout: of the runs.

    Returns: the tree with host arrays.
    Raises: on all processes where `compute` raises on one.
    """
    structure = None

    def own_runs():
        nonlocal structure
        leaves, structure = jax.tree.flatten(compute())
        return [
            {shard.index[0].start or 0: np.asarray(shard.data) for shard in leaf.addressable_shards}
            for leaf in leaves
        ]

    def join(*parts):
        by_start = {start: part for by_start in parts for start, part in by_start.items()}
        whole = np.concatenate([by_start[start] for start in sorted(by_start)])
        return whole[: layout.num_runs]

    parts = all_gather_objects(tag, own_runs)
    return jax.tree.unflatten(structure, [join(*leaf) for leaf in zip(*parts, strict=True)])
