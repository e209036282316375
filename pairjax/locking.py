"""One process at a time writes to a workdir. No jax in here."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pairjax.errors import UserError
from pairjax.records import writing

try:
    import fcntl
except ImportError:  # Windows has no such locks; there nobody is kept out.
    fcntl = None


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Keeps other processes from writing to a workdir, which is made where it is missing.

    The system drops the lock when its process ends, however it ends, so that what a dead process
    left is never in the way.

    Raises: UserError where another process holds it, with that one's host and process id.
    """
    path = workdir / 'lock'
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        file = path.open('a+')
    with file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f'{workdir} is in use by {_holder(path)}; wait until it has finished, or name '
                    'another --workdir'
                ) from None
        with writing(path):
            file.truncate(0)
            file.write(json.dumps({'host': platform.node(), 'process': os.getpid()}) + '\n')
            file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                file.truncate(0)


def _holder(path: Path) -> str:
    try:
        content = json.loads(path.read_text())
        return f'process {content["process"]} on {content["host"]}'
    except (OSError, ValueError, TypeError, KeyError):
        return 'another process'


class Holder(NamedTuple):
    """The process that holds a workdir's lock; `certain` where it could be asked from here."""

    host: str
    process: int
    certain: bool


def find_holder(workdir: Path) -> Holder | None:
    """Who writes to a workdir, or None where nobody does. Writes nothing and keeps nobody out.

    A process that died on another host without tidying up is not told from a living one.
    """
    path = workdir / 'lock'
    try:
        content = json.loads(path.read_text())
        holder = Holder(str(content['host']), int(content['process']), False)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if holder.host != platform.node() or fcntl is None:
        return holder
    return holder._replace(certain=True) if _lives(holder.process) and _is_held(path) else None


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # It is someone else's.
        return True
    return True


def _is_held(path: Path) -> bool:
    """Whether the file is locked; only asked of a living process, since asking locks a free one."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
