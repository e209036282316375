"""What a person sees while runs train: a bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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

from pairjax.runtime.callbacks import Callback
from pairjax.workdir.metrics_log import mean_of_known

SECONDS_BETWEEN_LINES = 5.0
IMAGES_BAR_WIDTH = 24


def make_console(quiet: bool = False, stderr: bool = False) -> Console:
    """Standard output or error; where it is no terminal, wide enough for the results table."""
    width = None if (sys.stderr if stderr else sys.stdout).isatty() else 160
    # Names of files and trials are shown as they are, whatever brackets they hold.
    return Console(highlight=False, markup=False, width=width, quiet=quiet, stderr=stderr)


@dataclass
class Epochs:
    """How far a program is.

    shown: when a line last said so. status: what its bar says. task: its row of the bars.
    """

    first: int
    num: int
    started: float
    shown: float
    status: str = ''
    task: TaskID | None = None


class ProgressDisplay(Callback):
    """Shows messages at once and epochs as they pass."""

    def __init__(self, console: Console | None = None):
        """Takes the console to write to, standard output by default."""
        self.console = console or make_console()
        self._bars: Progress | None = None
        self._programs: dict[str, Epochs] = {}
        self._images_shown = time.monotonic()

    def on_message(self, text: str) -> None:
        """One line that stays."""
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

    def on_program_start(self, name: str, first_epoch: int, num_epochs: int) -> None:
        """Begins a program's epochs; `first_epoch` of them are already behind it."""
        now = time.monotonic()
        self._programs[name] = program = Epochs(first_epoch, num_epochs, now, now)
        if self.console.is_terminal:
            self._bars = self._bars or self._start_bars()
            program.task = self._bars.add_task(
                name, total=num_epochs, completed=first_epoch, status=''
            )

    def _start_bars(self) -> Progress:
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
        program = self._programs[name]
        train_loss, validation_accuracy = (
            mean_of_known(record[name] for record in records)
            for name in ('train_loss', 'validation_accuracy')
        )
        status = f'{epoch}/{program.num}'
        if validation_accuracy is not None:
            status += f'  validation {100 * validation_accuracy:.1f} %'
        if self._bars is not None:
            program.status = status
            self._bars.update(program.task, completed=epoch, status=status)
            return
        if train_loss is not None:
            status += f'  loss {train_loss:.3f}'
        now = time.monotonic()
        if epoch == program.num or now - program.shown >= SECONDS_BETWEEN_LINES:
            program.shown = now
            per_epoch = (now - program.started) / (epoch - program.first)
            left = per_epoch * (program.num - epoch)
            self.on_message(f'{name}: epoch {status}  {left:.0f} s left')

    def on_program_end(self, name: str) -> None:
        """Ends the epochs begun with `on_program_start`; safe to call twice."""
        program = self._programs.pop(name, None)
        if self._bars is None or program is None:
            return
        if self._programs:
            # Its bar must not stay below the others' for the rest of a long sweep.
            self._bars.remove_task(program.task)
            self.on_message(f'{name}: epoch {program.status}')
        else:
            self._bars.stop()
            self._bars = None


@contextlib.contextmanager
def bar(console: Console, name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal and nothing elsewhere; yields what is called with each step's size."""
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(name, total=total)
        yield lambda steps: progress.advance(task, steps)
