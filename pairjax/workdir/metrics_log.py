"""metrics.jsonl: what every run measured after every epoch."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pairjax.errors import UserError
from pairjax.system import replace_text, writing
from pairjax.workdir.schema import LINE, mismatch, parse_json


class Metrics:
    """metrics.jsonl of a workdir: one JSON object per trial, seed and epoch, in `schema.LINE`."""

    def __init__(self, workdir: Path):
        self.path = workdir / 'metrics.jsonl'

    def read(self, num_trials: int | None = None) -> list[dict[str, Any]]:
        """All complete lines, without a last line that an interruption cut off.

        Args:
          num_trials: of the experiment, where lines of other trials are an error.

        Raises: UserError where the file or a line cannot be read, or a trial does not exist.
        """
        try:
            # What follows the last line break is the beginning of a line that was never finished.
            lines = self.path.read_bytes().split(b'\n')[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f'{self.path} cannot be read ({error.strerror})') from None
        records = []
        for number, line in enumerate(lines, 1):
            try:
                record = parse_json(line)
            except ValueError:
                record = None
            if mismatch(record, LINE):
                raise UserError(
                    f'{self.path}, line {number} is no record of a trial, seed and epoch; delete '
                    'that line, and launch/main.py computes anew what it held, to the same numbers'
                )
            if num_trials is not None and record['trial'] >= num_trials:
                raise UserError(
                    f'{self.path}, line {number} is of trial {record["trial"]}, but the '
                    f'experiment has {num_trials} trials, numbered from 0; delete that line'
                )
            records.append(record)
        return records

    def count(self) -> int:
        """The number of complete lines, without reading what they hold."""
        try:
            with self.path.open('rb') as file:
                return sum(block.count(b'\n') for block in iter(lambda: file.read(2**20), b''))
        except OSError:
            return 0

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Appends lines and waits until the disk has them.

        Raises: UserError where they cannot be written; ValueError for NaN, and then writes nothing.
        """
        with writing(self.path), self.path.open('a+b') as file:
            _drop_half_line(file)
            file.write(_lines(records).encode())
            file.flush()
            os.fsync(file.fileno())

    def replace(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Replaces all lines atomically."""
        replace_text(self.path, _lines(records))


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None; None where there is none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _lines(records: Sequence[Mapping[str, Any]]) -> str:
    return ''.join(json.dumps(record, allow_nan=False) + '\n' for record in records)


def _drop_half_line(file: BinaryIO) -> None:
    """Cuts off what an interruption left of a line; reads the file only where there is one."""
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b'\n':
            file.seek(0)
            file.truncate(file.read().rfind(b'\n') + 1)
