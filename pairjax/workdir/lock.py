"""One process at a time writes to a workdir."""

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pairjax.errors import UserError
from pairjax.system import writing

try:
    import fcntl
except ImportError:  # Windows has no such locks; `locked` only warns there.
    fcntl = None


class Holder(NamedTuple):
    """The process named in a lock file; `certain` if it is known to hold the lock now."""

    host: str
    process: int
    certain: bool = False

    def __str__(self) -> str:
        return f'process {self.process} on {self.host}'


@contextlib.contextmanager
def locked(workdir: Path, wait_s: float = 0) -> Iterator[str]:
    """Locks a workdir, created if missing, so that no other process writes to it.

    The operating system releases the lock when the process ends, even if it is killed, so a stale
    lock file never blocks. Some shared file systems have no locks, or only within one host; there
    a second process cannot be stopped, only warned.

    Args:
      workdir: may be missing.
      wait_s: for so many seconds another process may still hold the lock.

    Yields: a warning for the user if the lock may not hold, else an empty string.
    Raises: UserError where another process holds the lock, with its host and process id.
    """
    path = workdir / 'lock'
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        file = path.open('ab', buffering=0)
    with file:
        before, warning = _read_holder(path), ''
        try:
            _lock(file, wait_s)
            if before and before.host != platform.node():
                warning = f'{before} may still write to {workdir}: if it still runs, stop it'
        except BlockingIOError:
            raise UserError(
                f'{workdir} is in use by {before or "another process"}; wait until it has '
                'finished, or name another --workdir'
            ) from None
        except (OSError, AttributeError):  # The file system or Windows has no locks.
            warning = f'{workdir} cannot be locked: start one process at a time there'
        with writing(path):
            file.truncate(0)
            holder = {'host': platform.node(), 'process': os.getpid()}
            file.write(json.dumps(holder).encode() + b'\n')
        try:
            yield warning
        finally:
            with contextlib.suppress(OSError):
                file.truncate(0)


def _lock(file: BinaryIO, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.1)


def find_holder(workdir: Path) -> Holder | None:
    """The process that writes to a workdir, or None. Writes nothing and blocks no other process.

    A process of another host that was killed cannot be distinguished from a running one.
    """
    path = workdir / 'lock'
    holder = _read_holder(path)
    if holder is None or holder.host != platform.node() or fcntl is None:
        return holder
    try:
        with contextlib.suppress(PermissionError):  # It runs, as another user.
            os.kill(holder.process, 0)
        # Only if the process runs, since testing a free lock takes it for a moment.
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except ProcessLookupError:
        return None
    except BlockingIOError:
        return holder._replace(certain=True)
    return None


def _read_holder(path: Path) -> Holder | None:
    try:
        content = json.loads(path.read_text())
        return Holder(str(content['host']), int(content['process']))
    except (OSError, ValueError, TypeError, KeyError):
        return None
