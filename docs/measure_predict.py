"""Measures how many digits on drawn pages predict.py reads rightly: the table in docs/predict.md.

PYTHONPATH=.:tests python docs/measure_predict.py path/to/mnist [--before=DIR] [KIND ...]

The pages are drawn from MNIST test digits; `tests/drawn_pages.py` and `tests/photographed_pages.py`
say how. `python launch/predict.py` reads them, with the network that comes with the package; with
--before also that of another checkout, with its own default, which reads the same files.
--threshold prints instead how many digits and mistakes lie below each probability, --speed how long
the command takes for 10,000 pictures.
"""

import csv
import gzip
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from drawn_pages import KEPT_BACK, KINDS, clean, two_digits
from photographed_pages import PHOTOGRAPHED
from PIL import Image
from scipy.stats import binomtest

from pairjax.data.resize import shrink
from pairjax.inference.networks import DEFAULT_NETWORK, find_networks
from pairjax.inference.predictor import Predictor
from pairjax.runtime import vectorize

ROOT = Path(__file__).parents[1]
NUM_DIGITS, SEED, TWO_DIGITS = 2000, 19, 'two_digits'
ALL_KINDS = {**KINDS, **KEPT_BACK, **PHOTOGRAPHED}
KINDS_AT_ONCE = 6
SPEED_PICTURES, SPEED_REPEATS = (10_000, 2000), (1, 3)
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)

Labelled = tuple[np.ndarray, np.ndarray]


def read_mnist(directory: Path, part: str) -> Labelled:
    """Images (n, 28, 28) uint8 and labels (n,) of 'train' or 't10k', from the .gz files."""
    images, labels = (
        np.frombuffer(
            gzip.decompress((directory / f'{part}-{name}-ubyte.gz').read_bytes()), np.uint8
        )
        for name in ('images-idx3', 'labels-idx1')
    )
    return images[16:].reshape(-1, 28, 28), labels[8:]


def drawn_pages_of(kind: str, digits: Labelled) -> Iterator[tuple[np.ndarray, int]]:
    """Pages of a kind with some of the digits, and their labels."""
    rng, (images, labels) = np.random.default_rng([SEED, zlib.crc32(kind.encode())]), digits
    for first, second in rng.permutation(len(labels))[: 2 * NUM_DIGITS].reshape(-1, 2):
        if kind == TWO_DIGITS:
            page = two_digits(images[first] / 255, images[second] / 255, rng)
        else:
            page = ALL_KINDS[kind](images[first] / 255, rng)
        yield page, int(labels[first])


def measure(kinds: Sequence[str], digits: Labelled, checkouts: list[Path]) -> Iterator[str]:
    """A row of the table for each kind: the shares of digits read rightly by each checkout.

    The shares of notes are those of the first checkout.
    """
    labels = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            for page, label in drawn_pages_of(kind, digits):
                path = Path(folder, f'{len(labels)}.png')
                Image.fromarray(page).save(path, compress_level=0)
                labels.append(label)
        with Path(folder, 'pairs.csv').open('w', newline='') as file:
            names = np.reshape([f'{number}.png' for number in range(len(labels))], (-1, 2))
            csv.writer(file).writerows([('a', 'b'), *names.tolist()])
        read = [read_pages(Path(folder), checkout) for checkout in checkouts]
    for start, kind in zip(range(0, len(labels), NUM_DIGITS), kinds, strict=True):
        part, cells = slice(start, start + NUM_DIGITS), []
        for digits_read, _ in read:
            right = int((digits_read[part] == np.array(labels[part])).sum())
            low, high = binomtest(right, NUM_DIGITS).proportion_ci(method='wilson')
            cells.append(f'{100 * right / NUM_DIGITS:.1f} [{100 * low:.1f}, {100 * high:.1f}]')
        notes = read[0][1][part]
        two = np.mean(['two digits' in note for note in notes])
        noted = np.mean([note != '' for note in notes])
        yield f'| `{kind}` | {" | ".join(cells)} | {100 * two:.1f} | {100 * noted:.1f} |'


def read_pages(folder: Path, checkout: Path) -> tuple[np.ndarray, list[str]]:
    """The digit that predict.py reads on each page, (n,), -1 for none; and its note."""
    out = folder / 'answers.csv'
    # Its exit code says only whether every page could be read.
    done = subprocess.run(
        [sys.executable, 'launch/predict.py', str(folder / 'pairs.csv'), f'--out={out}'],
        cwd=checkout,
        env={**os.environ, 'PYTHONPATH': str(checkout)},
        capture_output=True,
        text=True,
    )
    if not out.exists():
        raise SystemExit(done.stderr)
    with out.open(newline='') as file:
        rows = list(csv.DictReader(file))
    out.unlink()
    digits = [int(row[f'digit_{name}'] or -1) for row in rows for name in 'ab']
    notes = []
    for row in rows:
        parts = (row.get('note') or '').split('; ')
        notes += [', '.join(part[3:] for part in parts if part.startswith(f'{n}: ')) for n in 'ab']
    return np.array(digits), notes


def measure_speed(digits: Labelled, checkouts: list[Path]) -> None:
    """Prints how long predict.py takes for 10,000 pictures, and for 2,000 of them, in turn."""
    rng, images = np.random.default_rng(SEED), digits[0]
    with tempfile.TemporaryDirectory() as folder:
        names = [f'{number}.png' for number in range(SPEED_PICTURES[0])]
        for name, image in zip(names, images, strict=True):
            page = Image.fromarray(clean(image / 255, rng))
            page.save(Path(folder, name), compress_level=1)
        for count, repeats in zip(SPEED_PICTURES, SPEED_REPEATS, strict=True):
            with Path(folder, 'pairs.csv').open('w', newline='') as file:
                rows = np.reshape(names[:count], (-1, 2)).tolist()
                csv.writer(file).writerows([('a', 'b'), *rows])
            for _ in range(repeats):
                for checkout in checkouts:
                    started = time.perf_counter()
                    read_pages(Path(folder), checkout)
                    seconds = time.perf_counter() - started
                    print(f'{count:,} pictures, {checkout}: {seconds:.1f} s', flush=True)


def measure_thresholds(digits: Labelled) -> None:
    """Prints how many digits, and of the mistakes how many, lie below each probability.

    On the test digits, since the network was trained on all others: they choose nothing.
    """
    vectorize.configure_jax()
    predictor = Predictor(find_networks(DEFAULT_NETWORK), 256)
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


def main(directory: Path, words: list[str]) -> None:
    digits = read_mnist(directory, 't10k')
    if '--threshold' in words:
        return measure_thresholds(digits)
    before = [word.removeprefix('--before=') for word in words if word.startswith('--before=')]
    kinds = [word for word in words if not word.startswith('--')]
    checkouts = [ROOT.resolve(), *(Path(path).resolve() for path in before)]
    if '--speed' in words:
        return measure_speed(digits, checkouts)
    columns = ['digits read rightly, %', *('before' for _ in before), '`two digits?`', 'any note']
    print(f'| page | {" | ".join(columns)} |\n|{"---|" * (len(columns) + 1)}')
    kinds = kinds or [*ALL_KINDS, TWO_DIGITS]
    # A page takes half a megabyte of the disk at most.
    for start in range(0, len(kinds), KINDS_AT_ONCE):
        for row in measure(kinds[start : start + KINDS_AT_ONCE], digits, checkouts):
            print(row, flush=True)


if __name__ == '__main__':
    main(Path(sys.argv[1]), sys.argv[2:])
