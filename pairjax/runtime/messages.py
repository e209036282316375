"""Plain data as bytes: JSON, followed by the raw content of arrays. Reading it executes nothing."""

import json
from typing import Any

import numpy as np

# JSON objects have no integers as names, and JSON no tuples and arrays: these become objects with
# one of these names.
_DICT, _TUPLE, _ARRAY = 'dict', 'tuple', 'array'


def encode(value: Any) -> bytes:
    """A tree of dicts, lists, tuples, arrays, strings, numbers and None as bytes.

    Args:
      value: dicts with strings or whole numbers as keys; arrays of numbers or booleans.

    Raises: TypeError for anything else.
    """
    arrays: list[np.ndarray] = []
    tree = _to_json(value, arrays)
    head = json.dumps([tree, [[array.dtype.name, array.shape] for array in arrays]]).encode()
    content = (np.ascontiguousarray(array).tobytes() for array in arrays)
    return b''.join([len(head).to_bytes(8, 'little'), head, *content])


def decode(message: bytes | memoryview) -> Any:
    """The tree that `encode` made to bytes, with arrays of its own.

    Raises: ValueError, KeyError or TypeError where the bytes are no such message.
    """
    message = memoryview(message)
    start = 8 + int.from_bytes(message[:8], 'little')
    tree, described = json.loads(bytes(message[8:start]))
    arrays = []
    for name, shape in described:
        dtype = np.dtype(name)
        size = int(np.prod(shape, dtype=np.int64))
        flat = np.frombuffer(message, dtype, size, start) if size else np.zeros(0, dtype)
        arrays.append(flat.reshape(shape).copy())
        start += size * dtype.itemsize
    return _from_json(tree, arrays)


def _to_json(value: Any, arrays: list[np.ndarray]) -> Any:
    """A tree in terms of JSON; its arrays are appended to `arrays`."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        if not all(isinstance(key, str | int) for key in value):
            raise TypeError('a message holds a dict with keys other than strings and numbers')
        return {_DICT: [[key, _to_json(content, arrays)] for key, content in value.items()]}
    if isinstance(value, list | tuple):
        items = [_to_json(item, arrays) for item in value]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in 'biufV':
        arrays.append(np.asarray(value))
        return {_ARRAY: len(arrays) - 1}
    raise TypeError(f'a message cannot hold a {type(value).__name__}')


def _from_json(tree: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(tree, list):
        return [_from_json(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == _ARRAY:
        return arrays[content]
    if kind == _TUPLE:
        return tuple(_from_json(item, arrays) for item in content)
    return {key: _from_json(value, arrays) for key, value in content}
