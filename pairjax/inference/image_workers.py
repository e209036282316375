"""Reads images in worker processes."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection

from pairjax.errors import UserError
from pairjax.inference.image_preprocessing import PreparedImage

# Chunks per call: to hand over single small images takes longer than to read them, and large ones
# must not all wait for one worker.
NUM_CHUNKS = 16
# For a worker that is in the middle of a chunk when its work is no longer needed.
SECONDS_TO_FINISH = 1.0


def read_or_explain(read: Callable[[str], PreparedImage], path: str) -> PreparedImage | str:
    """The image, or one sentence why `read` raises for it; the other images are read all the same.

    What is no UserError is a bug in pairjax, or the memory is full.
    """
    try:
        return read(path)
    except UserError as error:
        return str(error)
    except Exception as error:
        text = ' '.join(str(error).split())
        return f'{path} cannot be prepared ({type(error).__name__}: {text}); please report this'


@contextlib.contextmanager
def image_workers(
    read: Callable[[str], PreparedImage], count: int
) -> Iterator[Callable[[Sequence[str]], Iterator[PreparedImage | str]]]:
    """Worker processes that read images; they start at once.

    Unlike those of a plain ProcessPoolExecutor they end with this process, also when it is killed,
    and print no traceback on Ctrl-C. Leaving the block cancels what is not being read yet, and
    gives up the rest after a second.

    Args:
      read: a function that pickle can name, or a partial of one.
      count: number of processes.

    Yields: a function that starts to read images with these paths and returns an iterator over
      what `read_or_explain` returns for each, in their order.
    Raises: UserError where the system starts no more processes, and where a worker dies.
    """
    context = get_context('spawn')  # A fork of a process in which jax runs threads may hang.
    # The workers' end reports the end of file as soon as this process closes its end or dies.
    in_workers, here = context.Pipe(duplex=False)
    with contextlib.ExitStack() as stack:
        try:
            with _worker_environment():
                pool = ProcessPoolExecutor(count, context, _initialize_worker, (in_workers,))
                stack.callback(pool.shutdown, cancel_futures=True)
                stack.callback(here.close)
                # A terminal sends Ctrl-C to the workers, too, but only this process answers it. Not
                # earlier: the resource tracker, which starts with the pool, would unblock it.
                with _sigint_blocked():
                    for _ in range(count):
                        pool.submit(os.getpid)
        except OSError as error:
            raise UserError(
                f'no process can be started to read images ({error.strerror}); end other programs '
                'first'
            ) from None
        try:
            yield lambda paths: pool.map(
                partial(read_or_explain, read),
                paths,
                chunksize=max(1, -(-len(paths) // NUM_CHUNKS)),
            )
        except BrokenProcessPool:
            raise UserError(
                'a process that was reading images died, perhaps because the memory is full; leave '
                'out the largest images'
            ) from None


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
    os.dup2(2, 1)  # Standard output is for predictions: libraries print to standard error.
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: Connection) -> None:
    parent.poll(None)  # Nothing is ever sent: only the end of file returns.
    # Not at once: half a result would block the parent's end of the pipe for results.
    time.sleep(SECONDS_TO_FINISH)
    os._exit(1)
