"""Reads many pictures, each once, in processes of their own. No jax in here."""

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from PIL import Image

from pairjax.errors import UserError
from pairjax.inference.image_preprocessing import Picture

# Of what is requested at once: to hand over single small pictures takes longer than to read them,
# and large ones must not all wait for one process.
NUM_PARTS = 16
# 800 bytes each.
KEPT_PICTURES = 50_000


class Requested:
    """A picture that was asked for."""

    def __init__(self, answers: Future, place: int):
        """Takes the future of several answers, and which of them it is."""
        self._answers, self._place, self._result = answers, place, None

    def result(self) -> Picture | str:
        """Waits for the picture, or the sentence that says why there is none."""
        if self._answers is not None:
            self._result = self._answers.result()[self._place]
            # Else what was read along with it would be kept as long as this one.
            self._answers = None
        return self._result


class PictureReader:
    """Has each picture read once, and keeps the last ones that were asked for."""

    def __init__(self, submit: Callable[[list[str]], Future], kept: int = KEPT_PICTURES):
        """Takes what has paths read, a future of `read_all`, and how many pictures are kept."""
        self._submit, self._kept = submit, kept
        self._pictures: OrderedDict[str, Requested] = OrderedDict()

    def request(self, paths: Sequence[str]) -> list[Requested]:
        """The pictures with these paths, in their order; those that are new begin to be read."""
        new = [path for path in dict.fromkeys(paths) if path not in self._pictures]
        size = max(1, -(-len(new) // NUM_PARTS))
        for start in range(0, len(new), size):
            some = new[start : start + size]
            answers = self._submit(some)
            self._pictures |= {path: Requested(answers, n) for n, path in enumerate(some)}
        for path in paths:
            self._pictures.move_to_end(path)
        requested = [self._pictures[path] for path in paths]
        for _ in range(len(self._pictures) - self._kept):
            self._pictures.popitem(last=False)
        return requested


def read_all(read: Callable[[str], Picture], paths: Sequence[str]) -> list[Picture | str]:
    """Each picture, or the sentence that says why there is none."""
    answers = []
    for path in paths:
        try:
            answers.append(read(path))
        except UserError as error:
            answers.append(str(error))
    return answers


@contextlib.contextmanager
def reading_processes(
    read: Callable[[str], Picture], count: int
) -> Iterator[Callable[[Sequence[str]], Future]]:
    """Processes that read pictures, since of Python's threads only one runs at a time.

    They wait for their standard input, and so end with this process, however it ends; a Ctrl-C
    does not reach them. What is being read when the block is left is given up. Those of
    concurrent.futures' ProcessPoolExecutor go on when this process is killed.

    Args:
      read: a function that pickle can name, or a partial of one.
      count: how many.

    Yields: what has paths read, the future of `read_all`; UserError where the process that reads
      them dies.
    Raises: UserError where the system starts no more processes.
    """
    with contextlib.ExitStack() as stack:
        processes = []
        idle: queue.SimpleQueue[subprocess.Popen] = queue.SimpleQueue()
        for _ in range(count):
            processes.append(_start())
            stack.callback(_end, processes[-1])
            idle.put(processes[-1])
        threads = ThreadPoolExecutor(count)
        stack.callback(threads.shutdown, cancel_futures=True)
        # First of all, so that no thread waits for an answer.
        stack.callback(lambda: [process.kill() for process in processes])
        yield partial(threads.submit, _ask, idle, read)


def _ask(
    idle: 'queue.SimpleQueue[subprocess.Popen]',
    read: Callable[[str], Picture],
    paths: Sequence[str],
) -> list[Picture | str]:
    process = idle.get()
    try:
        pickle.dump((read, paths), process.stdin)
        process.stdin.flush()
        answers = pickle.load(process.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        more = f' to {paths[-1]}, {len(paths)} pictures,' if len(paths) > 1 else ''
        raise UserError(
            f'what was reading {paths[0]}{more} ended before it answered, perhaps for want of '
            'memory; leave out the largest pictures'
        ) from None
    finally:
        idle.put(process)
    return answers


def _start() -> subprocess.Popen:
    command = [sys.executable, '-P', '-c', f'from {__name__} import serve; serve()']
    environment = os.environ | {
        'PYTHONPATH': os.pathsep.join(map(os.path.abspath, sys.path)),
        # One process a core: what NumPy multiplies must not wait for the others' cores.
        'OPENBLAS_NUM_THREADS': '1',
    }
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, env=environment, start_new_session=True
        )
    except OSError as error:
        raise UserError(
            f'no process can be started to read pictures ({error.strerror}); end others first'
        ) from None


def _end(process: subprocess.Popen) -> None:
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.stdout.close()
    process.wait()


def serve() -> None:
    """What such a process does: requests come in, answers go out, until there is no more input."""
    # A picture that may fill the memory is refused, not only warned of.
    warnings.simplefilter('ignore', Image.DecompressionBombWarning)
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), 'wb')
    os.dup2(2, 1)  # What a library prints must not get among the answers.
    try:
        while True:
            read, paths = pickle.load(source)
            pickle.dump(read_all(read, paths), sink)
            sink.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)  # Else Python would try again to write what nobody is there to read.
