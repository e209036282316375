"""This machine: cache directories, cores, memory, and files that are written atomically."""

import contextlib
import hashlib
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from pairjax.errors import UserError

# What shows how far a loop is, from outside: `progress.tracker`. Takes its items and their name.
Track = Callable[[Sequence[Any], str], Iterable[Any]]
# What to do about a file that cannot be written: one in the workdir, and any other.
CHOOSE_WORKDIR = 'choose another --workdir or free disk space there; files saved earlier are intact'
NAME_WRITABLE_FILE = 'name a file in a folder in which you may write'


def untracked(items: Sequence[Any], name: str) -> Iterable[Any]:
    """The `Track` that shows nothing."""
    return items


def cache_directory() -> Path:
    """The directory of decoded data sets and compiled programs; it need not exist yet.

    `PAIRJAX_CACHE_DIR` if set, else `pairjax` in `XDG_CACHE_HOME`, else `~/.cache/pairjax`.
    """
    own = os.environ.get('PAIRJAX_CACHE_DIR')
    if own:
        return Path(os.path.expanduser(own))
    return Path(os.path.expanduser(os.environ.get('XDG_CACHE_HOME') or '~/.cache'), 'pairjax')


def compiled_programs_directory(root: Path = Path('/')) -> Path:
    """The directory of compiled programs for this kind of processor.

    Machines share home directories, and a program compiled for one processor may crash on another
    that lacks some of its instructions. The files are machine code that JAX runs unchecked: only
    their owner may write to this directory.

    Args:
      root: of the file system with proc/.
    """
    try:
        lines = (root / 'proc/cpuinfo').read_text().splitlines()
        processor = next(line for line in lines if line.startswith(('flags', 'Features')))
    except (OSError, StopIteration):  # not Linux
        processor = platform.processor()
    kind = hashlib.sha256(f'{platform.machine()} {processor}'.encode()).hexdigest()[:12]
    return cache_directory() / f'compiled-{kind}'


def num_cores(root: Path = Path('/')) -> int:
    """How many cores this process may keep busy, at least 1.

    The smallest of: the cores of its affinity mask; its CPU quota, rounded up, and that of every
    control group around it (Linux, cgroup v1 and v2); on macOS the performance cores, since the
    others take several times as long and all would wait for them.

    Args:
      root: of the file system with proc/ and sys/.
    """
    if sys.platform == 'darwin':
        return _performance_cores() or os.cpu_count() or 1
    cores = os.cpu_count() or 1
    if hasattr(os, 'sched_getaffinity'):
        cores = len(os.sched_getaffinity(0))
    quotas = _control_group_files(root, 'cpu', 'cpu.max', 'cpu.cfs_quota_us')
    return max(1, math.ceil(min([cores, *map(_quota, quotas)])))


def machine_bytes(root: Path = Path('/')) -> float:
    """The memory that this process may use in bytes; infinity where the system does not say.

    The machine's, or the limit of a control group around this process (Linux, cgroup v1 and v2),
    such as that of a container or of a job, where that is smaller.

    Args:
      root: of the file system with proc/ and sys/.
    """
    try:
        whole: float = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf.
        whole = math.inf
    paths = _control_group_files(root, 'memory', 'memory.max', 'memory.limit_in_bytes')
    return min([whole, *(_number(path.read_text()) for path in paths)])


def _control_group_files(root: Path, controller: str, v2: str, v1: str) -> list[Path]:
    """The files that limit this process: of its control group and of all around it.

    Args:
      root: of the file system with proc/ and sys/.
      controller: such as memory.
      v2, v1: what the file is called in the two versions of control groups.
    """
    try:
        lines = (root / 'proc/self/cgroup').read_text().splitlines()
    except OSError:  # not Linux
        return []
    found = []
    for line in lines:
        _, controllers, group = line.split(':', 2)
        if controllers and controller not in controllers.split(','):
            continue
        # Version 2 has one tree, version 1 one for each controller or for several together.
        tops = [root / 'sys/fs/cgroup' / name for name in (controller, controllers)]
        top = next(filter(Path.is_dir, tops), tops[-1]) if controllers else tops[-1]
        # A container may see its own group as the top, under the path that the host knows.
        inner = top / group.strip('/')
        places = [inner, *inner.parents][: 1 + len(inner.relative_to(top).parts)]
        found += [place / (v1 if controllers else v2) for place in places]
    return [path for path in found if os.access(path, os.R_OK)]


def _quota(path: Path) -> float:
    """Cores by cpu.max ("200000 100000", microseconds per period) or cpu.cfs_quota_us beside it."""
    words = path.read_text().split()
    if path.name == 'cpu.cfs_quota_us':
        words.append(path.with_name('cpu.cfs_period_us').read_text())
    quota, period = map(_number, words if len(words) == 2 else ('max', 'max'))
    # No limit is "max" in version 2 and -1 in version 1.
    return quota / period if 0 < quota < math.inf else math.inf


def _number(text: str) -> float:
    """A number of such a file, infinity for "max" and where it is none."""
    return float(text) if text.strip().lstrip('-').isdecimal() else math.inf


def _performance_cores() -> int | None:
    """The performance cores of a Mac, None where all cores are alike."""
    command = ['sysctl', '-n', 'hw.perflevel0.logicalcpu']
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return int(result.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def gigabytes(num_bytes: float) -> str:
    """A number of bytes as text, such as 1.5 GB."""
    return f'{num_bytes / 1e9:.3g} GB'


@contextlib.contextmanager
def writing(path: Path | str, remedy: str = CHOOSE_WORKDIR) -> Iterator[None]:
    """Turns an OSError into a UserError that names the path.

    Args:
      path: the file or directory that is written in the block, or the flag that names it.
      remedy: what would be right.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f'{path} cannot be written ({error.strerror or error}); {remedy}'
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
