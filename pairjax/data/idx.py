"""The source idx: files in the format of MNIST, under the names that publishers give them.

The format, its element types and MNIST's file names: http://yann.lecun.com/exdb/mnist/ (a copy of
the description: https://github.com/cvdfoundation/mnist).
"""

import gzip
import math
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pairjax.data.digits import ARRAY_NAMES, Pool, RawDigits, SourceConfig
from pairjax.data.emnist import is_emnist, turn_upright
from pairjax.data.file_kinds import BEGINNING_BYTES, GZIP, archive_kind, foreign_kind
from pairjax.data.mnist_download import MNIST_MD5, fetch_mnist_file
from pairjax.data.names import choose_dataset, role_of, words_of
from pairjax.errors import UserError, describe_error
from pairjax.system import cache_directory, gigabytes, machine_bytes

ELEMENT_TYPES = {8: 'u1', 9: 'i1', 11: '>i2', 12: '>i4', 13: '>f4', 14: '>f8'}
MOST_DIMENSIONS = 4
# What gzip makes of a byte at best.
_MOST_UNPACKED = 1032
# Below data.dir: torchvision's EMNIST/raw/, and Kaggle's folder of a file's name around the file.
MOST_FOLDERS = 3
_FILE_NAME = re.compile(r'(?P<stem>.+)(?P<separator>[-.])idx\d-[a-z]+(?P<packed>\.gz)?$')
# Folders that say nothing of the data set.
_PLAIN_FOLDERS = {'raw', 'gzip'}
# QMNIST's extended labels; https://github.com/facebookresearch/qmnist says what the columns are.
QMNIST_COLUMNS = 8


def read_idx_digits(source: SourceConfig) -> RawDigits:
    """The four files of MNIST, or of any data set in its format.

    Each may be unpacked or end in .gz (an unpacked one is preferred), may be named with a dot, as
    in train-images.idx3-ubyte, and may begin with its data set's name, as in
    emnist-letters-train-images-idx3-ubyte. With data.download, missing files of MNIST are first
    fetched into the directory; without it the network is not touched.

    Raises:
        UserError: files are missing, damaged or no idx files, or cannot be fetched or stored.
    """
    directory = source.directory or cache_directory() / 'mnist'
    name, paths = _find_dataset(directory, source.dataset, source.download)
    arrays, notes = [read_idx(path) for path in paths], []
    for place in (1, 3):
        if arrays[place].ndim == 2 and arrays[place].shape[1] == QMNIST_COLUMNS:
            arrays[place] = arrays[place][:, 0]
            notes = ['of the 8 columns of extended labels the first is the class']
    names = [str(path) for path in paths]
    raw = RawDigits(
        Pool(*arrays[:2], *names[:2]), Pool(*arrays[2:], *names[2:]), notes=tuple(notes)
    )
    for place, (array, path) in enumerate(zip(arrays, paths, strict=True)):
        _check_dimensions(array, path, place % 2 == 0)
    return turn_upright(raw, name, paths[0].parent) if is_emnist(name) else raw


def read_idx(path: Path) -> np.ndarray:
    """The array of an idx file of any element type, gzipped or not.

    Args:
        path: the file; whether it is gzipped is seen from its contents, since
            browsers unpack files without renaming them.

    Returns:
        Array of the file's shape in the byte order of this machine, read-only.

    Raises:
        UserError: unreadable, damaged, truncated or too long, or no idx file.
    """
    try:
        with path.open('rb') as packed:
            is_packed = packed.read(2) == GZIP
            packed.seek(0)
            with gzip.GzipFile(fileobj=packed) if is_packed else packed as file:
                magic = file.read(4)
                kind, dimensions = (
                    ELEMENT_TYPES.get(magic[2:3] and magic[2]),
                    (magic[3:] or b'\0')[0],
                )
                sizes = file.read(4 * dimensions)
                known = magic[:2] == b'\0\0' and kind and 1 <= dimensions <= MOST_DIMENSIONS
                if not known or len(sizes) < 4 * dimensions:
                    raise _no_idx_file(path, magic + sizes + file.read(BEGINNING_BYTES))
                shape = tuple(np.frombuffer(sizes, '>u4').tolist())
                num_bytes = math.prod(shape) * np.dtype(kind).itemsize
                _check_size(path, shape, num_bytes, is_packed)
                # One byte more than it should be: what follows is noticed but not unpacked, and
                # gzip compares its checksum only once it has seen the end.
                contents = file.read(num_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, f'cannot be read ({describe_error(error)})') from error
    if len(contents) != num_bytes:
        what = 'more' if len(contents) > num_bytes else len(contents)
        raise _damaged(path, f'holds {what} bytes of values, but its header says {shape}')
    array = np.frombuffer(contents, kind).reshape(shape)
    return array.astype(array.dtype.newbyteorder('='), copy=False)


def _check_size(path: Path, shape: tuple[int, ...], num_bytes: int, is_packed: bool) -> None:
    most = path.stat().st_size
    if num_bytes > most * (_MOST_UNPACKED if is_packed else 1) or 0 in shape:
        raise _damaged(path, f'is {most} bytes long, but its header says {shape}')
    if num_bytes > machine_bytes():
        raise UserError(
            f'{path} unpacks to {gigabytes(num_bytes)}, more than this machine has; use a machine '
            'with more memory.'
        )


def _damaged(path: Path, what: str) -> UserError:
    return UserError(f'{path} {what}; it is damaged or cut off: download it again.')


def _no_idx_file(path: Path, beginning: bytes) -> UserError:
    other = (
        f'begins with {beginning[:16]!r}, not with two zeros, an element type and the number of '
        'dimensions as an idx file does; download it again'
    )
    return UserError(f'{path} {foreign_kind(beginning) or archive_kind(beginning) or other}.')


def _check_dimensions(array: np.ndarray, path: Path, is_images: bool) -> None:
    """The file is a good one, only not of what its name says."""
    if (array.ndim > 1) != is_images and not (array.ndim == 2 and not is_images):
        raise UserError(
            f'{path} is an idx file of shape {array.shape}; expected an idx file of '
            f'{"images" if is_images else "labels"}: its name and that of another file may be '
            'exchanged.'
        )


def _find_dataset(directory: Path, wanted: str, download: bool) -> tuple[str, list[Path]]:
    """The name of a data set and its files, in the order of `ARRAY_NAMES`."""
    found: dict[str, dict[str, Path]] = {}
    for _, name, array_name, path in sorted(_idx_files(directory)):
        found.setdefault(name, {}).setdefault(array_name, path)
    if not found and not (download or os.path.isdir(directory)):
        raise _missing(directory, 'is not a directory')
    # MNIST's files where they are looked for first, whatever else is below.
    name = choose_dataset(found, wanted, directory) if found else ''
    paths = found.get(name, {})
    own_names = dict(zip(ARRAY_NAMES, MNIST_MD5, strict=True))
    missing = [array_name for array_name in ARRAY_NAMES if array_name not in paths]
    if missing and not (download and not name):
        names = own_names if not name else {n: f'{name}: {n.replace("_", " ")}' for n in missing}
        raise _missing(directory, f'lacks {", ".join(names[one] for one in missing)}')
    for array_name in missing:
        paths[array_name] = fetch_mnist_file(own_names[array_name], directory)
    return name, [paths[array_name] for array_name in ARRAY_NAMES]


def _missing(directory: Path, what: str) -> UserError:
    return UserError(
        f'data.dir: {directory} {what}; put the four files there (.gz or not) under the names that '
        'their publisher gives them, or fetch those of MNIST once with data.download=True.'
    )


def _idx_files(directory: Path) -> Iterator[tuple[tuple, str, str, Path]]:
    """Preference (the least first), data set, name of the array and path of each idx file."""
    for folder, folders, files in os.walk(directory):
        parts = Path(folder).relative_to(directory).parts
        if len(parts) == MOST_FOLDERS:
            folders.clear()
        for file in files:
            match = _FILE_NAME.match(file)
            role = role_of(match['stem']) if match else role_of('')
            if role.split in ('train', 'test') and role.kind:
                inside = [part for part in parts if part not in _PLAIN_FOLDERS]
                # Kaggle's folder around a file, with a dash or a dot.
                inside = [part for part in inside if not _FILE_NAME.match(part)]
                name = role.dataset or ('-'.join(words_of(inside[-1])) if inside else '')
                preference = (len(parts), match['packed'] or '', match['separator'], file)
                yield preference, name, f'{role.split}_{role.kind}', Path(folder, file)
