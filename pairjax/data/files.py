"""Reads and fetches data files, and caches decoded arrays.

A missing, damaged or mistaken file raises a `UserError` that names it; nothing is ever unpickled.
"""

import contextlib
import gzip
import hashlib
import http.client
import math
import os
import re
import urllib.request
import uuid
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from pairjax.errors import UserError, describe_error
from pairjax.system import cache_directory, gigabytes, machine_bytes, replacing

ARRAY_NAMES = ('train_images', 'train_labels', 'test_images', 'test_labels')

# The files as first published, with the MD5 of the compressed file; in the
# order of ARRAY_NAMES.
MNIST_MD5 = {
    'train-images-idx3-ubyte.gz': 'f68b3c2dcbeaaa9fbdd348bbdeb94873',
    'train-labels-idx1-ubyte.gz': 'd53e105ee54ea40749a09fcbcd1e9432',
    't10k-images-idx3-ubyte.gz': '9fb629c4189551a2d022fa330f9573f3',
    't10k-labels-idx1-ubyte.gz': 'ec29112dd5afa0611ce80d1b7f02629c',
}
MNIST_MIRRORS = (
    'https://ossci-datasets.s3.amazonaws.com/mnist/',
    'https://storage.googleapis.com/cvdf-datasets/mnist/',
)
DOWNLOAD_TIMEOUT_SECONDS = 30
# Three times the largest file: a mirror gone wrong must not fill the memory.
_DOWNLOAD_LIMIT_BYTES = 30_000_000

_UNSIGNED_BYTE = 8
# What gzip makes of a byte at best.
_MOST_UNPACKED = 1032
# Part of every cache key: raise it whenever the decoded arrays would change.
_CACHE_FORMAT = 1


def cached_arrays(
    name: str, fingerprint: object, make: Callable[[], dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """The arrays that `make()` returns, kept in the cache directory between processes.

    Args:
        name: beginning of the cache file's name.
        fingerprint: anything whose `repr` changes whenever `make()` would return
            something else.
        make: returns one array for each of `ARRAY_NAMES`.

    Returns:
        The arrays by name. A cache that cannot be read is made anew and one that
        cannot be written is done without; only `make` itself can fail.
    """
    key = hashlib.sha256(repr((_CACHE_FORMAT, fingerprint)).encode()).hexdigest()[:16]
    path = cache_directory() / f'{name}-{key}.npz'
    # A damaged zip file fails in a dozen ways, and here all of them mean the same.
    with contextlib.suppress(Exception):
        return _load_arrays(path)
    arrays = make()
    with contextlib.suppress(OSError), _replacing(path) as file:
        np.savez(file, **arrays)
    return arrays


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The four arrays of an .npz file, by the names in `ARRAY_NAMES`.

    Raises:
        UserError: no such file, not an .npz file, damaged, an array is missing or
            holds pickled Python objects.
    """
    if not os.path.isfile(path):
        raise UserError(f'data.dir: there is no file {path}; expected an .npz file.')
    try:
        return _load_arrays(path)
    except UserError:
        raise
    except KeyError as error:
        raise UserError(
            f'{path} lacks an array ({error.args[0]}); expected {", ".join(ARRAY_NAMES)}.'
        ) from error
    # As above: whatever goes wrong in reading, the file is what is wrong.
    except Exception as error:
        raise UserError(
            f'{path} cannot be read as an .npz file of plain numeric arrays '
            f'({type(error).__name__}); write it anew with numpy.savez.'
        ) from error


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """A file of unsigned bytes in the idx format of MNIST, gzipped or not.

    Args:
        path: the file; whether it is gzipped is seen from its contents, since
            browsers unpack files without renaming them.
        dimensions: 3 for images, 1 for labels.

    Returns:
        uint8 array with that many dimensions, read-only.

    Raises:
        UserError: unreadable, damaged, truncated or too long, or not an idx file of
            unsigned bytes with that many dimensions.
    """
    magic, header_bytes = bytes([0, 0, _UNSIGNED_BYTE, dimensions]), 4 + 4 * dimensions
    try:
        with path.open('rb') as packed:
            is_packed = packed.read(2) == b'\x1f\x8b'
            packed.seek(0)
            with gzip.GzipFile(fileobj=packed) if is_packed else packed as file:
                header = file.read(header_bytes)
                if header[:4] != magic or len(header) < header_bytes:
                    raise _damaged(
                        path,
                        f'begins with {header!r}, not with {magic!r} and sizes as an idx file of '
                        f'{"images" if dimensions == 3 else "labels"} does',
                    )
                shape = tuple(np.frombuffer(header, '>u4', dimensions, offset=4).tolist())
                num_values, most = math.prod(shape), path.stat().st_size
                if num_values > most * (_MOST_UNPACKED if is_packed else 1) or 0 in shape:
                    raise _damaged(path, f'is {most} bytes long, but its header says {shape}')
                if num_values > machine_bytes():
                    size = gigabytes(num_values)
                    raise _damaged(path, f'unpacks to {size}, more than this machine has')
                # One byte more than it should be: what follows is noticed but not unpacked, and
                # gzip compares its checksum only once it has seen the end.
                contents = file.read(num_values + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, f'cannot be read ({describe_error(error)})') from error
    if len(contents) != num_values:
        what = 'more' if len(contents) > num_values else len(contents)
        raise _damaged(path, f'holds {what} bytes of values, but its header says {shape}')
    return np.frombuffer(contents, np.uint8).reshape(shape)


def mnist_paths(directory: Path, download: bool) -> list[Path]:
    """Where the four MNIST files are, in the order of `ARRAY_NAMES`.

    Each may be unpacked or end in .gz (an unpacked one is preferred) and may be
    named with a dot, as in train-images.idx3-ubyte. With `download`, missing ones
    are first fetched into `directory`, which is made if need be; without it the
    network is not touched.

    Raises:
        UserError: files are missing, or cannot be fetched or stored.
    """
    paths = {name: _find_mnist_file(directory, name) for name in MNIST_MD5}
    missing = [name for name, path in paths.items() if path is None]
    if missing and not download:
        what = f'lacks {", ".join(missing)}' if os.path.isdir(directory) else 'is not a directory'
        raise UserError(
            f'data.dir: {directory} {what}; put the four MNIST files there (.gz or not), '
            'or fetch them once with data.download=True.'
        )
    for name in missing:
        paths[name] = _fetch_mnist_file(name, directory)
    return list(paths.values())


def prepared_tfds_directory(root: Path | None, dataset: str) -> Path:
    """The directory of a prepared TFDS data set; looked for here since TFDS asks the network.

    Args:
        root: TFDS's data_dir; None means TFDS's own default.
        dataset: 'name', 'name/config', either with ':1.2.3'; the newest version without.

    Raises:
        UserError: it is not there.
    """
    if root is None:
        root = Path(os.path.expanduser(os.environ.get('TFDS_DATA_DIR') or '~/tensorflow_datasets'))
    prepared = {}
    for path in [*root.glob('*/*/dataset_info.json'), *root.glob('*/*/*/dataset_info.json')]:
        if re.fullmatch(r'\d+\.\d+\.\d+', path.parent.name):
            name = path.parent.parent.relative_to(root).as_posix()
            prepared.setdefault(name, []).append(path.parent.name)
    name, _, version = dataset.partition(':')
    versions = prepared.get(name, [])
    if versions and not version:
        version = max(versions, key=lambda text: [int(number) for number in text.split('.')])
    if version in versions:
        return root / name / version
    there = sorted(f'{known}:{text}' for known in prepared for text in prepared[known])
    raise UserError(
        f'data.dataset={dataset!r} is not prepared in {root} (found there: '
        f'{", ".join(there) or "nothing"}); name a prepared one or its directory in data.dir, or '
        'prepare it once where TensorFlow and the network are at hand, with: '
        f'tfds build {name} --data_dir={root} --file_format=array_record'
    )


def _load_arrays(path: Path) -> dict[str, np.ndarray]:
    # A small file can unpack to any size.
    with zipfile.ZipFile(path) as archive:
        size = sum(archive.getinfo(f'{name}.npy').file_size for name in ARRAY_NAMES)
    if size > machine_bytes():
        raise UserError(f'{path} unpacks to {gigabytes(size)}, more than this machine has.')
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in ARRAY_NAMES}


def _damaged(path: Path, what: str) -> UserError:
    return UserError(
        f'{path} {what}; replace it with an intact one, or for MNIST delete it and set '
        'data.download=True.'
    )


def _find_mnist_file(directory: Path, name: str) -> Path | None:
    unpacked = name.removesuffix('.gz')
    dotted = unpacked.replace('-idx', '.idx')
    for candidate in (unpacked, dotted, name, f'{dotted}.gz'):
        if os.path.isfile(directory / candidate):
            return directory / candidate
    return None


def _fetch_mnist_file(name: str, directory: Path) -> Path:
    failures = []
    for mirror in MNIST_MIRRORS:
        try:
            with urllib.request.urlopen(mirror + name, timeout=DOWNLOAD_TIMEOUT_SECONDS) as reply:
                contents = reply.read(_DOWNLOAD_LIMIT_BYTES)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f'{mirror}: {describe_error(error)}')
            continue
        md5 = hashlib.md5(contents, usedforsecurity=False).hexdigest()
        if md5 != MNIST_MD5[name]:
            failures.append(f'{mirror}: MD5 {md5} instead of {MNIST_MD5[name]}')
            continue
        try:
            with _replacing(directory / name) as file:
                file.write(contents)
        except OSError as error:
            raise UserError(
                f'data.dir: {name} cannot be stored in {directory} '
                f'({describe_error(error)}); name a directory you can write to.'
            ) from error
        return directory / name
    raise UserError(
        f'{name} could not be fetched ({"; ".join(failures)}); try again later, or get it by hand '
        f'from any copy of MNIST and put it into {directory}.'
    )


def _replacing(path: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    """`replacing` for a cache that several processes may fill at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return replacing(path, f'{uuid.uuid4().hex}.part')
