"""This machine: cache directories, memory, and files that are written atomically."""

import contextlib
import hashlib
import json
import math
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
