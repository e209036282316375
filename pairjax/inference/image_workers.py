"""Reads images in worker processes."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from pairjax.data.workers import worker_pool
from pairjax.errors import UserError
from pairjax.inference.image_preprocessing import PreparedImage

# Chunks per call: to hand over single small images takes longer than to read them, and large ones
# must not all wait for one worker.
NUM_CHUNKS = 16


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
    """Worker processes that read images; see `worker_pool`.

    Args:
      read: a function that pickle can name, or a partial of one.
      count: number of processes.

    Yields: a function that starts to read images with these paths and returns an iterator over
      what `read_or_explain` returns for each, in their order.
    Raises: UserError where the system starts no more processes, and where a worker dies.
    """
    with contextlib.ExitStack() as stack:
        try:
            pool = stack.enter_context(worker_pool(count))
        except OSError as error:
            raise UserError(
                f'no process can be started to read images ({error.strerror}); end other programs '
                'first'
            ) from None
        yield lambda paths: pool.map(
            partial(read_or_explain, read), paths, chunksize=max(1, -(-len(paths) // NUM_CHUNKS))
        )
