"""What a person sees while runs train: a bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from pairjax.records import mean_of_known
from pairjax.watching import Watcher

SECONDS_BETWEEN_LINES = 5.0


def make_console(quiet: bool = False) -> Console:
    """Standard output; where it is no terminal, wide enough for the results table."""
    width = None if sys.stdout.isatty() else 160
    # Names of files and trials are shown as they are, whatever brackets they hold.
    return Console(highlight=False, markup=False, width=width, quiet=quiet)


class ProgressDisplay(Watcher):
    """Shows notes at once and epochs as they pass."""

    def __init__(self, console: Console | None = None, others: Sequence[Watcher] = ()):
        """Takes the console to write to, standard output by default, and who else watches."""
        self.console = console or make_console()
        self.watchers = (self, *others)
        self._bar: Progress | None = None
        self._task = None
        self._started = self._last_line = 0.0
        self._first_epoch = self._num_epochs = 0
        self._name = ''

    def note(self, text: str) -> None:
        """One line that stays."""
        self.console.print(text, markup=False, soft_wrap=True)

    def start(self, name: str, first_epoch: int, num_epochs: int) -> None:
        """Begins a program's epochs; `first_epoch` of them are already behind it."""
        self._name, self._first_epoch, self._num_epochs = name, first_epoch, num_epochs
        self._started = self._last_line = time.monotonic()
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn('{task.description}', table_column=Column(no_wrap=True)),
                BarColumn(bar_width=8),
                TextColumn('{task.fields[status]}'),
                TextColumn('left'),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._task = self._bar.add_task(
                name, total=num_epochs, completed=first_epoch, status=''
            )
            self._bar.start()

    def epoch(self, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
        """After an epoch: means over the runs that have not failed."""
        train_loss, validation_accuracy = (
            mean_of_known(record[name] for record in records)
            for name in ('train_loss', 'validation_accuracy')
        )
        status = f'{epoch}/{self._num_epochs}'
        if validation_accuracy is not None:
            status += f'  validation {100 * validation_accuracy:.1f} %'
        if self._bar is not None:
            self._bar.update(self._task, completed=epoch, status=status)
            return
        if train_loss is not None:
            status += f'  loss {train_loss:.3f}'
        now = time.monotonic()
        if epoch == self._num_epochs or now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            per_epoch = (now - self._started) / (epoch - self._first_epoch)
            left = per_epoch * (self._num_epochs - epoch)
            self.note(f'{self._name}: epoch {status}  {left:.0f} s left')

    def stop(self) -> None:
        """Ends the epochs begun with `start`; safe to call twice."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextlib.contextmanager
def bar(console: Console, name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal and nothing elsewhere; yields what is called with each step's size."""
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(name, total=total)
        yield lambda steps: progress.advance(task, steps)
