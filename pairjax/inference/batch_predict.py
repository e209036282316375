"""Predictions for many pairs of images: the rows of a CSV, or all pairs of a folder."""

import csv
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from pairjax.errors import UserError
from pairjax.inference.image_files import list_images
from pairjax.inference.image_preprocessing import PreparedImage, image_note

COLUMNS = ('a', 'b', 'answer', 'probability', 'digit_a', 'digit_b', 'error', 'note')
# Batches whose images are read while the network predicts for one.
BATCHES_AHEAD = 4
# 800 bytes each.
CACHED_IMAGES = 50_000
MISSING = 'a or b is missing in this row; it must name two images'


class PairList(NamedTuple):
    """Pairs of images to predict for.

    Attributes:
      folder: of the images.
      pairs: the two file names of each pair, relative to `folder`.
      count: the number of pairs.
      note: what the user should know about them, or ''.
    """

    folder: Path
    pairs: Iterable[tuple[str, str]]
    count: int
    note: str


class PairCounts(NamedTuple):
    """Numbers of pairs, of those without a prediction, of inverted images, of pairs with a note."""

    pairs: int
    failed: int
    inverted: int
    noted: int


class PredictedPairs(NamedTuple):
    """A batch of pairs with what was read and predicted.

    Attributes:
      names: the two file names of each pair.
      images: of each pair the two images, or sentences why there is none.
      rows: the columns of each pair from answer to note.
      digit_probabilities: of each pair the probabilities of its two predicted digits, or None where
        there are none.
    """

    names: Sequence[tuple[str, str]]
    images: Sequence[Sequence[PreparedImage | str]]
    rows: Sequence[tuple]
    digit_probabilities: Sequence[tuple[float, float] | None]


def list_pairs(path: Path) -> PairList:
    """The rows of a CSV, see `read_pairs`, or every ordered pair of two images in a folder.

    Raises: UserError where the CSV cannot be read, or the folder has fewer than two images.
    """
    if not path.is_dir():
        return PairList(path.parent, read_pairs(path), sum(1 for _ in read_pairs(path)), '')
    names, num_others = list_images(path)
    if len(names) < 2:
        raise UserError(
            f'{path} holds {len(names)} images (files named .png, .jpg and so on); name a folder '
            'of two or more'
        )
    note = f'every ordered pair of the {len(names):,} images in {path}'
    if num_others:
        note += f'; files without the name of an image, left out: {num_others:,}'
    return PairList(path, itertools.permutations(names, 2), len(names) * (len(names) - 1), note)


def read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """The columns a and b of a CSV with a header, row by row; '' where a row is too short.

    Raises: UserError where the file is missing, is not a CSV in UTF-8, or lacks a column.
    """
    try:
        # Excel begins its files with a byte order mark.
        with path.open(newline='', encoding='utf-8-sig') as file:
            rows = csv.DictReader(file)
            rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
            if not {'a', 'b'} <= set(rows.fieldnames):
                found = ', '.join(map(repr, rows.fieldnames)) or 'none'
                raise UserError(
                    f'{path} must begin with a header that has the columns a and b, separated by '
                    f'commas; its columns are {found}'
                )
            for row in rows:
                yield (row['a'] or '').strip(), (row['b'] or '').strip()
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror}); name a CSV of pairs') from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f'{path} cannot be read as a CSV in UTF-8 ({error})') from None


def predict_pairs(
    listed: PairList,
    out: TextIO,
    predictor: Any,
    read: Callable[[Sequence[str]], Iterator[PreparedImage | str]],
    advance: Callable[[int], None],
    show: Callable[[PredictedPairs], None] = lambda batch: None,
) -> PairCounts:
    """Writes a CSV with a prediction for each pair of a list, in its order.

    Where an image cannot be read the row has no prediction and says why in its last column.

    Args:
      listed: the pairs.
      out: where the rows of `COLUMNS` go.
      predictor: a `predictor.Predictor`.
      read: starts to read images, as `image_workers` yields it.
      advance: called with the number of rows just written.
      show: called with each batch.

    Raises: UserError where the CSV cannot be read.
    """
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(COLUMNS)
    num_pairs, num_failed, num_noted, inverted = 0, 0, 0, set()
    for pairs, images in _read_ahead(listed, read, predictor.batch_size):
        inverted |= {n for n, i in images.items() if isinstance(i, PreparedImage) and i.inverted}
        images[''] = MISSING
        pairs_of_images = [[images[name] for name in pair] for pair in pairs]
        rows, probabilities = _prediction_columns(predictor, pairs_of_images)
        show(PredictedPairs(pairs, pairs_of_images, rows, probabilities))
        writer.writerows((*pair, *row) for pair, row in zip(pairs, rows, strict=True))
        advance(len(rows))
        num_pairs += len(rows)
        num_failed += sum(row[-2] != '' for row in rows)
        num_noted += sum(row[-1] != '' for row in rows)
    return PairCounts(num_pairs, num_failed, len(inverted), num_noted)


def _read_ahead(
    listed: PairList, read: Callable, size: int
) -> Iterator[tuple[list[tuple[str, str]], dict[str, PreparedImage | str]]]:
    """Batches of pairs with the images that they name, read since BATCHES_AHEAD batches before."""
    waiting, pairs_left = deque(), iter(listed.pairs)
    # By name, an image in a list that is empty until it has been read; least recently used first.
    cached: dict[str, list] = {}

    def next_batch():
        pairs, images, results = waiting.popleft()
        for image, result in results:
            image.append(result)
        return pairs, {name: image for name, (image,) in images.items()}

    while pairs := list(itertools.islice(pairs_left, size)):
        names = dict.fromkeys(name for pair in pairs for name in pair if name)
        new = [name for name in names if name not in cached]
        images = {name: cached.pop(name, []) for name in names}
        cached |= images
        for name in list(itertools.islice(cached, max(0, len(cached) - CACHED_IMAGES))):
            del cached[name]
        results = read([os.path.join(listed.folder, name) for name in new])
        waiting.append((pairs, images, zip([images[name] for name in new], results, strict=True)))
        if len(waiting) > BATCHES_AHEAD:
            yield next_batch()
    while waiting:
        yield next_batch()


def _prediction_columns(
    predictor: Any, read: Sequence[Sequence[PreparedImage | str]]
) -> tuple[list[tuple], list[tuple[float, float] | None]]:
    """The columns from answer to note for pairs of images or of sentences why there is none.

    Returns: the columns, and the probabilities of both digits as in `PredictedPairs`.
    """
    errors = [next((image for image in pair if isinstance(image, str)), '') for pair in read]
    good = [pair for pair, error in zip(read, errors, strict=True) if not error]
    rows, chances = [], []
    if good:
        predictions = predictor(np.array([[image.pixels for image in pair] for pair in good]))
        rows, chances = prediction_columns(predictions, predictor.class_names, good)
    rows, chances = iter(rows), iter(chances)
    return (
        [('', '', '', '', error, '') if error else next(rows) for error in errors],
        [None if error else next(chances) for error in errors],
    )


def prediction_columns(
    predictions: Any, class_names: Sequence[str], pairs: Sequence[Sequence[PreparedImage]]
) -> tuple[list[tuple], list[tuple[float, float] | None]]:
    """The columns of pairs that were predicted for, and the probabilities of their two digits.

    Args:
      predictions: a `predictor.Predictions` for the pairs.
      class_names: of the network.
      pairs: their images.
    """
    names, chances = [('', '')] * len(pairs), [None] * len(pairs)
    if predictions.digits_a is not None:
        both = np.stack([predictions.digits_a, predictions.digits_b], axis=1)
        chances = both.max(axis=2).tolist()
        names = np.array(class_names)[both.argmax(axis=2)].tolist()
    answers = ['yes' if holds else 'no' for holds in predictions.holds]
    probabilities = [f'{value:.6f}' for value in predictions.probability]
    notes = [pair_note(pair, chance) for pair, chance in zip(pairs, chances, strict=True)]
    columns = zip(answers, probabilities, names, notes, strict=True)
    return [(answer, value, *pair, '', note) for answer, value, pair, note in columns], chances


def pair_note(pair: Sequence[PreparedImage], chances: Sequence[float] | None) -> str:
    """What is doubtful about either image: 'a: two digits?; b: unsure'; '' if nothing is."""
    notes = [image_note(i, c) for i, c in zip(pair, chances or (None, None), strict=True)]
    return '; '.join(f'{name}: {note}' for name, note in zip('ab', notes, strict=True) if note)
