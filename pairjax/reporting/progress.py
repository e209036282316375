"""What a person sees while runs train: a bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from pairjax.reporting.notebook import NotebookScreen, duration, seconds_left
from pairjax.runtime.callbacks import Callback
from pairjax.system import Track
from pairjax.workdir.metrics_log import Metrics, mean_of_known

SECONDS_BETWEEN_LINES = 5.0
IMAGES_BAR_WIDTH = 24


def make_console(quiet: bool = False, stderr: bool = False) -> Console:
    """Standard output or error; where it is no terminal, wide enough for the results table."""
    width = None if (sys.stderr if stderr else sys.stdout).isatty() else 160
    # Names of files and trials are shown as they are, whatever brackets they hold.
    return Console(highlight=False, markup=False, width=width, quiet=quiet, stderr=stderr)


@dataclass
class ProgramProgress:
    """How far a program is.

    first: the epoch it resumed after. num: the epoch it trains to. epoch: the last one finished.
    shown: when a line was last printed. status: what its bar says. task: its row of the bars.
    """

    first: int
    num: int
    started: float
    shown: float
    epoch: int
    status: str = ''
    task: TaskID | None = None


@dataclass
class ExperimentProgress:
    """How far an experiment of several programs is, in epochs of runs.

    runs: of each program, by its name. first, done, total: finished before this start, finished so
    far, and in all.
    """

    runs: dict[str, int]
    first: int
    done: int
    total: int
    started: float
    task: TaskID | None = None

    @property
    def name(self) -> str:
        """What its bar is called."""
        return f'all {len(self.runs)} programs'

    def seconds_left(self) -> float | None:
        """Of training; None before the first epoch."""
        return seconds_left(self.first, self.done, self.total, time.monotonic() - self.started)


class ProgressDisplay(Callback):
    """Shows messages at once and epochs as they pass, with the time left.

    On a terminal bars below the messages; in a notebook the same in one output of the cell;
    elsewhere a line every few seconds.
    """

    def __init__(self, console: Console | None = None):
        """Takes the console to write to, standard output by default."""
        self.console = console or make_console()
        self._notebook = NotebookScreen() if self.console.is_jupyter else None
        self._bars: Progress | NotebookScreen | None = None
        self._programs: dict[str, ProgramProgress] = {}
        self._whole: ExperimentProgress | None = None
        self._images_shown = time.monotonic()

    def on_message(self, text: str) -> None:
        """One line that stays."""
        if self._notebook is not None:
            self._notebook.print(text)
        else:
            self.console.print(text, markup=False, soft_wrap=True)

    def on_images_read(self, num_read: int, num_images: int) -> None:
        """A bar on a terminal, gone when all are read, and a line now and then elsewhere."""
        count = f'{num_read} of {num_images} images read'
        if self.console.is_terminal:
            # No live display, which would have to be ended where reading fails.
            filled = IMAGES_BAR_WIDTH * num_read // num_images
            line = f'{"#" * filled:.<{IMAGES_BAR_WIDTH}} {count}'
            done = num_read == num_images
            self.console.print(
                ' ' * len(line) if done else line, end='\r', markup=False, highlight=False
            )
        elif time.monotonic() - self._images_shown >= SECONDS_BETWEEN_LINES:
            self._images_shown = time.monotonic()
            self.on_message(count)

    def on_experiment_start(self, plan: Any, workdir: Path) -> None:
        """Counts what is to be trained, and what was, where there are several programs."""
        self._whole, count = None, len(plan.programs)
        if count < 2:
            return
        sizes = {
            plan.program_name(n): (len(plan.runs(n)), plan.num_epochs(n)) for n in range(count)
        }
        total = sum(runs * epochs for runs, epochs in sizes.values())
        done = Metrics(workdir).count()
        runs = {name: size[0] for name, size in sizes.items()}
        self._whole = ExperimentProgress(runs, done, done, total, time.monotonic())

    def on_program_start(self, name: str, first_epoch: int, num_epochs: int) -> None:
        """Begins a program's epochs; `first_epoch` of them are already behind it."""
        now, whole = time.monotonic(), self._whole
        program = ProgramProgress(first_epoch, num_epochs, now, now, first_epoch)
        self._programs[name] = program
        if self._notebook is None and not self.console.is_terminal:
            return
        self._bars = self._bars or self._start_bars()
        if whole is not None and whole.task is None:
            whole.task = self._bars.add_task(
                whole.name, total=whole.total, completed=whole.done, status=''
            )
        program.task = self._bars.add_task(name, total=num_epochs, completed=first_epoch, status='')

    def _start_bars(self) -> Progress | NotebookScreen:
        if self._notebook is not None:
            return self._notebook
        bars = Progress(
            TextColumn('{task.description}', table_column=Column(no_wrap=True)),
            BarColumn(bar_width=8),
            TextColumn('{task.fields[status]}'),
            TextColumn('left'),
            TimeRemainingColumn(),
            console=self.console,
        )
        bars.start()
        return bars

    def on_epoch_end(self, name: str, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
        """After an epoch: means over the runs that have not failed."""
        program, whole = self._programs[name], self._whole
        program.epoch = epoch
        train_loss, validation_accuracy = (
            mean_of_known(record[name] for record in records)
            for name in ('train_loss', 'validation_accuracy')
        )
        status = f'{epoch}/{program.num}'
        if validation_accuracy is not None:
            status += f'  validation {100 * validation_accuracy:.1f} %'
        if whole is not None:
            whole.done += len(records)
        if self._bars is not None:
            program.status = status
            self._bars.update(program.task, completed=epoch, status=status)
            self._show_whole()
            return
        if train_loss is not None:
            status += f'  loss {train_loss:.3f}'
        now = time.monotonic()
        if epoch == program.num or now - program.shown >= SECONDS_BETWEEN_LINES:
            program.shown = now
            left = seconds_left(program.first, epoch, program.num, now - program.started)
            line = f'{name}: epoch {status}  {duration(left)} left'
            if whole is not None:
                line += f'; {whole.name}: about {duration(whole.seconds_left())} left'
            self.on_message(line)

    def _show_whole(self) -> None:
        if self._whole is not None and self._bars is not None:
            self._bars.update(self._whole.task, completed=self._whole.done, total=self._whole.total)

    def on_program_end(self, name: str) -> None:
        """Ends the epochs begun with `on_program_start`; safe to call twice."""
        program = self._programs.pop(name, None)
        if program is not None and self._whole is not None:
            # One that failed has no further epochs.
            self._whole.total -= self._whole.runs.get(name, 0) * (program.num - program.epoch)
        if self._bars is None or program is None:
            return
        if self._programs or self._whole is not None:
            # Its bar must not stay below the others' for the rest of a long sweep.
            self._show_whole()
            self._bars.remove_task(program.task)
            self.on_message(f'{name}: epoch {program.status}')
        else:
            self.on_experiment_end()

    def on_experiment_end(self) -> None:
        """Ends all bars."""
        self._whole = None
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


@contextlib.contextmanager
def bar(console: Console, name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows how far something of `total` steps is, with the time left.

    On a terminal a bar, in a notebook one in the cell's output, elsewhere a line every few seconds.

    Yields: what is called with the number of steps that were taken.
    """
    if console.is_jupyter:
        screen = NotebookScreen()
        task, done = screen.add_task(name, total), 0

        def advance(steps):
            nonlocal done
            done += steps
            screen.update(task, completed=done)

        yield advance
        screen.stop()
    elif console.is_terminal:
        columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn())
        # The bar disappears at the end, as quick work prints no log lines.
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
            task = progress.add_task(name, total=total)
            yield lambda steps: progress.advance(task, steps)
    else:
        yield _Lines(console, name, total).advance


def tracker(console: Console) -> Track:
    """Shows how far loops are, each as a `bar`: for item in track(items, 'evaluating')."""

    def track(items: Sequence[Any], name: str) -> Iterator[Any]:
        with bar(console, name, len(items)) as advance:
            for item in items:
                yield item
                advance(1)

    return track


class _Lines:
    """The lines of `bar` in a log file."""

    def __init__(self, console: Console, name: str, total: int):
        self._console, self._name, self._total = console, name, total
        self._done, self._started = 0, time.monotonic()
        self._shown = self._started

    def advance(self, steps: int) -> None:
        """Counts, and says so where the last line is some seconds old."""
        self._done += steps
        now = time.monotonic()
        if now - self._shown < SECONDS_BETWEEN_LINES or not self._done:
            return
        self._shown = now
        left = duration(seconds_left(0, self._done, self._total, now - self._started))
        text = f'{self._name}: {self._done} of {self._total}  {left} left'
        self._console.print(text, markup=False, soft_wrap=True)
