"""Collectives over the processes of an experiment: plain data, decisions, exceptions.

All processes call every function here in the same order. Each call has a tag, the same on all
processes and unlike that of any other call in the code. Where tags differ, a process has left the
common path: all of them raise `ProcessesApart`, and none takes one message for another. In a single
process no function here communicates.
"""

import contextlib
import functools
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from pairjax.errors import UserError, describe_error, shown
from pairjax.runtime.messages import decode, encode

# Bytes per collective, a power of two in this range: each size compiles a program of its own.
SMALLEST_PIECE, LARGEST_PIECE = 2**12, 2**26
# Bytes of each process in the first collective of an exchange: the length of its message, and as
# much of the message as has room; most need no second one.
SLOT = 2**10
AGAIN = 'start all processes again with the same command to resume from the checkpoints'


class ProcessesApart(UserError):
    """The processes are no longer at the same place, and no exchange can follow.

    Attributes:
      unreachable: whether one has ended, so that waiting for all to end would take minutes.
    """

    def __init__(self, text: str, unreachable: bool = False):
        super().__init__(text)
        self.unreachable = unreachable


class _Here:
    """Where this process is: the number of exchanges so far, and what it belongs to."""

    number = 0
    identity = ''
    raised_on_all: Exception | None = None


def set_identity(identity: str) -> None:
    """States what all processes of this experiment and no others have in common, such as a job."""
    _Here.identity = identity


def is_raised_on_all(error: Exception) -> bool:
    """Whether an exception that was just caught has been raised on all processes."""
    return jax.process_count() == 1 or error is _Here.raised_on_all


def is_primary() -> bool:
    """Whether this is process 0, which alone reads and writes the workdir."""
    return jax.process_index() == 0


def all_gather_objects(tag: str, action: Callable[[], Any]) -> list[Any]:
    """Runs `action` on every process and returns all results, by process index, on each of them.

    Args:
      tag: names this call; of no other call in the code.
      action: returns plain data, see `messages.encode`.

    Raises: on all processes where `action` raises on one: a UserError as such, anything else as a
      RuntimeError on the others. No process waits for one that has given up. ProcessesApart where
      another process is at another tag.
    """
    if jax.process_count() == 1:
        return [action()]
    return _gather(tag, action, lambda value: value)


def raise_on_all(tag: str, action: Callable[[], Any]) -> Any:
    """Runs `action` on every process. If it raises on any, raises on all; else its local result.

    `action` may hold exchanges of its own: a process that fails between two of them says so to the
    others, wherever these are.
    """
    if jax.process_count() == 1:
        return action()
    own = []

    def kept():
        own.append(action())

    _gather(tag, kept, lambda value: None)
    return own[0]


def on_primary(tag: str, action: Callable[[], Any]) -> Any:
    """Runs `action` on process 0 alone; all processes return its result or raise its exception."""
    return all_gather_objects(tag, action if is_primary() else lambda: None)[0]


def any_process(tag: str, flag: bool) -> bool:
    """Whether the flag is set on any process."""
    return any(all_gather_objects(tag, lambda: bool(flag)))


@contextlib.contextmanager
def context_on_primary(tag: str, make: Callable[[], Any]) -> Iterator[Any]:
    """Enters the context manager `make()` on process 0; yields its value there, None elsewhere."""
    entered = []
    with contextlib.ExitStack() as stack:
        raise_on_all(
            tag, lambda: entered.append(stack.enter_context(make()) if is_primary() else None)
        )
        yield entered[0]
        raise_on_all(f'{tag}, end', stack.close)


def assert_equal_across_processes(tag: str, fields: Mapping[str, Any]) -> None:
    """Raises UserError on all processes, naming the field, where their fields differ."""
    first, *others = all_gather_objects(tag, lambda: dict(fields))
    for process, other in enumerate(others, 1):
        for name in sorted(first.keys() | other.keys()):
            if first.get(name) != other.get(name):
                raise UserError(
                    f'{name} is {first.get(name)!r} in process 0 and {other.get(name)!r} in '
                    f'process {process}; start all processes with the same config and digits'
                )


def _gather(tag: str, action: Callable[[], Any], sent: Callable[[Any], Any]) -> list[Any]:
    """`all_gather_objects` of what `sent` makes of the action's result."""
    error = None
    try:
        value = sent(action())
        message = _encode_stamped(tag, value=value)
    except ProcessesApart:
        raise
    except Exception as raised:
        error = raised
        message = _encode_stamped(tag, failure=_failure(raised))
    messages = _exchange(message)
    _check_together(messages, error)
    for process, other in enumerate(messages):
        if 'failure' in other:
            _Here.raised_on_all = error or _retold(process, other['failure'])
            raise _Here.raised_on_all
    return [other['value'] for other in messages]


def _failure(error: Exception) -> dict[str, str]:
    """An exception as plain data."""
    if isinstance(error, UserError):
        return {'sentence': str(error).strip()}
    place = traceback.extract_tb(error.__traceback__)[-1]
    return {
        'kind': type(error).__name__,
        'text': str(error).strip(),
        'place': f'{Path(place.filename).name}:{place.lineno}',
        'traceback': ''.join(traceback.format_exception(error)),
    }


def _retold(process: int, failure: Mapping[str, str]) -> Exception:
    """The exception of another process, as this one raises it."""
    if 'sentence' in failure:
        return UserError(failure['sentence'])
    retold = RuntimeError(f'in process {process}: {failure["kind"]}: {failure["text"]}')
    retold.add_note(failure['traceback'])
    return retold


def _check_together(messages: list[dict[str, Any]], error: Exception | None) -> None:
    """Raises ProcessesApart unless all messages are of the same exchange of the same experiment."""
    first = messages[0]
    for process, other in enumerate(messages):
        if other['identity'] != first['identity']:
            raise ProcessesApart(
                f'process {process} belongs to {other["identity"]} and process 0 to '
                f'{first["identity"]}, but they met at one address; start each with a '
                '--coordinator of its own'
            )
    if all((m['tag'], m['number']) == (first['tag'], first['number']) for m in messages):
        return
    for process, other in enumerate(messages):
        # One that failed between two exchanges, and is first heard of here.
        if 'failure' in other:
            failure = other['failure']
            text = failure.get('sentence') or (
                f'{failure["kind"]}: {" ".join(failure["text"].split())} ({failure["place"]})'
            )
            raise ProcessesApart(f'process {process} failed: {text}; {AGAIN}') from error
    places = [f'process {n} is at {shown(other["tag"])}' for n, other in enumerate(messages)]
    raise ProcessesApart(
        f'the processes are not at the same place: {", ".join(places[:4])}; {AGAIN}'
    ) from error


def _encode_stamped(tag: str, **content: Any) -> bytes:
    """A message that says what it is, of which start, and the how many-th exchange it is for."""
    stamp = {'tag': tag, 'identity': _Here.identity, 'number': _Here.number}
    return encode({**stamp, **content})


def _exchange(message: bytes) -> list[dict[str, Any]]:
    """All-gathers messages of any length, by process index.

    Raises: ProcessesApart where a process cannot be reached or does not send such a message.
    """
    _Here.number += 1
    try:
        mine = np.frombuffer(message, np.uint8)
        count, index = jax.process_count(), jax.process_index()
        # Each process fills its own slice and leaves zeros elsewhere: the sum is all of them.
        slots = np.zeros((count, SLOT), np.uint8)
        head = mine[: SLOT - 8]
        slots[index, :8] = np.array([len(mine)], '<u8').view(np.uint8)
        slots[index, 8 : 8 + len(head)] = head
        slots = _sum_over_processes(slots.ravel()).reshape(slots.shape)
        lengths = slots[:, :8].copy().view('<u8')[:, 0].astype(np.int64)
        rests = np.maximum(lengths - (SLOT - 8), 0)
        ends = rests.cumsum()
        whole = np.zeros(ends[-1], np.uint8)
        whole[ends[index] - rests[index] : ends[index]] = mine[SLOT - 8 :]
        for start in range(0, len(whole), LARGEST_PIECE):
            piece = whole[start : start + LARGEST_PIECE]
            piece[:] = _sum_over_processes(piece)
        parts = zip(slots, lengths, np.split(whole, ends[:-1]), strict=True)
        return [decode(_joined(slot[8 : 8 + n], rest)) for slot, n, rest in parts]
    except Exception as error:
        reason = describe_error(error).partition('\n')[0]
        raise ProcessesApart(
            f'another process has ended or cannot be reached ({reason[:300]}); {AGAIN}',
            unreachable=True,
        ) from error


def _joined(head: np.ndarray, rest: np.ndarray) -> memoryview:
    return memoryview(np.concatenate([head, rest]) if len(rest) else head.copy())


def _sum_over_processes(values: np.ndarray) -> np.ndarray:
    """The sum over all processes of uint8 arrays (n,), with the same n on each."""
    sharding, add = _adding()
    size = max(SMALLEST_PIECE, 2 ** (len(values) - 1).bit_length())
    own = np.zeros((1, size), np.uint8)
    own[0, : len(values)] = values
    shape = (jax.process_count(), size)
    total = add(jax.make_array_from_callback(shape, sharding, lambda _: own))
    return np.asarray(total.addressable_data(0))[: len(values)].copy()


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
