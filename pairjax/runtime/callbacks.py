"""What an experiment tells whoever follows it: progress display, TensorBoard, profiler, tests."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Callback:
    """Follows an experiment; a subclass overrides the methods that it needs.

    One thread at a time calls them, and where an experiment has several processes, process 0
    alone. Several programs may train at the same time; each has a name of its own.
    """

    def on_message(self, text: str) -> None:
        """A sentence for the person who started the experiment."""

    def on_experiment_start(self, plan: Any, workdir: Path) -> None:
        """Before the first epoch; metrics.jsonl holds only lines that count.

        Args:
          plan: the experiment's `Plan`.
          workdir: where it is recorded.
        """

    def on_program_start(self, name: str, first_epoch: int, num_epochs: int) -> None:
        """Before a program trains.

        Args:
          name: of the program.
          first_epoch: the epoch it resumes after, 0 for a fresh start.
          num_epochs: the epoch it trains to.
        """

    def on_epoch_end(self, name: str, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
        """After an epoch.

        Args:
          name: of the program.
          epoch: its number, from 1.
          records: the lines that it added to metrics.jsonl, one per run.
        """

    def on_program_end(self, name: str) -> None:
        """After a program's last epoch, also where it failed or was interrupted."""

    def on_experiment_end(self) -> None:
        """After the experiment, also where it failed or was interrupted."""


class CallbackList(Callback):
    """Passes everything on to several callbacks in their order, one thread at a time."""

    def __init__(self, callbacks: Sequence[Callback]):
        self._callbacks = tuple(callbacks)
        self._lock = threading.Lock()

    def _call(self, method: str, *arguments: Any) -> None:
        with self._lock:
            for callback in self._callbacks:
                getattr(callback, method)(*arguments)

    def on_message(self, text: str) -> None:
        self._call('on_message', text)

    def on_experiment_start(self, plan: Any, workdir: Path) -> None:
        self._call('on_experiment_start', plan, workdir)

    def on_program_start(self, name: str, first_epoch: int, num_epochs: int) -> None:
        self._call('on_program_start', name, first_epoch, num_epochs)

    def on_epoch_end(self, name: str, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
        self._call('on_epoch_end', name, epoch, records)

    def on_program_end(self, name: str) -> None:
        self._call('on_program_end', name)

    def on_experiment_end(self) -> None:
        self._call('on_experiment_end')
