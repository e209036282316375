"""What several processes tell each other, so that they act as one: values, decisions, failures.

Every function here is called by all processes in the same order, from the main thread. A process
alone talks to nobody.
"""

import contextlib
import functools
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pairjax.errors import UserError

# Messages of any length travel in pieces of few sizes, since each size is a program of its own.
SMALLEST_PIECE, LARGEST_PIECE = 2**12, 2**26


class Failure(NamedTuple):
    """What the other processes are told of an exception."""

    is_user_error: bool
    sentence: str
    trace: str


def is_primary() -> bool:
    """Whether this is the process that keeps the records."""
    return jax.process_index() == 0


def all_gather_objects(action: Callable[[], Any]) -> list[Any]:
    """Every process calls action() and gets what it returned in each of them, by process.

    The values have to be picklable. What is raised in one process is raised in all of them, a
    UserError as a UserError, so that none waits for another that has given up.
    """
    if jax.process_count() == 1:
        return [action()]
    value = error = failure = None
    try:
        value = action()
    except Exception as raised:
        error = raised
        failure = Failure(
            isinstance(error, UserError), _sentence(error), ''.join(traceback.format_exc())
        )
    outcomes = _exchange((value, failure))
    for process, (_, failure) in enumerate(outcomes):
        if failure is not None:
            raise error if process == jax.process_index() else _retold(process, failure)
    return [value for value, _ in outcomes]


def raise_on_all(action: Callable[[], Any]) -> Any:
    """What action() returns in this process; raises in all processes where it does in one."""
    own = []
    all_gather_objects(lambda: own.append(action()))
    return own[0]


def on_primary(action: Callable[[], Any]) -> Any:
    """Calls action() in the first process alone; all get what it returned or raised there."""
    return all_gather_objects(action if is_primary() else lambda: None)[0]


def any_process(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    return any(all_gather_objects(lambda: flag))


@contextlib.contextmanager
def context_on_primary(make: Callable[[], Any]) -> Iterator[Any]:
    """Enters the context manager make() in the first process, and gives it to that one alone."""
    entered = [None]
    with contextlib.ExitStack() as stack:
        on_primary(lambda: entered.append(stack.enter_context(make())))
        yield entered[-1]
        on_primary(stack.close)


def assert_equal_across_processes(fields: Mapping[str, Any]) -> None:
    """Raises UserError in all processes where a field is not the same in all of them."""
    first, *others = all_gather_objects(lambda: dict(fields))
    for process, other in enumerate(others, 1):
        for name in sorted(first.keys() | other.keys()):
            if first.get(name) != other.get(name):
                raise UserError(
                    f'{name} is {first.get(name)!r} in process 0 and {other.get(name)!r} in '
                    f'process {process}; start all processes with the same config and digits'
                )


def _sentence(error: Exception) -> str:
    text = str(error).strip()
    return text if isinstance(error, UserError) else f'{type(error).__name__}: {text}'


def _retold(process: int, failure: Failure) -> Exception:
    """The exception of another process, as far as it can be told."""
    if failure.is_user_error:
        return UserError(failure.sentence)
    error = RuntimeError(f'in process {process}: {failure.sentence}')
    error.add_note(failure.trace)
    return error


def _exchange(message: Any) -> list[Any]:
    """The messages of all processes, by process."""
    mine = np.frombuffer(pickle.dumps(message), np.uint8)
    lengths = np.zeros(jax.process_count(), np.int64)
    lengths[jax.process_index()] = len(mine)
    lengths = _sum_over_processes(lengths.view(np.uint8)).view(np.int64)
    ends = lengths.cumsum()
    # Each writes where the others leave zeros, so that the sum is every message, one after another.
    whole = np.zeros(ends[-1], np.uint8)
    end = ends[jax.process_index()]
    whole[end - len(mine) : end] = mine
    for start in range(0, len(whole), LARGEST_PIECE):
        piece = whole[start : start + LARGEST_PIECE]
        piece[:] = _sum_over_processes(piece)
    return [pickle.loads(text) for text in np.split(whole, ends[:-1])]


def _sum_over_processes(values: np.ndarray) -> np.ndarray:
    """The sum over all processes of bytes (n,), n the same everywhere."""
    sharding, add = _adding()
    size = max(SMALLEST_PIECE, 2 ** (len(values) - 1).bit_length())
    own = np.zeros((1, size), np.uint8)
    own[0, : len(values)] = values
    shape = (jax.process_count(), size)
    try:
        total = add(jax.make_array_from_callback(shape, sharding, lambda _: own))
        return np.asarray(total.addressable_data(0))[: len(values)].copy()
    except jax.errors.JaxRuntimeError as error:
        raise UserError(
            f'another process has ended or cannot be reached ({str(error).splitlines()[0]}); start '
            'all processes again, and the same command goes on from what was saved'
        ) from error


@functools.cache
def _adding() -> tuple[NamedSharding, Callable]:
    """Rows (processes, n), one on the first device of each process, and what adds them up."""
    by_process = {device.process_index: device for device in reversed(jax.devices())}
    devices = [by_process[process] for process in sorted(by_process)]
    mesh = Mesh(np.array(devices), ('processes',))
    add = jax.jit(
        lambda rows: rows.sum(axis=0, dtype=rows.dtype),
        out_shardings=NamedSharding(mesh, PartitionSpec()),
    )
    return NamedSharding(mesh, PartitionSpec('processes')), add
