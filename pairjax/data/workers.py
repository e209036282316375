"""Worker processes that end with this one and print nothing on Ctrl-C."""

import contextlib
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

# For a worker that is in the middle of something when its work is no longer needed.
_SECONDS_TO_FINISH = 1.0


@contextlib.contextmanager
def mapped_in_workers(
    function: Callable[[Any], Any], items: Sequence[Any], count: int
) -> Iterator[Iterator[Any]]:
    """Applies a function to items in worker processes that end with this one, also if it is killed.

    Leaving the block cancels what has not begun, and gives up the rest after a second.

    Args:
      function: one that pickle can name; its module is all that a worker imports.
      items: its arguments.
      count: the number of processes.

    Yields: an iterator over the results, in order.
    Raises: OSError where the system starts no more processes; the iterator raises
      BrokenProcessPool where one dies.
    """
    context = get_context('spawn')  # A fork of a process in which jax runs threads may hang.
    # The workers' end reports the end of file as soon as this process closes its end or dies.
    in_workers, here = context.Pipe(duplex=False)
    with contextlib.ExitStack() as stack:
        stack.callback(in_workers.close)
        with _worker_environment(), _without_main():
            pool = ProcessPoolExecutor(count, context, _initialize_worker, (in_workers,))
            stack.callback(pool.shutdown, cancel_futures=True)
            stack.callback(here.close)
            # A terminal sends Ctrl-C to the workers, too, but only this process answers it.
            with _sigint_blocked():
                results = pool.map(function, items)
        yield results


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
    time.sleep(_SECONDS_TO_FINISH)
    os._exit(1)
