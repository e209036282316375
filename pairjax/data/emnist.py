"""What all files of EMNIST have in common: images on their side, and letters counted from 1."""

from pathlib import Path

import numpy as np

from pairjax.data.digits import RawDigits
from pairjax.data.names import words_of

LETTERS = 'emnist-letters'
MAPPING = '{name}-mapping.txt'


def is_emnist(name: str) -> bool:
    """Whether a data set, such as emnist-letters or emnist/letters, is of EMNIST."""
    return words_of(name)[:1] == ['emnist']


def turn_upright(raw: RawDigits, name: str, directory: Path) -> RawDigits:
    """EMNIST as one reads it.

    Rows and columns of its images are exchanged as published, as its readme says:
    https://www.westernsydney.edu.au/__data/assets/text_file/0019/1204408/EMNIST_Readme.txt
    The labels of its split `letters` go from 1 to 26.

    Args:
      raw: its images, (n, side, side) or (n, side, side, 1), and labels, (n,).
      name: of its split, such as emnist-letters.
      directory: where the publisher's file of class names may be.
    """
    notes = ['EMNIST is published with rows and columns exchanged: its images were turned upright']
    pools = [raw.train, raw.test]
    if any(pool.images.ndim < 3 or pool.labels.size == 0 for pool in pools):
        return raw  # What is wrong is said by who checks them.
    pools = [pool._replace(images=np.swapaxes(pool.images, 1, 2)) for pool in pools]
    first, key = 0, '-'.join(words_of(name))
    if key == LETTERS and min(pool.labels.min() for pool in pools) >= 1:
        first = 1
        pools = [pool._replace(labels=pool.labels - pool.labels.dtype.type(1)) for pool in pools]
        notes.append('its letters are labelled from 1: the unused class 0 was dropped')
    names = _class_names(directory / MAPPING.format(name=key), first)
    return RawDigits(*pools, names or raw.class_names, (*raw.notes, *notes))


def _class_names(path: Path, first: int) -> tuple[str, ...]:
    """The classes from label `first` on, of lines such as `1 65 97`: a label and its characters."""
    try:
        rows = [[int(word) for word in line.split()] for line in path.read_text().splitlines()]
        names = {row[0]: '/'.join(map(chr, row[1:])) for row in rows if len(row) > 1}
        return tuple(names[label] for label in range(first, first + len(names)))
    except (OSError, ValueError, KeyError, OverflowError):
        return ()  # They are a help to readers, and no reason to refuse the images.
