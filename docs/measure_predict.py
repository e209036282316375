"""Measures how many digits on drawn pages predict.py reads rightly: the table in docs/predict.md.

PYTHONPATH=.:tests python docs/measure_predict.py path/to/mnist [KIND ...]

The pages are drawn from MNIST test digits; `tests/drawn_pages.py` says how. The network that
comes with the package reads them. Without kinds also how many test digits are below each threshold.
"""

import gzip
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from drawn_pages import KEPT_BACK, KINDS, two_digits
from PIL import Image
from scipy.stats import binomtest

from pairjax.data.resize import shrink
from pairjax.errors import UserError
from pairjax.inference.image_preprocessing import PreparedImage, read_image
from pairjax.inference.networks import DEFAULT_NETWORK, find_networks
from pairjax.inference.notes import image_note
from pairjax.inference.predictor import Predictor
from pairjax.runtime import vectorize

NUM_DIGITS, SEED, TWO_DIGITS = 2000, 19, 'two_digits'
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)


def read_mnist(directory: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) uint8 and labels (n,) of 'train' or 't10k', from the .gz files."""
    images, labels = (
        np.frombuffer(
            gzip.decompress((directory / f'{part}-{name}-ubyte.gz').read_bytes()), np.uint8
        )
        for name in ('images-idx3', 'labels-idx1')
    )
    return images[16:].reshape(-1, 28, 28), labels[8:]


def measure(
    kind: str,
    digits: tuple[np.ndarray, np.ndarray],
    predictor: Predictor,
    read: Callable[[str], PreparedImage] = read_image,
) -> str:
    """A row of the table: the share of digits read rightly, its interval, the shares of notes."""
    labels, images = [], []
    for page, label in drawn_pages_of(kind, digits):
        labels.append(label)
        with tempfile.NamedTemporaryFile(suffix='.png') as file:
            Image.fromarray(page).save(file, compress_level=1)
            file.flush()
            try:
                images.append(read(file.name))
            except UserError:
                images.append(PreparedImage(np.zeros((14, 14), np.float32), False, 'not read'))
                labels[-1] = -1
    predictions = predictor(np.reshape([image.pixels for image in images], (-1, 2, 14, 14)))
    chances = np.stack([predictions.digits_a, predictions.digits_b], axis=1).reshape(
        len(images), -1
    )
    right = chances.argmax(axis=1) == labels
    noted = np.array([image_note(*one) != '' for one in zip(images, chances.max(1), strict=True)])
    two = np.mean(['two' in image.note for image in images])
    low, high = binomtest(int(right.sum()), len(right)).proportion_ci(method='wilson')
    return (
        f'| {kind} | {100 * right.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}] '
        f'| {100 * two:.1f} | {100 * noted.mean():.1f} | {100 * noted[~right].mean():.0f} |'
    )


def drawn_pages_of(
    kind: str, digits: tuple[np.ndarray, np.ndarray]
) -> Iterator[tuple[np.ndarray, int]]:
    """Pages of a kind with some of the digits, and their labels."""
    rng, (images, labels) = np.random.default_rng([SEED, zlib.crc32(kind.encode())]), digits
    for first, second in rng.permutation(len(labels))[: 2 * NUM_DIGITS].reshape(-1, 2):
        if kind == TWO_DIGITS:
            page = two_digits(images[first] / 255, images[second] / 255, rng)
        else:
            page = (KINDS | KEPT_BACK)[kind](images[first] / 255, rng)
        yield page, int(labels[first])


def measure_thresholds(digits: tuple[np.ndarray, np.ndarray], predictor: Predictor) -> None:
    """Prints how many digits, and of the mistakes how many, lie below each probability.

    On the test digits, since the network was trained on all others: they choose nothing.
    """
    images, labels = shrink(digits[0]), digits[1]
    predictions = predictor(images.reshape(-1, 2, 14, 14))
    chances = np.stack([predictions.digits_a, predictions.digits_b], axis=1).reshape(
        len(images), -1
    )
    wrong, surest = chances.argmax(axis=1) != labels, chances.max(axis=1)
    print(f'{len(labels):,} digits, {100 * wrong.mean():.2f} % wrong')
    for threshold in THRESHOLDS:
        below = surest < threshold
        print(
            f'below {threshold}: {100 * below.mean():.2f} % of the digits and '
            f'{100 * below[wrong].mean():.1f} % of the mistakes; wrong of those below '
            f'{100 * wrong[below].mean():.1f} %, of the others {100 * wrong[~below].mean():.2f} %'
        )


def main(directory: Path, kinds: list[str]) -> None:
    vectorize.configure_jax()
    predictor = Predictor(find_networks(DEFAULT_NETWORK), 256)
    if not kinds:
        measure_thresholds(read_mnist(directory, 't10k'), predictor)
    print('| page | digits read rightly, % | "two digits?" | any note | notes on mistakes |')
    for kind in kinds or (*KINDS, *KEPT_BACK, TWO_DIGITS):
        print(measure(kind, read_mnist(directory, 't10k'), predictor), flush=True)


if __name__ == '__main__':
    main(Path(sys.argv[1]), sys.argv[2:])
