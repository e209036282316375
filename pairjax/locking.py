"""One process at a time writes to a workdir. No jax in here."""

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

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
