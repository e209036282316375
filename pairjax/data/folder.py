"""The source folder: images in folders named by class, in folders named by split or without.

As torchvision.datasets.ImageFolder and Hugging Face's imagefolder read them.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pairjax.data.cache import cached_arrays
from pairjax.data.content_split import SPLIT_NOTE, content_hash, in_test_pool
from pairjax.data.digits import ARRAY_NAMES, Pool, RawDigits, SourceConfig
from pairjax.data.encoded import shrink_encoded
from pairjax.data.labels import sorted_names
from pairjax.data.names import SPLIT_WORDS, choose_splits
from pairjax.errors import UserError

# Pillow registers more, some of which it cannot decode.
SUFFIXES = frozenset(
    ('.avif', '.bmp', '.gif', '.jp2', '.jpeg', '.jpg', '.pbm', '.pgm', '.png', '.ppm', '.tga')
    + ('.tif', '.tiff', '.webp')
)
# A wrapper around the folders, as archives have it.
MOST_WRAPPERS = 3
_HASHING_THREADS = 8
EXPECTED = 'expected SPLIT/CLASS/*.png with train and test as SPLIT, or CLASS/*.png'

# Files by class of one split.
Classes = Mapping[str, list[Path]]


def read_folder(source: SourceConfig) -> RawDigits:
    """Images in the folders of their classes.

    Class names that are whole numbers are sorted by value, others by alphabet; a label is the
    index in that order. Without a folder for test images, TEST_SHARE of all images are the test
    pool, chosen by content. Decoded images are cached by content: nothing depends on where the
    folder is and when it was copied.

    Raises: UserError where there are no such folders, and where many images cannot be read.
    """
    if source.directory is None or not source.directory.is_dir():
        what = f'{source.directory} is not a directory' if source.directory else 'is missing'
        raise UserError(f'data.dir: {what}; {EXPECTED}.')
    root = _unwrapped(source.directory)
    found, notes = _find_splits(root)
    train, test, more = choose_splits(found)
    chosen = {split: found[split] for split in (train, test) if split is not None}
    names = sorted_names({name for classes in chosen.values() for name in classes})
    paths = {split: _listed(classes, names) for split, classes in chosen.items()}
    everything = [path for split in paths.values() for path, _ in split]
    with ThreadPoolExecutor(_HASHING_THREADS) as threads:
        hashes = list(threads.map(_file_hash, everything, chunksize=64))
    arrays = cached_arrays(
        'folder',
        (names, [(path.relative_to(root), h) for path, h in zip(everything, hashes, strict=True)]),
        lambda: _decode(paths, hashes, source),
    )
    four = [arrays[kind] for kind in ARRAY_NAMES]
    titles = [f'{kind} of {root}' for kind in ARRAY_NAMES]
    pools = (Pool(*four[i : i + 2], *titles[i : i + 2]) for i in (0, 2))
    return RawDigits(*pools, names, (*notes, *more, *arrays['notes'].tolist()))


def _subfolders(folder: Path) -> list[Path]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError as error:
        raise UserError(f'{folder} cannot be read ({error.strerror}); {EXPECTED}.') from None
    # Archives made on macOS have a second tree of attributes.
    return [entry for entry in entries if not entry.name.startswith(('.', '__MACOSX'))]


def _unwrapped(root: Path) -> Path:
    for _ in range(MOST_WRAPPERS):
        inside = _subfolders(root)
        if len(inside) != 1 or not _subfolders(inside[0]):
            break
        root = inside[0]
    return root


def _find_splits(root: Path) -> tuple[dict[str, Classes], list[str]]:
    """The files by split and class, and sentences about what is left out."""
    folders = {folder: SPLIT_WORDS.get(folder.name.lower()) for folder in _subfolders(root)}
    by_split = {split: folder for folder, split in folders.items() if split}
    if 'train' not in by_split:
        by_split = {'': root}
    found, notes = {}, []
    for split, folder in by_split.items():
        classes = {inside.name: _image_files(inside) for inside in _subfolders(folder)}
        classes = {name: files for name, files in classes.items() if files}
        if classes:
            found[split] = classes
        else:
            notes.append(f'{folder} has no images in folders of classes and is not used')
    if not found:
        raise UserError(f'data.dir: {root} holds no images in folders of classes; {EXPECTED}.')
    return found, notes


def _image_files(folder: Path) -> list[Path]:
    found = []
    for inside, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        found += [
            Path(inside, name)
            for name in sorted(files)
            if not name.startswith('.') and os.path.splitext(name)[1].lower() in SUFFIXES
        ]
    return found


def _listed(classes: Classes, names: tuple[str, ...]) -> list[tuple[Path, int]]:
    return [(path, label) for label, name in enumerate(names) for path in classes.get(name, ())]


def _file_hash(path: Path) -> bytes:
    try:
        return content_hash(path.read_bytes())
    except OSError:
        return b''  # To decode it fails, too, and says why.


def _decode(
    splits: Mapping[str, list[tuple[Path, int]]], hashes: list[bytes], source: SourceConfig
) -> dict[str, np.ndarray]:
    everything = [pair for split in splits.values() for pair in split]
    paths = [path for path, _ in everything]
    shrunk = shrink_encoded(paths, lambda i: str(paths[i]), source.progress)
    labels = np.array([label for _, label in everything], np.int32)
    notes = list(shrunk.notes)
    if len(splits) == 1:
        test = in_test_pool(hashes)
        notes.append(SPLIT_NOTE)
    else:
        test = np.arange(len(paths)) >= len(next(iter(splits.values())))
    test, labels = test[shrunk.readable], labels[shrunk.readable]
    arrays = [array[chosen] for chosen in (~test, test) for array in (shrunk.images, labels)]
    return {**dict(zip(ARRAY_NAMES, arrays, strict=True)), 'notes': np.array(notes, np.str_)}
