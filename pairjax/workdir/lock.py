"""One process at a time writes to a workdir."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pairjax.errors import UserError
from pairjax.system import writing

try:
    import fcntl
except ImportError:  # Windows has no such locks; there nobody is kept out.
    fcntl = None


class Holder(NamedTuple):
    """The process that a lock file names; `certain` where this host can check that it runs."""

    host: str
    process: int
    certain: bool = False

    def __str__(self) -> str:
        return f'process {self.process} on {self.host}'


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[str]:
    """Keeps other processes from writing to a workdir, which is made where it is missing.

    The system drops the lock when its process ends, however it ends, so that what a dead process
    left is never in the way. Some shared file systems have no such locks, or keep them to
    one host; there a second process cannot be kept out, only warned about.

    Yields: a warning about that for people, mostly empty.
    Raises: UserError where another process holds it, with that one's host and process id.
    """
    path = workdir / 'lock'
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        file = path.open('ab', buffering=0)
    with file:
        before, doubt = _holder(path), ''
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if before and before.host != platform.node():
                doubt = f'{before} did not say that it left {workdir}: if it still runs, stop it'
        except BlockingIOError:
            raise UserError(
                f'{workdir} is in use by {before or "another process"}; wait until it has '
                'finished, or name another --workdir'
            ) from None
        except (OSError, AttributeError):  # The file system or Windows has no locks.
            doubt = f'nothing can lock {workdir}: start one process at a time there'
        with writing(path):
            file.truncate(0)
            holder = {'host': platform.node(), 'process': os.getpid()}
            file.write(json.dumps(holder).encode() + b'\n')
        try:
            yield doubt
        finally:
            with contextlib.suppress(OSError):
                file.truncate(0)


def find_holder(workdir: Path) -> Holder | None:
    """Who writes to a workdir, or None where nobody does. Writes nothing and keeps nobody out.

    A process that died on another host without tidying up is not told from a living one.
    """
    path = workdir / 'lock'
    holder = _holder(path)
    if holder is None or holder.host != platform.node() or fcntl is None:
        return holder
    try:
        with contextlib.suppress(PermissionError):  # It lives and is someone else's.
            os.kill(holder.process, 0)
        # Only of a living process, since to ask is to lock a free file for a moment.
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except ProcessLookupError:
        return None
    except BlockingIOError:
        return holder._replace(certain=True)
    return None


def _holder(path: Path) -> Holder | None:
    try:
        content = json.loads(path.read_text())
        return Holder(str(content['host']), int(content['process']))
    except (OSError, ValueError, TypeError, KeyError):
        return None
