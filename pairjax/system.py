"""This machine: cache directories, memory, and files that are written atomically."""

import contextlib
import hashlib
import json
import math
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from pairjax.errors import UserError


def cache_directory() -> Path:
    """The directory of decoded data sets and compiled programs; it need not exist yet.

    `PAIRJAX_CACHE_DIR` if set, else `pairjax` in `XDG_CACHE_HOME`, else `~/.cache/pairjax`.
    """
    own = os.environ.get('PAIRJAX_CACHE_DIR')
    if own:
        return Path(os.path.expanduser(own))
    return Path(os.path.expanduser(os.environ.get('XDG_CACHE_HOME') or '~/.cache'), 'pairjax')


def compiled_programs_directory() -> Path:
    """The directory of compiled programs for this kind of processor.

    Machines share home directories, and a program compiled for one processor may crash on another
    that lacks some of its instructions. The files are machine code that JAX runs unchecked: only
    their owner may write to this directory.
    """
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        processor = next(line for line in lines if line.startswith(('flags', 'Features')))
    except (OSError, StopIteration):  # not Linux
        processor = platform.processor()
    kind = hashlib.sha256(f'{platform.machine()} {processor}'.encode()).hexdigest()[:12]
    return cache_directory() / f'compiled-{kind}'


def machine_bytes() -> float:
    """This machine's memory in bytes; infinity where the system does not say."""
    try:
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf.
        return math.inf


def gigabytes(num_bytes: float) -> str:
    """A number of bytes as text, such as 1.5 GB."""
    return f'{num_bytes / 1e9:.3g} GB'


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError into a UserError that names the path.

    Args:
      path: a file or directory in the workdir that is written in the block.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f'{path} cannot be written ({error.strerror or error}); choose another '
            '--workdir or free disk space there; files saved earlier are intact'
        ) from error


@contextlib.contextmanager
def replacing(path: Path, suffix: str = 'tmp') -> Iterator[BinaryIO]:
    """Writes a file atomically: a reader sees the old content or the new, never half.

    Args:
      path: the file to write.
      suffix: of the temporary file beside it; unique where several processes may write.

    Yields: the temporary file, open for writing, which replaces `path` at the end of the block
      and leaves no trace where the block or the disk fails.
    """
    temporary = path.with_name(f'{path.name}.{suffix}')
    try:
        with temporary.open('wb') as file:
            yield file
            file.flush()
            # Without fsync a power failure after the rename could leave an empty file.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        # A partial file must not fill the disk, and the first error is the one to report.
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def replace_text(path: Path, text: str) -> None:
    """Writes a text file atomically; raises UserError if it cannot be written."""
    with writing(path), replacing(path) as file:
        file.write(text.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a JSON file atomically, see `replace_text`; ValueError for NaN."""
    replace_text(path, json.dumps(content, indent=1, allow_nan=False) + '\n')
