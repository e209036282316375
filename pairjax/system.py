"""This machine: cache directories of decoded data sets and compiled programs, and its memory."""

import hashlib
import math
import os
import platform
from pathlib import Path


def cache_directory() -> Path:
    """The directory for what can be made again; it need not exist.

    `PAIRJAX_CACHE_DIR` if set, else `pairjax` in `XDG_CACHE_HOME`, else `~/.cache/pairjax`.
    """
    own = os.environ.get('PAIRJAX_CACHE_DIR')
    if own:
        return Path(os.path.expanduser(own))
    return Path(os.path.expanduser(os.environ.get('XDG_CACHE_HOME') or '~/.cache'), 'pairjax')


def compiled_programs_directory() -> Path:
    """The directory of compiled programs for this kind of processor.

    A program compiled for one processor may stop another that lacks one of its
    instructions, and home directories are shared between machines. Unlike digits and
    checkpoints, what lies here is machine code that jax runs as it finds it: let nobody
    else write to this directory.
    """
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        processor = next(line for line in lines if line.startswith(('flags', 'Features')))
    except (OSError, StopIteration):  # not Linux
        processor = platform.processor()
    kind = hashlib.sha256(f'{platform.machine()} {processor}'.encode()).hexdigest()[:12]
    return cache_directory() / f'compiled-{kind}'


def machine_bytes() -> float:
    """The bytes of this machine's memory; infinity where the system does not say."""
    try:
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf.
        return math.inf


def gigabytes(num_bytes: float) -> str:
    """Bytes in words, such as 1.5 GB."""
    return f'{num_bytes / 1e9:.3g} GB'
