"""Trains the programs of an experiment, on one device group or on several concurrently."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from pairjax.errors import UserError
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.multihost import any_process, on_primary, raise_on_all
from pairjax.runtime.plan import Plan
from pairjax.runtime.preemption import Interrupted, StopRequest
from pairjax.runtime.program_loop import train_program
from pairjax.runtime.scheduling import DeviceGroup, longest_first
from pairjax.runtime.sharding import choose_layout
from pairjax.runtime.shared_state import SharedState
from pairjax.runtime.trainer import Trainer
from pairjax.workdir.failure_log import append_failure

SECONDS_BETWEEN_SIGNALS = 0.05


def train_programs(
    plan: Plan,
    epochs: Mapping[int, int],
    groups: list[DeviceGroup],
    workdir: Path,
    callbacks: Callback,
) -> dict[int, str]:
    """Trains programs, in each group one after another; a failed one does not stop the others.

    Args:
      plan: the experiment's plan.
      epochs: the epoch to resume after, by program number.
      groups: the device groups to train on; more than one only in a single process.
      workdir: directory of metrics.jsonl and checkpoints/.
      callbacks: called as training proceeds.

    Returns: the reason for each failed program, by program number.
    Raises: UserError for an error that would stop every program; Interrupted.
    """
    with StopRequest() as stop:
        shared = SharedState(plan, workdir, callbacks, stop)
        if len(groups) == 1:
            train_on_group(shared, iter(epochs), epochs, groups[0], ahead=True)
        else:
            train_side_by_side(shared, longest_first(plan, epochs), epochs, groups)
        unfinished = [
            n
            for n, start in epochs.items()
            if n not in shared.failures and shared.reached.get(n, start) < plan.num_epochs(n)
        ]
        if any_process(stop.requested) and unfinished:
            raise Interrupted(stopping_place(shared))
    return shared.failures


def train_side_by_side(
    shared: SharedState,
    numbers: Iterator[int],
    epochs: Mapping[int, int],
    groups: list[DeviceGroup],
) -> None:
    """Runs `train_on_group` in a thread per group; re-raises an exception when all have ended."""
    with ThreadPoolExecutor(len(groups)) as executor:
        # All cores are busy: compiling ahead would save no time and cost memory.
        ended = [
            executor.submit(train_on_group, shared, numbers, epochs, group, ahead=False)
            for group in groups
        ]
        # Python runs signal handlers only in the main thread, and not while it blocks.
        while wait(ended, timeout=SECONDS_BETWEEN_SIGNALS).not_done:
            pass
    for future in ended:
        future.result()


def train_on_group(
    shared: SharedState,
    numbers: Iterator[int],
    epochs: Mapping[int, int],
    group: DeviceGroup,
    ahead: bool,
) -> None:
    """Trains one program after another until none is left or a stop is requested.

    Args:
      shared: state shared by all groups.
      numbers: program numbers; an iterator that all groups take from.
      epochs: the epoch to resume after, by program number.
      group: the devices to train on.
      ahead: whether to compile the next program while one trains.
    """
    try:
        for number, compiled in compile_in_turn(shared, numbers, group, ahead):
            try:
                trainer = raise_on_all(compiled)
                shared.reached[number] = train_program(shared, number, epochs[number], trainer)
            except UserError:
                raise
            except Exception as error:
                record_failure(shared, number, error)
            if any_process(shared.stopping):
                return
    except BaseException:
        shared.halted.set()
        raise


def compile_in_turn(
    shared: SharedState, numbers: Iterator[int], group: DeviceGroup, ahead: bool
) -> Iterator[tuple[int, Callable[[], Trainer]]]:
    """Yields each program number with a function that returns its trainer or raises.

    With `ahead` the next program compiles while one trains; only one, to save memory.
    """
    with ThreadPoolExecutor(1) as executor:
        upcoming = []

        def compile_next():
            number = next(numbers, None)
            if number is not None:
                upcoming.append((number, executor.submit(Trainer, shared.plan, number, group)))

        compile_next()
        while upcoming:
            number, compiling = upcoming.pop()
            wait([compiling])
            if ahead and not any_process(shared.stopping):
                compile_next()
            yield number, compiling.result
            if not ahead:
                compile_next()


def stopping_place(shared: SharedState) -> str:
    """How far an interrupted experiment got, as a sentence."""
    reached, plan = shared.reached, shared.plan
    halfway = {n: e for n, e in reached.items() if e < plan.num_epochs(n)}
    latest = halfway or dict(list(reached.items())[-1:])
    places = [f'epoch {epoch} of program {n + 1}' for n, epoch in sorted(latest.items())]
    return f'stopped and saved after {" and ".join(places) or "no epoch"} of {len(plan.programs)}'


def record_failure(shared: SharedState, number: int, error: Exception) -> None:
    """Records why program `number` failed: with the exception being handled."""
    shared.failures[number] = failure_sentence(shared.plan, number, error)
    name = shared.plan.program_name(number)
    with shared.recording:
        on_primary(lambda: append_failure(shared.workdir, name))
    shared.callbacks.on_message(f'{name} failed: {shared.failures[number]}')


def failure_sentence(plan: Plan, number: int, error: Exception) -> str:
    """One line that says why program `number` failed, and when out of memory what to set."""
    text = next(iter(str(error).strip().splitlines()), '')
    if 'RESOURCE_EXHAUSTED' not in text and not isinstance(error, MemoryError):
        return f'{type(error).__name__}: {text}'
    batch_size = plan.program_config(number).train.batch_size
    layout = choose_layout(len(plan.runs(number)), plan.config.runs, batch_size)
    devices, width = layout.mesh.size, layout.per_batch
    remedy = f'a smaller --config.train.batch_size than {batch_size}, or fewer --config.num_seeds'
    if width > 1:
        remedy = f'--config.runs.per_batch={width // 2}'
    elif devices > 1 and layout.mesh.devices.flat[0].platform == 'cpu':
        remedy = f'--config.runs.devices={devices // 2}, or {remedy}'
    return f'out of memory with {width} runs at a time on each of {devices} devices; try {remedy}'
