"""Callbacks of an experiment, for progress display, TensorBoard and profiling."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Callback:
    """Base class of callbacks; a subclass overrides the methods that it needs.

    Called by one thread at a time, and in process 0 only. Several programs may train
    concurrently; each has its own name.
    """

    def on_message(self, text: str) -> None:
        """Shows the user a sentence."""

    def on_images_read(self, num_read: int, num_images: int) -> None:
        """While a source decodes images one by one, and once more when all are read."""

    def on_experiment_start(self, plan: Any, workdir: Path) -> None:
        """Before the first epoch, when metrics.jsonl has only lines up to the resumed epochs.

        Args:
          plan: the experiment's `Plan`.
          workdir: the experiment's workdir.
        """

    def on_program_start(self, name: str, first_epoch: int, num_epochs: int) -> None:
        """Before a program trains.

        Args:
          name: the program's name.
          first_epoch: the epoch it resumes after, 0 for a fresh start.
          num_epochs: the epoch it trains to.
        """

    def on_epoch_end(self, name: str, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
        """After an epoch.

        Args:
          name: the program's name.
          epoch: its number, from 1.
          records: its lines of metrics.jsonl, one per run.
        """

    def on_program_end(self, name: str) -> None:
        """After a program's last epoch, even if it failed or was interrupted."""

    def on_experiment_end(self) -> None:
        """After the experiment, even if it failed or was interrupted."""
