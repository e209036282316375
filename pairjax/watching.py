"""Whoever wants to know how an experiment goes on. No jax in here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Watcher:
    """Told how an experiment goes on; a subclass overrides what it needs."""

    def open(self, plan: Any, workdir: Path) -> None:
        """Before the first epoch: metrics.jsonl holds the lines that count, and no others."""

    def start(self, name: str, first_epoch: int, num_epochs: int) -> None:
        """Before a program's epochs; `first_epoch` of them are already behind it."""

    def epoch(self, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
        """After an epoch of that program, with the lines that it added to metrics.jsonl."""

    def stop(self) -> None:
        """After the epochs begun with `start`, however they ended."""

    def close(self) -> None:
        """After the experiment, however it ended."""
