"""Whoever wants to know how an experiment goes on. No jax in here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Callback:
    """Told how an experiment goes on, by one thread at a time; a subclass overrides what it needs.

    Several programs may train at the same time; each has a name of its own.
    """

    def open(self, plan: Any, workdir: Path) -> None:
        """Before the first epoch: metrics.jsonl holds the lines that count, and no others."""

    def start(self, name: str, first_epoch: int, num_epochs: int) -> None:
        """Before a program's epochs; `first_epoch` of them are already behind it."""

    def epoch(self, name: str, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
        """After an epoch of that program, with the lines that it added to metrics.jsonl."""

    def stop(self, name: str) -> None:
        """After the program's epochs, however they ended."""

    def close(self) -> None:
        """After the experiment, however it ended."""
