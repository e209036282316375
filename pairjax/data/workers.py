"""Worker processes that read images: they end with this process and print nothing on Ctrl-C."""

import contextlib
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.connection import Connection

from pairjax.errors import UserError

# For a worker that is in the middle of something when its work is no longer needed.
SECONDS_TO_FINISH = 1.0


@contextlib.contextmanager
def worker_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Worker processes; they start at once.

    Unlike those of a plain ProcessPoolExecutor they end with this process, also when it is killed,
    print no traceback on Ctrl-C, and do not run the user's script once more: of a function that
    they call they import the module alone. Leaving the block cancels what has not begun, and gives
    up the rest after a second.

    Args:
      count: number of processes.

    Raises: OSError where the system starts no more processes, UserError where one dies.
    """
    context = get_context('spawn')  # A fork of a process in which jax runs threads may hang.
    # The workers' end reports the end of file as soon as this process closes its end or dies.
    in_workers, here = context.Pipe(duplex=False)
    with contextlib.ExitStack() as stack:
        stack.callback(in_workers.close)
        with _worker_environment(), _without_main():
            pool = ProcessPoolExecutor(count, context, _initialize_worker, (in_workers,))
            stack.callback(pool.shutdown, cancel_futures=True)
            # Before the shutdown, which waits for workers until they see it.
            stack.callback(here.close)
            # A terminal sends Ctrl-C to the workers, too, but only this process answers it. Not
            # earlier: the resource tracker, which starts with the pool, would unblock it.
            with _sigint_blocked():
                for _ in range(count):
                    pool.submit(os.getpid)
        try:
            yield pool
        except BrokenProcessPool:
            raise UserError(
                'a process that was reading images died, perhaps because the memory is full; leave '
                'out the largest images'
            ) from None


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Processes that start in this block do not run the user's script once more."""
    main = sys.modules['__main__']
    sys.modules['__main__'] = types.ModuleType('__main__')
    try:
        yield
    finally:
        sys.modules['__main__'] = main


@contextlib.contextmanager
def _worker_environment() -> Iterator[None]:
    """Environment of the processes that start in this block."""
    before = dict(os.environ)
    # One worker per core: its NumPy must not wait for the cores of the others.
    os.environ['OPENBLAS_NUM_THREADS'] = '1'
    # multiprocessing cleans up after a parent that was killed, and would warn of what it cleans.
    ignored = filter(None, (before.get('PYTHONWARNINGS'), 'ignore:resource_tracker'))
    os.environ['PYTHONWARNINGS'] = ','.join(ignored)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Processes that start in this block never get SIGINT."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _initialize_worker(parent: Connection) -> None:
    os.dup2(2, 1)  # Standard output is the parent's: libraries print to standard error.
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: Connection) -> None:
    parent.poll(None)  # Nothing is ever sent: only the end of file returns.
    # Not at once: half a result would block the parent's end of the pipe for results.
    time.sleep(SECONDS_TO_FINISH)
    os._exit(1)
