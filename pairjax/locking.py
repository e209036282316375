"""One process at a time writes to a workdir. No jax in here."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pairjax.errors import UserError
from pairjax.records import writing

try:
    import fcntl
except ImportError:  # Windows has no such locks; there nobody is kept out.
    fcntl = None


class Holder(NamedTuple):
    """The process that a lock file names."""

    host: str
    process: int

    def __str__(self) -> str:
        return f'process {self.process} on {self.host}'


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[str]:
    """Keeps other processes from writing to a workdir, which is made where it is missing.

    The system drops the lock when its process ends, however it ends, so that what a dead process
    left is never in the way. Some shared file systems have no such locks, or keep them to
    one host; there a second process cannot be kept out, only spoken of.

    Yields: what to tell a person about that, mostly nothing.
    Raises: UserError where another process holds it, with that one's host and process id.
    """
    path = workdir / 'lock'
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        file = path.open('ab', buffering=0)
    with file:
        before = _holder(path)
        doubt = ''
        if not _lock(file, workdir, before):
            doubt = f'nothing can lock {workdir}: start one process at a time there'
        elif before and before.host != platform.node():
            doubt = f'{before} did not say that it left {workdir}: if it still runs, stop it'
        with writing(path):
            file.truncate(0)
            holder = {'host': platform.node(), 'process': os.getpid()}
            file.write(json.dumps(holder).encode() + b'\n')
        try:
            yield doubt
        finally:
            with contextlib.suppress(OSError):
                file.truncate(0)


def _lock(file: BinaryIO, workdir: Path, holder: Holder | None) -> bool:
    """Takes the lock, and returns whether there is such a thing here."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        raise UserError(
            f'{workdir} is in use by {holder or "another process"}; wait until it has finished, or '
            'name another --workdir'
        ) from None
    except OSError:
        return False


def _holder(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
