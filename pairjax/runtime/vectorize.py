"""MANY runs: stacked on a leading axis, trained in vmapped batches on each device."""

import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from pairjax.errors import UserError
from pairjax.runtime.sharding import REPLICATED, RUNS, Layout, choose_layout
from pairjax.system import compiled_programs_directory, num_cores
from pairjax.training import evaluate, train_step

# Of what runs once, such as initialisation with its many small random draws: optimising costs
# seconds and gains none.
QUICK_COMPILER_OPTIONS = {'xla_backend_optimization_level': 0}
# XLA:CPU's older code generator compiles these programs in half the time, and LLVM's second level
# saves a fifth of what is left; they run as fast unless the batch is small. Newer versions of XLA
# lack the older generator.
COMPILER_OPTIONS = {
    'cpu': {'xla_cpu_use_fusion_emitters': False, 'xla_backend_optimization_level': 2}
}
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
        jax.config.update('jax_num_cpu_devices', _num_cpu_devices(num_devices))


def configure_or_check_jax(num_devices: int = 0) -> None:
    """As `configure_jax`, but where a backend runs already nothing is set, only checked.

    Raises: UserError where that backend gives other numbers, or takes longer, than the commands.
    """
    wanted = _num_cpu_devices(num_devices)
    try:
        # jax refuses another number once a backend runs.
        jax.config.update('jax_num_cpu_devices', wanted)
    except RuntimeError:
        _check_running_jax(wanted, num_devices)
    else:
        configure_jax(num_devices)


def _check_running_jax(wanted: int, num_devices: int) -> None:
    platform, count = jax.default_backend(), len(jax.devices())
    if platform == 'cpu':
        if count < wanted and not num_devices:
            raise UserError(
                f'jax already runs with {count} CPU device{"s" if count > 1 else ""} where pairjax '
                f'takes one a core ({wanted}); restart Python (or the kernel) and call pairjax '
                f"before anything else uses jax, or accept it with overrides={{'runs.devices': "
                f'{count}}}'
            )
    elif jax.config.jax_default_matmul_precision not in ('float32', 'highest'):
        raise UserError(
            f'jax already runs on {platform} with jax_default_matmul_precision='
            f'{jax.config.jax_default_matmul_precision!r}; set it with jax.config.update('
            "'jax_default_matmul_precision', 'float32'), which the commands do"
        )


def _num_cpu_devices(num_devices: int) -> int:
    return min(num_devices or num_cores(), max(num_cores(), MOST_CPU_DEVICES))


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


class Programs(NamedTuple):
    """The compiled functions of all runs of one structure.

    init(pools, seeds, hyperparameters) -> state; train_epoch(pools, state,
    hyperparameters) -> (state, losses), reusing the old state's memory;
    evaluate(EvalRequest(pools, all_sets), state) -> Correct; digit_logits(pools, state) -> two
    arrays (runs, images, classes), None where a learned head decides.
    """

    init: Callable
    train_epoch: Callable
    evaluate: Callable
    digit_logits: Callable | None = None


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
    return (
        known_compiler_options(jax.default_backend())
        if batch_size >= train_step.SMALL_BATCH_SIZE
        else {}
    )


def quick_compiler_options() -> dict[str, Any]:
    """Options of programs that take longer to compile than to run."""
    if jax.default_backend() != 'cpu':
        return {}
    return {**known_compiler_options('cpu'), **QUICK_COMPILER_OPTIONS}


def compile_programs(
    config: Any, layout: Layout, pools: Any, seeds: Any, hyperparameters: Any
) -> Programs:
    """Compiles a structure's programs for a layout, side by side.

    Args:
      config: of the program, see `Trial.structural_config`.
      layout: how runs are divided over devices.
      pools: replicated `Pools`.
      seeds, hyperparameters: stacked, with `layout.padded` runs.
    """
    programs = jitted_programs(config, layout)
    arguments = program_arguments(programs, layout, pools, seeds, hyperparameters)
    # XLA compiles outside the interpreter's lock: beside other programs, and while Python traces
    # the next one.
    with ThreadPoolExecutor(len(programs)) as executor:
        compiling = {
            name: executor.submit(program.lower(*arguments[name]).compile)
            for name, program in programs.items()
        }
        return Programs(**{name: future.result() for name, future in compiling.items()})


def jitted_programs(config: Any, layout: Layout) -> dict[str, Callable]:
    """A structure's programs by their field of `Programs`, what takes longest to compile first."""
    options = compiler_options(config.train.batch_size)
    # Evaluation reads wide batches whatever the training's are.
    devices = list(layout.mesh.devices.flat)
    wide = choose_layout(layout.num_runs, config.runs, evaluate.EVALUATION_BATCH_SIZE, devices)
    evaluation = layout._replace(per_batch=wide.per_batch)
    evaluation_options = compiler_options(evaluate.EVALUATION_BATCH_SIZE)
    init = partial(train_step.init_state, config)
    train_epoch = partial(train_step.train_epoch, config)
    evaluate_sets = partial(evaluate.evaluate, config)
    programs = {
        'train_epoch': over_runs(train_epoch, layout, 2, options, donate=True),
        'evaluate': over_runs(evaluate_sets, evaluation, 1, evaluation_options),
    }
    if config.model.head != 'learned':
        digit_logits = partial(evaluate.digit_logits, config)
        programs['digit_logits'] = over_runs(digit_logits, layout, 1, evaluation_options)
    programs['init'] = over_runs(init, layout, 2, quick_compiler_options())
    return programs


def program_arguments(
    programs: dict[str, Callable], layout: Layout, pools: Any, seeds: Any, hyperparameters: Any
) -> dict[str, tuple]:
    """What each of `jitted_programs` is compiled for.

    Shapes and types do for all arguments, so that the devices need not be at hand.
    """
    pools = _abstract(pools, layout, REPLICATED)
    seeds, hyperparameters = _abstract((seeds, hyperparameters), layout, RUNS)
    shapes = jax.eval_shape(programs['init'], pools, seeds, hyperparameters)
    state = _abstract(shapes, layout, RUNS)
    all_sets = _abstract(jax.ShapeDtypeStruct((), np.bool_), layout, REPLICATED)
    return {
        'init': (pools, seeds, hyperparameters),
        'train_epoch': (pools, state, hyperparameters),
        'evaluate': (evaluate.EvalRequest(pools, all_sets), state),
        'digit_logits': (pools, state),
    }


def _abstract(tree: Any, layout: Layout, spec: PartitionSpec) -> Any:
    """Shapes and types, divided over the layout's devices."""
    sharding = NamedSharding(layout.mesh, spec)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )
