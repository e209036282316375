"""Trains the programs of an experiment, in one group or several, and keeps their records."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from pairjax.errors import UserError
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.multihost import (
    all_gather_objects,
    any_process,
    context_on_primary,
    is_primary,
    on_primary,
    raise_on_all,
)
from pairjax.runtime.plan import Plan
from pairjax.runtime.preemption import Interrupted, StopRequest
from pairjax.runtime.scheduling import DeviceGroup, longest_first
from pairjax.runtime.sharding import choose_layout
from pairjax.runtime.trainer import Trainer
from pairjax.trials import trial_name
from pairjax.workdir.checkpoints import Checkpoints, check_origin
from pairjax.workdir.workdir import FAILURES, Metrics, checkpoint_directory, writing

SECONDS_BETWEEN_SIGNALS = 0.05


@dataclass
class SharedState:
    """What the groups of an experiment share, and what comes of it.

    recording: held while records are written, a checkpoint is saved or read (Orbax does neither
    twice at a time). halted: whether a group ended with an error that all
    have to end for. reached, failures: by number of the program, its last epoch, and why it failed.
    """

    plan: Plan
    workdir: Path
    callbacks: Callback
    stop: StopRequest
    recording: threading.Lock = field(default_factory=threading.Lock)
    halted: threading.Event = field(default_factory=threading.Event)
    reached: dict[int, int] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def ending(self) -> bool:
        """Whether training is to end after the epoch that is under way."""
        return self.stop.requested or self.halted.is_set()


def train_programs(
    plan: Plan,
    epochs: Mapping[int, int],
    groups: list[DeviceGroup],
    workdir: Path,
    callbacks: Callback,
) -> dict[int, str]:
    """Trains programs, each group one after another; one that fails does not keep others from it.

    Args:
      plan: of the experiment.
      epochs: by number of the program, the epoch to go on from.
      groups: where; more than one only where there is one process.
      workdir: where records and checkpoints go.
      callbacks: are told how training goes on.

    Returns: by number, why a program failed.
    Raises: UserError for what would stop every program; Interrupted.
    """
    with StopRequest() as stop:
        work = SharedState(plan, workdir, callbacks, stop)
        if len(groups) == 1:
            train_on_group(work, iter(epochs), epochs, groups[0], ahead=True)
        else:
            train_side_by_side(work, longest_first(plan, epochs), epochs, groups)
        unfinished = [
            n
            for n, start in epochs.items()
            if n not in work.failures and work.reached.get(n, start) < plan.num_epochs(n)
        ]
        if any_process(stop.requested) and unfinished:
            raise Interrupted(stopping_place(work))
    return work.failures


def train_side_by_side(
    work: SharedState, numbers: Iterator[int], epochs: Mapping[int, int], groups: list[DeviceGroup]
) -> None:
    """`train_on_group` in every group; raises what one of them raised, when all have ended."""
    with ThreadPoolExecutor(len(groups)) as executor:
        # With every core at work, compiling ahead would gain nothing and take memory.
        ended = [
            executor.submit(train_on_group, work, numbers, epochs, group, ahead=False)
            for group in groups
        ]
        # Handlers of signals run in this thread alone, and only while it runs.
        while wait(ended, timeout=SECONDS_BETWEEN_SIGNALS).not_done:
            pass
    for future in ended:
        future.result()


def train_on_group(
    work: SharedState,
    numbers: Iterator[int],
    epochs: Mapping[int, int],
    group: DeviceGroup,
    ahead: bool,
) -> None:
    """Takes program after program until none is left; see `train_programs`."""
    try:
        for number, compiled in compile_in_turn(work, numbers, group, ahead):
            try:
                trainer = raise_on_all(compiled)
                work.reached[number] = train_program(work, number, epochs[number], trainer)
            except UserError:
                raise
            except Exception as error:
                note_failed_program(work, number, error)
            if any_process(work.ending):
                return
    except BaseException:
        work.halted.set()
        raise


def compile_in_turn(
    work: SharedState, numbers: Iterator[int], group: DeviceGroup, ahead: bool
) -> Iterator[tuple[int, Callable[[], Trainer]]]:
    """Each program with what returns its trainer or raises why there is none.

    Args:
      work, numbers, group: as of `train_on_group`.
      ahead: whether the next program compiles while one trains. More would only take memory.
    """
    with ThreadPoolExecutor(1) as executor:
        upcoming = []

        def compile_next():
            number = next(numbers, None)
            if number is not None:
                compiling = executor.submit(Trainer, work.plan, number, group)
                upcoming.append((number, compiling))

        compile_next()
        while upcoming:
            number, compiling = upcoming.pop()
            wait([compiling])
            if ahead and not any_process(work.ending):
                compile_next()
            yield number, compiling.result
            if not ahead:
                compile_next()


def stopping_place(work: SharedState) -> str:
    """How far an experiment got that was asked to stop, for people."""
    reached, plan = work.reached, work.plan
    halfway = {n: e for n, e in reached.items() if e < plan.num_epochs(n)}
    latest = halfway or dict(list(reached.items())[-1:])
    places = [f'epoch {epoch} of program {n + 1}' for n, epoch in sorted(latest.items())]
    return f'stopped and saved after {" and ".join(places) or "no epoch"} of {len(plan.programs)}'


def failure_sentence(plan: Plan, number: int, error: Exception) -> str:
    """One line that says why program `number` failed, and for want of memory what to set."""
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


def note_failed_program(work: SharedState, number: int, error: Exception) -> None:
    """Keeps why program `number` failed, the exception being handled."""
    work.failures[number] = failure_sentence(work.plan, number, error)
    name = program_name(work.plan, number)
    with work.recording:
        on_primary(lambda: note_failure(work.workdir, name))
    work.callbacks.on_message(f'{name} failed: {work.failures[number]}')


def note_failure(workdir: Path, name: str) -> None:
    """Adds the traceback of the exception being handled to the workdir's list of failures."""
    with writing(workdir / FAILURES), (workdir / FAILURES).open('a') as file:
        file.write(f'{name}\n{traceback.format_exc()}\n')


def program_name(plan: Plan, number: int) -> str:
    """The trials of a program, such as AuxNet2 (32, 32, 64, 256) 3/31, for people."""
    trials = plan.programs[number]
    name = trial_name({'hyperparameters': trials[0].hyperparameters})
    several = f' x {len(trials)}' if len(trials) > 1 else ''
    return f'{name}{several} {number + 1}/{len(plan.programs)}'


def train_program(work: SharedState, number: int, epoch: int, trainer: Trainer) -> int:
    """Trains all runs of one program from `epoch` on, and returns the epoch that it reached."""
    plan, callbacks = work.plan, work.callbacks
    metrics, num_epochs = Metrics(work.workdir), plan.num_epochs(number)
    name = program_name(plan, number)
    directory, train = checkpoint_directory(work.workdir, number), trainer.config.train
    keep, every_seconds = plan.config.checkpoint.keep, plan.config.checkpoint.every_seconds

    def record():
        if is_primary():
            with work.recording:
                metrics.append(records)
                callbacks.on_epoch_end(name, epoch, records)
        return is_primary() and time.monotonic() - saved_at >= every_seconds, work.ending

    def restore():
        state = checkpoints.restore(trainer.expected_state)
        check_origin(state, [seed for _, seed in plan.runs(number)], epoch, directory)
        return state

    def save():
        checkpoints.save(epoch, state, plan.description(number))

    with context_on_primary(lambda: Checkpoints(directory, keep)) as checkpoints:
        callbacks.on_message(f'{name}: {trainer}')
        saved = None
        if epoch:
            with work.recording:
                saved = on_primary(restore)
            callbacks.on_message(f'{name}: going on after epoch {epoch}')
        raise_on_all(lambda: trainer.start(saved))
        saved_at = time.monotonic()
        callbacks.on_program_start(name, epoch, num_epochs)
        try:
            stopping = any_process(work.ending)
            while epoch < num_epochs and not stopping:
                epoch += 1
                last = epoch == num_epochs
                due, all_sets = (
                    last or epoch % every == 0
                    for every in (train.evaluate_every, train.evaluate_all_every)
                )
                records = trainer.epoch(epoch, due, all_sets)
                if last:
                    pool = trainer.whole_pool_records()
                    records = [{**a, **b} for a, b in zip(records, pool, strict=True)]
                save_due, stopping = map(any, zip(*all_gather_objects(record), strict=True))
                if last or stopping or save_due:
                    state = trainer.host_state()
                    with work.recording:
                        on_primary(save)
                    saved_at = time.monotonic()
        finally:
            callbacks.on_program_end(name)
    return epoch
