"""Collectives over the processes of an experiment: objects, decisions, exceptions.

All processes call every function here in the same order, from the main thread. In a single
process none of them communicates.
"""

import contextlib
import functools
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pairjax.errors import UserError

# Bytes per collective, a power of two in this range: each size compiles a program of its own.
SMALLEST_PIECE, LARGEST_PIECE = 2**12, 2**26


def is_primary() -> bool:
    """Whether this is process 0, which alone reads and writes the workdir."""
    return jax.process_index() == 0


def all_gather_objects(action: Callable[[], Any]) -> list[Any]:
    """Runs `action` on every process and returns all results, by process index, on each of them.

    Args:
      action: returns a picklable object.

    Raises: on all processes where `action` raises on one: a UserError as such, anything else as a
      RuntimeError on the others. No process waits for one that has given up.
    """
    if jax.process_count() == 1:
        return [action()]
    value = error = retold = None
    try:
        value = action()
    except Exception as raised:
        error, retold = raised, _retold(raised)
    outcomes = _exchange((value, retold))
    for process, (_, failure) in enumerate(outcomes):
        if failure is not None:
            raise error if process == jax.process_index() else failure
    return [value for value, _ in outcomes]


def raise_on_all(action: Callable[[], Any]) -> Any:
    """Runs `action` on every process. If it raises on any, raises on all; else its local result."""
    own = []
    all_gather_objects(lambda: own.append(action()))
    return own[0]


def on_primary(action: Callable[[], Any]) -> Any:
    """Runs `action` on process 0 alone; all processes return its result or raise its exception."""
    return all_gather_objects(action if is_primary() else lambda: None)[0]


def any_process(flag: bool) -> bool:
    """Whether the flag is set on any process."""
    return any(all_gather_objects(lambda: flag))


@contextlib.contextmanager
def context_on_primary(make: Callable[[], Any]) -> Iterator[Any]:
    """Enters the context manager `make()` on process 0; yields its value there, None elsewhere."""
    entered = [None]
    with contextlib.ExitStack() as stack:
        on_primary(lambda: entered.append(stack.enter_context(make())))
        yield entered[-1]
        on_primary(stack.close)


def assert_equal_across_processes(fields: Mapping[str, Any]) -> None:
    """Raises UserError on all processes, naming the field, where their fields differ."""
    first, *others = all_gather_objects(lambda: dict(fields))
    for process, other in enumerate(others, 1):
        for name in sorted(first.keys() | other.keys()):
            if first.get(name) != other.get(name):
                raise UserError(
                    f'{name} is {first.get(name)!r} in process 0 and {other.get(name)!r} in '
                    f'process {process}; start all processes with the same config and digits'
                )


def _retold(error: Exception) -> Exception:
    """This process's exception as the other processes raise it; unlike any other it can pickle."""
    text = str(error).strip()
    if isinstance(error, UserError):
        return UserError(text)
    retold = RuntimeError(f'in process {jax.process_index()}: {type(error).__name__}: {text}')
    retold.add_note(traceback.format_exc())
    return retold


def _exchange(message: Any) -> list[Any]:
    """All-gathers picklable messages of any length, by process index."""
    mine = np.frombuffer(pickle.dumps(message), np.uint8)
    lengths = np.zeros(jax.process_count(), np.int64)
    lengths[jax.process_index()] = len(mine)
    lengths = _sum_over_processes(lengths.view(np.uint8)).view(np.int64)
    ends = lengths.cumsum()
    # Each process fills its own slice and leaves zeros elsewhere, so that a sum concatenates.
    whole = np.zeros(ends[-1], np.uint8)
    end = ends[jax.process_index()]
    whole[end - len(mine) : end] = mine
    for start in range(0, len(whole), LARGEST_PIECE):
        piece = whole[start : start + LARGEST_PIECE]
        piece[:] = _sum_over_processes(piece)
    return [pickle.loads(text) for text in np.split(whole, ends[:-1])]


def _sum_over_processes(values: np.ndarray) -> np.ndarray:
    """The sum over all processes of uint8 arrays (n,), with the same n on each."""
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
            'all processes again with the same command to resume from the checkpoints'
        ) from error


@functools.cache
def _adding() -> tuple[NamedSharding, Callable]:
    """The sharding of rows (processes, n), one per process, and a jitted sum over them."""
    by_process = {device.process_index: device for device in reversed(jax.devices())}
    devices = [by_process[process] for process in sorted(by_process)]
    mesh = Mesh(np.array(devices), ('processes',))
    add = jax.jit(
        lambda rows: rows.sum(axis=0, dtype=rows.dtype),
        out_shardings=NamedSharding(mesh, PartitionSpec()),
    )
    return NamedSharding(mesh, PartitionSpec('processes')), add
