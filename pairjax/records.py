"""What a workdir holds: config.json, metrics.jsonl, summary.json. No jax in here."""

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pairjax
from pairjax.config import flatten
from pairjax.errors import UserError

# What may differ when a workdir is resumed: where and how the runs are run, and where the same
# images lie. The images themselves are compared by their fingerprint.
RESUMABLE_FIELDS = ('runs.', 'checkpoint.', 'data.dir', 'data.download')
OWN_FILES = ('config.json', 'metrics.jsonl', 'summary.json', 'checkpoints', 'figures')


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system says of a failed write into a sentence with the path."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f'{path} cannot be written ({error.strerror or error}); choose another '
            '--workdir or make room there; what was saved before is intact'
        ) from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file in one step: a reader sees the old content or the new, never half."""
    temporary = path.with_name(path.name + '.tmp')
    with writing(path):
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + '\n')
        os.replace(temporary, path)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON file of a workdir.

    Raises: UserError where it is missing or damaged.
    """
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError('it holds no object')
        return content
    except FileNotFoundError:
        raise UserError(
            f'{path} does not exist; name a workdir that launch/main.py has made'
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read as JSON ({error})') from None


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results may depend on."""
    names = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')
    return {
        'pairjax': pairjax.__version__,
        'python': platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def open_workdir(
    workdir: Path, config: Mapping[str, Any], data: Mapping[str, Any], overwrite: bool
) -> None:
    """Makes the workdir, or checks that the one there belongs to the same experiment.

    Args:
      workdir: its path.
      config: the resolved config, nested.
      data: source, pool sizes and fingerprint of the digits.
      overwrite: deletes what an earlier experiment left there (only files of its own making).

    Raises: UserError where it cannot be written or belongs to another config.
    """
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        if overwrite:
            for name in OWN_FILES:
                path = workdir / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    resolved = {'config': config, 'data': data, 'versions': versions()}
    path = workdir / 'config.json'
    if not path.exists():
        write_json(path, resolved)
        return
    saved = read_json(path)
    old, new = (
        {**flatten(r.get('config', {})), **flatten(r.get('data', {}), 'data: ')}
        for r in (saved, json.loads(json.dumps(resolved)))
    )
    for name in sorted(set(old) | set(new)):
        if old.get(name) != new.get(name) and not name.startswith(RESUMABLE_FIELDS):
            raise UserError(
                f'{workdir} belongs to another experiment: {name} is {old.get(name)!r} '
                f'there and {new.get(name)!r} now; name another --workdir, or start '
                'afresh there with --overwrite'
            )
    write_json(path, resolved)


class Metrics:
    """metrics.jsonl: one JSON object per trial, seed and epoch, appended as they happen."""

    def __init__(self, workdir: Path):
        self.path = workdir / 'metrics.jsonl'

    def read(self) -> list[dict[str, Any]]:
        """All complete lines; a last line that an interruption cut off is left out."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        records = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(json.loads(line))
            except ValueError:
                if number < len(lines):
                    raise UserError(
                        f'{self.path}, line {number} is not JSON; mend it or start '
                        'afresh with --overwrite'
                    ) from None
        return records

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Appends lines and waits until the disk has them."""
        text = ''.join(json.dumps(record, allow_nan=False) + '\n' for record in records)
        with writing(self.path), self.path.open('a+b') as file:
            _drop_half_line(file)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def keep(self, wanted: Callable[[Mapping[str, Any]], bool]) -> list[dict[str, Any]]:
        """Drops the lines that are not wanted, in one step, and returns the rest."""
        records = [record for record in self.read() if wanted(record)]
        temporary = self.path.with_name(self.path.name + '.tmp')
        with writing(self.path):
            temporary.write_text(''.join(json.dumps(r, allow_nan=False) + '\n' for r in records))
            os.replace(temporary, self.path)
        return records


def _drop_half_line(file: BinaryIO) -> None:
    """Cuts off what an interruption left of a line; reads the file only where there is one."""
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b'\n':
            file.seek(0)
            file.truncate(file.read().rfind(b'\n') + 1)
