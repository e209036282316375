"""MANY runs: stacked on a leading axis, trained in vmapped batches, laid over all devices."""

import contextlib
import functools
import itertools
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pairjax import scoring, training
from pairjax.agreement import gather
from pairjax.cache import compiled_programs_directory
from pairjax.errors import UserError
from pairjax.optimizers import Hyperparameters

RUNS = PartitionSpec('runs')
REPLICATED = PartitionSpec()
# Initialisation runs once: optimising its many small random draws costs seconds and gains none.
INIT_COMPILER_OPTIONS = {'xla_backend_optimization_level': 0}
# XLA:CPU's older code generator compiles these programs in half the time, and they run as fast
# unless the batch is small. Newer versions of XLA lack it.
COMPILER_OPTIONS = {'cpu': {'xla_cpu_use_fusion_emitters': False}}
SMALL_BATCH_SIZE = 8
# More CPU devices than cores only serve tests; a million of them would never be ready.
MOST_CPU_DEVICES = 64


def configure_jax(num_devices: int = 0) -> None:
    """Settings of the whole process; call before the first array is made.

    Every CPU core becomes a device (or `num_devices` of them), since one run a
    core is faster than one run over all cores. Matrix products are float32 on
    every backend, also where the hardware would round to less. Compiled programs
    are kept for later processes, unless JAX_COMPILATION_CACHE_DIR says where.
    """
    jax.config.update('jax_default_matmul_precision', 'float32')
    if not jax.config.jax_compilation_cache_dir:
        jax.config.update('jax_compilation_cache_dir', str(compiled_programs_directory()))
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.2)
    # Once the backend runs, its devices are as its user chose them.
    with contextlib.suppress(RuntimeError):
        most = max(_num_cores(), MOST_CPU_DEVICES)
        jax.config.update('jax_num_cpu_devices', min(num_devices or _num_cores(), most))


def _num_cores() -> int:
    """The cores that this process may use, where the system can say; else all."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Layout(NamedTuple):
    """How many runs there are, on which devices, and how many train together on each."""

    mesh: Mesh
    num_runs: int
    per_batch: int

    @property
    def padded(self) -> int:
        """The number of runs that the programs are compiled for."""
        return math.ceil(self.num_runs / self._multiple) * self._multiple

    @property
    def _multiple(self) -> int:
        return self.mesh.size * self.per_batch


def choose_layout(num_runs: int, runs: Any, batch_size: int) -> Layout:
    """Lays num_runs runs over the devices as config.runs asks.

    On CPU one run at a time on each core, since a wider batch leaves the cache,
    but five where batches are so small that a step is mostly overhead. On an
    accelerator all at once.

    Raises: UserError where more devices are asked for than there are.
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
    # A process without any of the devices could not take part.
    num_devices = max(min(runs.devices or len(devices), num_runs), num_processes)
    widest = math.ceil(num_runs / num_devices)
    best_on_cpu = 5 if batch_size < SMALL_BATCH_SIZE else 1
    per_batch = runs.per_batch or (best_on_cpu if devices[0].platform == 'cpu' else widest)
    # As few batches as that width needs, and no wider than they need: padding is trained too.
    per_batch = math.ceil(widest / math.ceil(widest / per_batch))
    return Layout(Mesh(np.array(spread_devices(num_devices)), ('runs',)), num_runs, per_batch)


def spread_devices(count: int) -> list[jax.Device]:
    """So many of all devices, as evenly over the processes as these allow, in jax's order."""
    devices, by_process = jax.devices(), {}
    for device in devices:
        by_process.setdefault(device.process_index, []).append(device)
    rounds = itertools.zip_longest(*by_process.values())
    chosen = [device for one_each in rounds for device in one_each if device is not None][:count]
    return [device for device in devices if device in chosen]


def over_runs(
    fn: Callable, layout: Layout, num_stacked: int, options: dict[str, Any], donate: bool = False
) -> Callable:
    """fn(pools, *one_run) of one run -> a jitted function of (pools, *stacked runs).

    Args:
      fn: a pure function of the pools and `num_stacked` trees of one run.
      layout: devices and batch width.
      num_stacked: how many arguments carry the leading runs axis.
      options: of the compiler, see `compiler_options`.
      donate: whether the first stacked argument's memory may be reused.
    """

    def on_device(pools, *stacked):
        return jax.lax.map(lambda run: fn(pools, *run), stacked, batch_size=layout.per_batch)

    def on_device_in_place(pools, state, *others):
        return map_in_place(lambda run: fn(pools, *run), state, others, layout.per_batch)

    on_devices = jax.shard_map(
        on_device_in_place if donate else on_device,
        mesh=layout.mesh,
        out_specs=RUNS,
        check_vma=False,
        in_specs=(REPLICATED, *[RUNS] * num_stacked),
    )
    return jax.jit(on_devices, donate_argnums=(1,) if donate else (), compiler_options=options)


def map_in_place(fn: Callable, state: Any, others: tuple, batch_size: int) -> tuple[Any, Any]:
    """As lax.map of fn, but with the new states where the old ones were: lax.map holds both.

    Args:
      fn: a function of one run's (state, *others) -> (state, results).
      state, others: trees with a leading axis of runs.
      batch_size: how many runs go through fn together; divides the number of runs.
    """

    def batch(state, start):
        cut = partial(jax.lax.dynamic_slice_in_dim, start_index=start, slice_size=batch_size)
        new, results = jax.vmap(fn)(jax.tree.map(cut, (state, *others)))
        put = partial(jax.lax.dynamic_update_slice_in_dim, start_index=start, axis=0)
        return jax.tree.map(put, state, new), results

    num_runs = len(jax.tree.leaves(state)[0])
    state, results = jax.lax.scan(batch, state, np.arange(0, num_runs, batch_size))
    return state, jax.tree.map(lambda leaf: leaf.reshape(num_runs, *leaf.shape[2:]), results)


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
    """Puts arrays that every process has on the devices; each fills its own, and none waits."""

    def place(leaf):
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(place, tree)


def unstack_runs(stacked: Any, layout: Layout) -> Any:
    """Host arrays of the real runs of all processes, without the padding."""
    return collect_runs(lambda: stacked, layout)


def collect_runs(compute: Callable[[], Any], layout: Layout) -> Any:
    """`unstack_runs` of what compute() returns; where it fails in one process, all are told."""
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

    parts = gather(own_runs)
    return jax.tree.unflatten(structure, [join(*leaf) for leaf in zip(*parts, strict=True)])


def hyperparameters_of(config: Any) -> Hyperparameters:
    """The traced floats of a trial's config as float32."""
    return Hyperparameters(
        learning_rate=np.float32(config.optimizer.learning_rate),
        weight_decay=np.float32(config.optimizer.weight_decay),
        main_weight=np.float32(config.loss.main_weight),
        aux_weight=np.float32(config.loss.aux_weight),
        dropout_rate=np.float32(config.model.dropout_rate),
    )


class Programs(NamedTuple):
    """The three compiled functions of all runs of one structure.

    init(pools, seeds, hyperparameters) -> state; train_epoch(pools, state,
    hyperparameters) -> (state, losses), reusing the old state's memory;
    evaluate(pools, state) -> Correct.
    """

    init: Callable
    train_epoch: Callable
    evaluate: Callable

    @property
    def state(self) -> Any:
        """Shapes and types of the stacked state."""
        return self.init.out_info


@functools.cache
def known_compiler_options(platform: str) -> dict[str, Any]:
    """The entries of COMPILER_OPTIONS that this version of XLA knows."""
    probe, known = jax.jit(lambda x: x).lower(0), {}
    for name, value in COMPILER_OPTIONS.get(platform, {}).items():
        with contextlib.suppress(jax.errors.JaxRuntimeError):
            probe.compile(compiler_options={name: value})
            known[name] = value
    return known


def compiler_options(batch_size: int) -> dict[str, Any]:
    """Options of the programs that train and evaluate with that batch size."""
    return known_compiler_options(jax.default_backend()) if batch_size >= SMALL_BATCH_SIZE else {}


def compile_programs(
    config: Any, layout: Layout, pools: Any, seeds: Any, hyperparameters: Any
) -> Programs:
    """Compiles a structure's programs for a layout, side by side.

    Args:
      config: of any trial of the structure.
      layout: how many runs lie where.
      pools: replicated `Pools`.
      seeds, hyperparameters: stacked, with `layout.padded` runs.
    """
    options = compiler_options(config.train.batch_size)
    # Evaluation reads wide batches whatever the training's are.
    wide = choose_layout(layout.num_runs, config.runs, scoring.EVALUATION_BATCH_SIZE)
    evaluation = layout._replace(per_batch=wide.per_batch)
    evaluation_options = compiler_options(scoring.EVALUATION_BATCH_SIZE)
    init_options = {}
    if jax.default_backend() == 'cpu':
        init_options = {**known_compiler_options('cpu'), **INIT_COMPILER_OPTIONS}
    init = over_runs(partial(training.init_state, config), layout, 2, init_options)
    train_epoch = over_runs(partial(training.train_epoch, config), layout, 2, options, donate=True)
    evaluate = over_runs(partial(scoring.evaluate, config), evaluation, 1, evaluation_options)
    shapes = jax.eval_shape(init, pools, seeds, hyperparameters)
    sharding = NamedSharding(layout.mesh, RUNS)
    state = jax.tree.map(
        lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=sharding), shapes
    )
    lowered = [
        init.lower(pools, seeds, hyperparameters),
        train_epoch.lower(pools, state, hyperparameters),
        evaluate.lower(pools, state),
    ]
    # XLA compiles outside the interpreter's lock, so threads do run side by side.
    with ThreadPoolExecutor(len(lowered)) as executor:
        compiled = list(executor.map(lambda program: program.compile(), lowered))
    return Programs(*compiled)
