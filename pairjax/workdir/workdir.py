"""What a workdir holds: config.json, metrics.jsonl, summary.json. No jax in here."""

import contextlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pairjax import __version__
from pairjax.config import flatten, upgrade
from pairjax.errors import UserError
from pairjax.workdir.schema import LINE, check_summary, mismatch, parse_json

# What may differ when a workdir is resumed: where and how the runs are run, and where the same
# images lie. The images themselves are compared by their fingerprint.
RESUMABLE_FIELDS = ('runs.', 'checkpoint.', 'data.dir', 'data.download')
# Of config.json; without this number it is of version 0.2.0 or older.
FORMAT = 1
FAILURES = 'failures.log'
TENSORBOARD = 'tensorboard'
OWN_FILES = (
    'config.json',
    'metrics.jsonl',
    'summary.json',
    'checkpoints',
    'figures',
    FAILURES,
    TENSORBOARD,
)


def checkpoint_directory(workdir: Path, number: int) -> Path:
    """Where the checkpoints of an experiment's program `number` lie."""
    return workdir / 'checkpoints' / f'program_{number:04d}'


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
    """Writes a JSON file in one step, see `replace_text`."""
    replace_text(path, json.dumps(content, indent=1, allow_nan=False) + '\n')


def replace_text(path: Path, text: str) -> None:
    """Writes a file in one step: a reader sees the old content or the new, never half.

    Raises: UserError where the disk does not take it; then the old content stays.
    """
    temporary = path.with_name(path.name + '.tmp')
    with writing(path):
        try:
            with temporary.open('w') as file:
                file.write(text)
                file.flush()
                # Else a power cut could leave the new name with nothing behind it.
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def read_json(
    path: Path, remedy: str = 'delete it, and the command that wrote it writes it anew'
) -> dict[str, Any]:
    """Reads a JSON file of a workdir.

    Raises: UserError where it is missing or damaged, then with the remedy.
    """
    try:
        content = parse_json(path.read_text())
        if not isinstance(content, dict):
            raise ValueError('it holds no object')
        # Half a character, which JSON can name, could not be shown later.
        json.dumps(content, ensure_ascii=False).encode()
        return content
    except FileNotFoundError:
        raise UserError(
            f'{path} does not exist; name a workdir that launch/main.py has made'
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read as JSON ({error}); {remedy}') from None


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results may depend on."""
    names = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')
    return {
        'pairjax': __version__,
        'python': platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def open_workdir(
    workdir: Path,
    config: Mapping[str, Any],
    data: Mapping[str, Any],
    overwrite: bool,
    trials: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Makes the workdir, or checks that the one there belongs to the same experiment.

    Args:
      workdir: its path.
      config: the resolved config, nested.
      data: source, pool sizes and fingerprint of the digits.
      overwrite: deletes what an earlier experiment left there (only files of its own making).
      trials: the hyperparameters of every trial, for readers that cannot build the models.

    Raises: UserError where it cannot be written, belongs to another config, or holds files of
      these names that pairjax did not write.
    """
    path = workdir / 'config.json'
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        present = [name for name in OWN_FILES if (workdir / name).exists()]
        if present and path.name not in present:
            raise UserError(
                f'{workdir} holds {present[0]} but no config.json, so it is not ours to go on '
                'with or to overwrite; name another --workdir'
            )
        saved = read_config(workdir) if present else None
        if overwrite:
            for name in present:
                own = workdir / name
                shutil.rmtree(own) if own.is_dir() else own.unlink()
            saved = None
    if saved is None:
        found = {'data': data, 'versions': versions()}
        write_json(path, {'format': FORMAT, 'config': config, **found, 'trials': list(trials)})
        return
    old = {**upgrade(saved['config']), **flatten(saved['data'], 'data: ')}
    new = {**flatten(config), **flatten(data, 'data: ')}
    for name in sorted(set(old) | set(new)):
        if old.get(name) != new.get(name) and not name.startswith(RESUMABLE_FIELDS):
            raise UserError(
                f'{workdir} belongs to another experiment: {name} is {old.get(name)!r} '
                f'there and {new.get(name)!r} now; name another --workdir, or start '
                'afresh there with --overwrite'
            )
    # Where the data lies now is worth knowing; the versions stay those of the first start.
    write_json(path, {**saved, 'format': FORMAT, 'config': config, 'trials': list(trials)})


def read_config(workdir: Path) -> dict[str, Any]:
    """config.json of a workdir: config, data and versions.

    Raises: UserError where it is missing, damaged or not of pairjax.
    """
    remedy = 'put a copy back, or name another --workdir'
    content = read_json(workdir / 'config.json', remedy)
    for name in ('config', 'data', 'versions'):
        if not isinstance(content.get(name), dict):
            raise UserError(
                f'{workdir / "config.json"} was not written by pairjax (it has no {name}); name '
                'another workdir'
            )
    return content


def read_summary(workdir: Path) -> dict[str, Any]:
    """summary.json of a workdir.

    Raises: UserError where it is missing, damaged or contradicts itself.
    """
    path = workdir / 'summary.json'
    summary = read_json(path)
    check_summary(summary, path)
    return summary


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None; None where there is none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


class Metrics:
    """metrics.jsonl: one JSON object per trial, seed and epoch, appended as they happen."""

    def __init__(self, workdir: Path):
        self.path = workdir / 'metrics.jsonl'

    def read(self) -> list[dict[str, Any]]:
        """All complete lines; a last line that an interruption cut off is left out."""
        try:
            # What follows the last line break is the beginning of a line that was never finished.
            lines = self.path.read_bytes().split(b'\n')[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UserError(f'{self.path} cannot be read ({error.strerror})') from None
        return [self._parse(number, line) for number, line in enumerate(lines, 1)]

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            record = parse_json(line)
            if mismatch(record, LINE):
                raise ValueError
            return record
        except (ValueError, TypeError):
            raise UserError(
                f'{self.path}, line {number} is no record of a trial, seed and epoch; delete that '
                'line, and launch/main.py computes anew what it held, to the same numbers'
            ) from None

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Appends lines and waits until the disk has them."""
        with writing(self.path), self.path.open('a+b') as file:
            _drop_half_line(file)
            file.write(_lines(records).encode())
            file.flush()
            os.fsync(file.fileno())

    def keep(self, wanted: Callable[[Mapping[str, Any]], bool]) -> None:
        """Drops the lines that are not wanted, in one step."""
        self._replace([record for record in self.read() if wanted(record)])

    def arrange(self, place: Callable[[Mapping[str, Any]], Any]) -> None:
        """Sorts the lines by their place, in one step."""
        records = self.read()
        ordered = sorted(records, key=place)
        if ordered != records:
            self._replace(ordered)

    def _replace(self, records: Sequence[Mapping[str, Any]]) -> None:
        replace_text(self.path, _lines(records))


def _lines(records: Sequence[Mapping[str, Any]]) -> str:
    return ''.join(json.dumps(record, allow_nan=False) + '\n' for record in records)


def _drop_half_line(file: BinaryIO) -> None:
    """Cuts off what an interruption left of a line; reads the file only where there is one."""
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b'\n':
            file.seek(0)
            file.truncate(file.read().rfind(b'\n') + 1)
