"""Trains the programs of an experiment, on one device group or on several concurrently."""

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import jax

from pairjax.errors import UserError
from pairjax.runtime.callback_list import CallbackList
from pairjax.runtime.multihost import (
    all_gather_objects,
    any_process,
    is_primary,
    is_raised_on_all,
    on_primary,
    raise_on_all,
)
from pairjax.runtime.plan import Plan
from pairjax.runtime.preemption import Interrupted, StopRequest
from pairjax.runtime.resume import restore_program
from pairjax.runtime.scheduling import DeviceGroup, longest_first
from pairjax.runtime.sharding import choose_layout
from pairjax.runtime.trainer import Trainer
from pairjax.workdir.checkpoints import Checkpoints
from pairjax.workdir.failure_log import append_failure
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import checkpoint_directory

SECONDS_BETWEEN_SIGNALS = 0.05
# How long a process waits for the compiler before it hears whether another one was asked to stop.
SECONDS_BETWEEN_EXCHANGES = 0.5


def train_programs(
    plan: Plan,
    epochs: Mapping[int, int],
    groups: list[DeviceGroup],
    workdir: Path,
    callbacks: CallbackList,
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
        loop = _TrainLoop(plan, epochs, workdir, callbacks, stop)
        loop.train(groups)
        loop.raise_if_interrupted()
    return loop.failures


class _TrainLoop:
    """The training of an experiment's programs; device groups train in a thread each.

    Attributes:
      failures: the reason for each failed program in one line, by program number.
    """

    def __init__(
        self,
        plan: Plan,
        epochs: Mapping[int, int],
        workdir: Path,
        callbacks: CallbackList,
        stop: StopRequest,
    ):
        """Arguments as in `train_programs`; stop: whether a signal has asked to stop."""
        self._plan, self._epochs, self._workdir = plan, epochs, workdir
        self._callbacks, self._stop = callbacks, stop
        # Set when a group ends with an error that ends the experiment, such as a full disk.
        self._halted = threading.Event()
        # Held while lines are appended and while Orbax saves or restores, which it cannot do twice
        # at a time.
        self._recording = threading.Lock()
        self._reached: dict[int, int] = {}  # The last epoch trained, by program number.
        self.failures: dict[int, str] = {}

    @property
    def _stopping(self) -> bool:
        """Whether this process wants training to end after the current epoch."""
        return self._stop.requested or self._halted.is_set()

    def train(self, groups: list[DeviceGroup]) -> None:
        """Runs `train_on_group` in a thread per group; re-raises an exception after all end."""
        one = len(groups) == 1
        numbers = iter(self._epochs) if one else longest_first(self._plan, self._epochs)
        with ThreadPoolExecutor(len(groups)) as executor:
            # Where all cores are busy, compiling ahead would save no time and cost memory.
            ended = [
                executor.submit(self.train_on_group, numbers, group, ahead=one) for group in groups
            ]
            # Python runs signal handlers only in the main thread, and not while it blocks.
            try:
                while wait(ended, timeout=SECONDS_BETWEEN_SIGNALS).not_done:
                    pass
            except BaseException:
                self._halted.set()
                raise
        for future in ended:
            future.result()

    def train_on_group(self, numbers: Iterator[int], group: DeviceGroup, ahead: bool) -> None:
        """Trains one program after another until none is left or a stop is requested.

        Args:
          numbers: program numbers; an iterator that all groups take from.
          group: the devices to train on.
          ahead: whether to compile the next program while one trains.
        """
        try:
            for number, compiling in self._compile_in_turn(numbers, group, ahead):
                if not self._is_compiled(compiling):
                    return
                try:
                    self._train_program(number, raise_on_all('compiled', compiling.result))
                except UserError:
                    raise
                except Exception as error:
                    if not is_raised_on_all(error):
                        raise
                    self._record_failure(number, error)
                if any_process('stop after a program', self._stopping):
                    return
        except BaseException:
            self._halted.set()
            raise

    def _compile_in_turn(
        self, numbers: Iterator[int], group: DeviceGroup, ahead: bool
    ) -> Iterator[tuple[int, Future[Trainer]]]:
        """Yields each program number with its trainer to be.

        With `ahead` the next program compiles while one trains; only one, to save memory.
        """

        def compile_next():
            number = list(itertools.islice(numbers, 1))
            return [(n, executor.submit(Trainer, self._plan, n, group)) for n in number]

        executor = ThreadPoolExecutor(1)
        try:
            upcoming = compile_next()
            while upcoming:
                [(number, compiling)] = upcoming
                upcoming = compile_next() if ahead else []
                yield number, compiling
                if not ahead:
                    upcoming = compile_next()
        finally:
            # Whoever was asked to stop does not wait for what is compiled in vain.
            executor.shutdown(wait=False, cancel_futures=True)

    def _is_compiled(self, compiling: Future[Trainer]) -> bool:
        """Waits for the compiler on all processes; False where one was asked to stop meanwhile."""
        seconds = SECONDS_BETWEEN_EXCHANGES if jax.process_count() > 1 else SECONDS_BETWEEN_SIGNALS

        def done_and_stopping():
            wait([compiling], timeout=seconds)
            return compiling.done(), self._stopping

        while True:
            done, stopping = zip(*all_gather_objects('compiling', done_and_stopping), strict=True)
            if any(stopping):
                return False
            if all(done):
                return True

    def _train_program(self, number: int, trainer: Trainer) -> None:
        """Trains all runs of a program to the last epoch or a request to stop."""
        plan, epoch = self._plan, self._epochs[number]
        name, saved = plan.program_name(number), None

        def restored_leaves():
            _, state = restore_program(plan, self._workdir, number)
            return jax.tree.leaves(state)

        self._callbacks.on_message(f'{name}: {trainer}')
        if epoch:
            with self._recording:
                leaves = on_primary('restore', restored_leaves)
            saved = jax.tree.unflatten(trainer.state_structure, leaves)
            self._callbacks.on_message(f'{name}: resuming after epoch {epoch}')
        raise_on_all('start', lambda: trainer.start(saved))
        self._callbacks.on_program_start(name, epoch, plan.num_epochs(number))
        with self._callbacks.ending('on_program_end', name):
            self._reached[number] = self._run_epochs(number, epoch, trainer)

    def _run_epochs(self, number: int, epoch: int, trainer: Trainer) -> int:
        """Trains and records epochs from `epoch` on, and returns the last one that is saved."""
        plan, metrics, saved_at = self._plan, Metrics(self._workdir), time.monotonic()
        saved = epoch
        num_epochs, every = plan.num_epochs(number), trainer.config.train
        directory = checkpoint_directory(self._workdir, number)
        checkpoints = []

        def open_checkpoints():
            checkpoints.append(Checkpoints(directory, plan.config.checkpoint.keep))

        def save():
            checkpoints[0].save(epoch, state, description)

        on_primary('open checkpoints', open_checkpoints)

        def record():
            """Whether a checkpoint is due and whether to stop, as this process sees it."""
            if not is_primary():
                return False, self._stopping
            with self._recording:
                metrics.append(records)
                name = plan.program_name(number)
                self._callbacks.call_here('on_epoch_end', name, epoch, records)
            save_due = time.monotonic() - saved_at >= plan.config.checkpoint.every_seconds
            return save_due, self._stopping

        stopping = any_process('stop before an epoch', self._stopping)
        while epoch < num_epochs and not stopping:
            epoch += 1
            last = epoch == num_epochs
            due = last or epoch % every.evaluate_every == 0
            records = trainer.epoch(epoch, due, last or epoch % every.evaluate_all_every == 0)
            if last:
                all_pairs = trainer.all_pairs_records(lambda: self._stopping)
                if all_pairs is None:
                    # It takes as long as many epochs; this one is trained again.
                    break
                records = [{**a, **b} for a, b in zip(records, all_pairs, strict=True)]
            save_due, stopping = map(any, zip(*all_gather_objects('record', record), strict=True))
            if last or stopping or save_due:
                state, description = trainer.host_state(), plan.description(number)
                with self._recording:
                    on_primary('save', save)
                saved, saved_at = epoch, time.monotonic()
        return saved

    def _record_failure(self, number: int, error: Exception) -> None:
        """Records why program `number` failed: with the exception being handled."""
        name = self._plan.program_name(number)
        self.failures[number] = failure_sentence(self._plan, number, error)
        with self._recording:
            on_primary('failure', lambda: append_failure(self._workdir, name))
        self._callbacks.on_message(f'{name} failed: {self.failures[number]}')

    def raise_if_interrupted(self) -> None:
        """Raises Interrupted, which says how far it got, where a signal left work undone."""
        plan, reached = self._plan, self._reached
        unfinished = [
            n
            for n, start in self._epochs.items()
            if n not in self.failures and reached.get(n, start) < plan.num_epochs(n)
        ]
        if not any_process('stopped', self._stop.requested) or not unfinished:
            return
        halfway = {n: e for n, e in reached.items() if e < plan.num_epochs(n)}
        latest = halfway or dict(list(reached.items())[-1:])
        places = [f'epoch {e} of program {n + 1}' for n, e in sorted(latest.items()) if e]
        count = len(plan.programs)
        if not places:
            raise Interrupted(f'stopped before a further epoch of {count} programs')
        raise Interrupted(f'stopped and saved after {" and ".join(places)} of {count}')


def failure_sentence(plan: Plan, number: int, error: Exception) -> str:
    """One line that says why program `number` failed, and when out of memory what to set."""
    text = next(iter(str(error).strip().splitlines()), '')
    if 'RESOURCE_EXHAUSTED' not in text and not isinstance(error, MemoryError):
        return f'{type(error).__name__}: {text}'
    batch_size = plan.program_config(number).train.batch_size
    layout = choose_layout(len(plan.runs(number)), plan.config.runs, batch_size)
    devices, width = layout.mesh.size, layout.per_batch
    remedy = f'a smaller train.batch_size than {batch_size}, or a smaller num_seeds'
    if width > 1:
        remedy = f'runs.per_batch={width // 2}'
    elif devices > 1 and layout.mesh.devices.flat[0].platform == 'cpu':
        remedy = f'runs.devices={devices // 2}, or {remedy}'
    return f'out of memory with {width} runs at a time on each of {devices} devices; try {remedy}'
