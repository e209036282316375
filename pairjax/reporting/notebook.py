"""Progress in a notebook: one output of the cell, plain text that is rewritten in place.

It needs no widgets, so that a notebook shows its last state when it is opened again, also where no
kernel runs.
"""

import time
from typing import Any

SECONDS_BETWEEN_UPDATES = 0.2
BAR_WIDTH, MOST_LINES = 24, 200


class NotebookScreen:
    """Messages, and below them a bar each for what is under way.

    Has the methods of `rich.progress.Progress` that `ProgressDisplay` calls.
    """

    def __init__(self):
        self._lines: list[str] = []
        self._tasks: dict[int, dict[str, Any]] = {}
        self._number, self._shown, self._handle = 0, 0.0, None

    def print(self, text: str) -> None:
        """A message that stays."""
        self._lines = [*self._lines, text][-MOST_LINES:]
        self._show()

    def add_task(self, description: str, total: int, completed: int = 0, status: str = '') -> int:
        """Begins a bar and returns its number."""
        self._number += 1
        self._tasks[self._number] = {
            **{'description': description, 'total': total, 'status': status},
            **{'first': completed, 'completed': completed, 'started': time.monotonic()},
        }
        self._show()
        return self._number

    def update(self, task: int, **fields: Any) -> None:
        """Changes `completed`, `total` or `status` of a bar."""
        self._tasks[task].update(fields)
        if time.monotonic() - self._shown >= SECONDS_BETWEEN_UPDATES:
            self._show()

    def remove_task(self, task: int) -> None:
        """Ends a bar, which disappears."""
        self._tasks.pop(task, None)
        self._show()

    def stop(self) -> None:
        """Ends all bars; what they say last stays."""
        self._lines += [self._text(task, ended=True) for task in self._tasks.values()]
        self._tasks = {}
        self._show()

    def _text(self, task: dict[str, Any], ended: bool = False) -> str:
        done, total = task['completed'], max(1, task['total'])
        filled = BAR_WIDTH * done // total
        count = task['status'] or f'{done}/{task["total"]}'
        text = f'{task["description"]}  {"█" * filled:░<{BAR_WIDTH}}  {count}'
        left = seconds_left(task['first'], done, total, time.monotonic() - task['started'])
        return text if ended or left is None else f'{text}  {duration(left)} left'

    def _show(self) -> None:
        from IPython.display import display

        self._shown = time.monotonic()
        lines = [*self._lines, *(self._text(task) for task in self._tasks.values())]
        data = {'text/plain': '\n'.join(lines)}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def seconds_left(first: int, done: int, total: int, elapsed: float) -> float | None:
    """Seconds for the steps that are left, by those since `first`; None where there are none."""
    return elapsed / (done - first) * (total - done) if done > first else None


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, for people."""
    if seconds < 120:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 7200 else f'{seconds / 3600:.1f} h'
