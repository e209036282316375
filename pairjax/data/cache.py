"""Keeps decoded arrays in the cache directory between processes."""

import contextlib
import hashlib
import uuid
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pairjax.data.digits import ARRAY_NAMES
from pairjax.errors import UserError
from pairjax.system import cache_directory, gigabytes, machine_bytes, replacing

# Part of every cache key: raise it whenever the decoded arrays would change.
_CACHE_FORMAT = 2


def cached_arrays(
    name: str, fingerprint: object, make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The arrays that `make()` returns, kept in the cache directory between processes.

    Args:
        name: beginning of the cache file's name.
        fingerprint: anything whose `repr` changes whenever `make()` would return
            something else.
        make: returns one array for each of `ARRAY_NAMES`, and any others.

    Returns:
        The arrays by name. A cache that cannot be read is made anew and one that
        cannot be written is done without; only `make` itself can fail.
    """
    key = hashlib.sha256(repr((_CACHE_FORMAT, fingerprint)).encode()).hexdigest()[:16]
    path = cache_directory() / f'{name}-{key}.npz'
    # A damaged zip file fails in a dozen ways, and here all of them mean the same.
    with contextlib.suppress(Exception):
        arrays = load_arrays(path)
        if set(ARRAY_NAMES) <= set(arrays):
            return arrays
    arrays = make()
    with contextlib.suppress(OSError), replacing_shared(path) as file:
        np.savez(file, **arrays)
    return arrays


def load_arrays(path: Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Arrays of an .npz file by name, all by default; nothing is ever unpickled.

    Raises: UserError where they are larger than the memory, and what zipfile and NumPy raise for
      a damaged file.
    """
    # A small file can unpack to any size.
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
    names = [name.removesuffix('.npy') for name in sizes] if names is None else list(names)
    size = sum(sizes[f'{name}.npy'] for name in names)
    if size > machine_bytes():
        raise UserError(f'{path} unpacks to {gigabytes(size)}, more than this machine has.')
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in names}


def file_states(paths: Iterable[Path]) -> list[tuple[str, int, int]]:
    """A fingerprint of files without reading them: path, size and time of the last change."""
    stats = [(path.resolve(), path.stat()) for path in sorted(paths)]
    return [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats]


def replacing_shared(path: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    """`replacing` for a directory that several processes may fill at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return replacing(path, f'{uuid.uuid4().hex}.part')
