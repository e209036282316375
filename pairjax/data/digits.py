"""Labelled images, and what the readers of file formats give to become such."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pairjax.data.labels import class_labels
from pairjax.data.resize import check_image_shape, describe_loss, shrink, square_images
from pairjax.errors import UserError

# Models have one logit per class; a larger label is surely a mistake in the file.
MAX_CLASSES = 10_000
# Bytes have lighter ink in some image; values up to 1, 16 or 65535 are other scales.
DARKEST_WHITE = 64
ARRAY_NAMES = ('train_images', 'train_labels', 'test_images', 'test_labels')


class Digits(NamedTuple):
    """Labelled grayscale images: a train pool and a test pool.

    Images are (n, 14, 14) float32, or uint8 if the source is 14 x 14 uint8. Values keep
    the scale of the source: 0 to 255, or any in `npz` and `idx` files. Labels are (n,) int32
    from 0 to `num_classes` - 1. The arrays may be read-only.

    Attributes:
      class_names: the names of all classes, () where the source has none.
      notes: sentences about what was read, left out or changed.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The four arrays, in the order of `ARRAY_NAMES`."""
        return self[: len(ARRAY_NAMES)]

    @property
    def num_classes(self) -> int:
        """The number of class names, or one more than the largest label in both pools."""
        largest = int(max(self.train_labels.max(), self.test_labels.max()))
        return max(largest + 1, len(self.class_names))

    @property
    def pixel_range(self) -> tuple[float, float]:
        """The values of black and white: 0 and 255 for bytes, else the extremes of train images.

        Told by the values, since averaging has made floats of bytes.
        """
        low, high = float(self.train_images.min()), float(self.train_images.max())
        return (0.0, 255.0) if low >= 0 and DARKEST_WHITE < high <= 255 else (low, high)


class SourceConfig(NamedTuple):
    """What a reader is told: data.dir, data.dataset, data.download, data.label.

    Attributes:
      progress: called with the number of images read and of all images, now and then.
    """

    directory: Path | None
    dataset: str
    download: bool
    label: str = ''
    progress: Callable[[int, int], None] = lambda done, total: None


class Pool(NamedTuple):
    """Images and labels of one split as a file holds them, with their names for messages."""

    images: Any
    labels: Any
    images_name: str
    labels_name: str


class RawDigits(NamedTuple):
    """What a reader returns: two pools in any layout that `checked_digits` takes.

    Attributes:
      class_names: as in `Digits`; names that come as labels need not be here.
      notes: as in `Digits`.
    """

    train: Pool
    test: Pool
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def checked_digits(raw: RawDigits) -> Digits:
    """Makes images grey and 14 x 14, and labels classes from 0.

    Takes images (n, side, side), (n, side, side, channels), (n, channels, side, side) or
    (n, side * side), of integers, floats or bool, and the labels of `class_labels`.

    Raises: UserError naming the array that is no such thing, its shape and dtype.
    """
    pools = (raw.train, raw.test)
    images = [square_images(pool.images, pool.images_name) for pool in pools]
    labels, names = class_labels(
        [(pool.labels, pool.labels_name) for pool in pools], [len(stack) for stack in images]
    )
    loss = describe_loss(images[0]) if len(images[0]) else ''
    checked = [
        _checked_pool(pool, *arrays) for pool, *arrays in zip(pools, images, labels, strict=True)
    ]
    digits = Digits(
        *(array for pool in checked for array in pool),
        class_names=names or raw.class_names,
        notes=(*raw.notes, *([loss] if loss else [])),
    )
    if np.ptp(digits.train_labels) == 0:
        raise UserError(
            f'{raw.train.labels_name} holds only class {digits.train_labels[0]}; expected at least '
            'two classes.'
        )
    return digits


def _checked_pool(
    pool: Pool, images: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    check_image_shape(images.shape[1:], pool.images_name)
    if not len(images):
        raise UserError(f'{pool.images_name} holds no images; expected at least one.')
    if len(images) != len(labels):
        raise UserError(
            f'{pool.images_name} holds {len(images)} images but {pool.labels_name} {len(labels)} '
            'labels; expected one label per image.'
        )
    if labels.min() < 0 or labels.max() >= MAX_CLASSES:
        raise UserError(
            f'{pool.labels_name} holds labels from {labels.min()} to {labels.max()}; expected '
            f'integers from 0 to {MAX_CLASSES - 1}.'
        )
    # Resizing propagates NaN and infinity, and turns float64 beyond the float32 range infinite.
    with np.errstate(over='ignore', invalid='ignore'):
        images = shrink(images)
    if not np.isfinite(images).all():
        raise UserError(f'{pool.images_name} holds infinite or NaN values; expected finite ones.')
    return images, labels.astype(np.int32)
