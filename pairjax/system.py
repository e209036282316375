"""This machine: its cache directories and its memory."""

import hashlib
import math
import os
import platform
from pathlib import Path


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
