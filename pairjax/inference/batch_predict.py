"""Answers for a CSV of pairs or all pairs of a folder, row by row, however many. No jax in here."""

import csv
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from pairjax.errors import UserError
from pairjax.inference.image_preprocessing import Picture, picture_names
from pairjax.inference.image_workers import PictureReader

COLUMNS = ('a', 'b', 'answer', 'probability', 'digit_a', 'digit_b', 'error')
# Batches whose pictures are being read while one is asked.
BATCHES_AHEAD = 4
MISSING = 'a or b is missing in this row; it must name two pictures'


class PairList(NamedTuple):
    """Pairs to be answered.

    pairs: the two names of each, relative to `folder`. count: how many there are. words: what
    there is to say of them beforehand, or ''.
    """

    folder: Path
    pairs: Iterable[tuple[str, str]]
    count: int
    words: str


class Counts(NamedTuple):
    """What became of a list: its pairs, those without an answer, and the pictures inverted."""

    pairs: int
    failed: int
    inverted: int


def list_pairs(path: Path) -> PairList:
    """The rows of a CSV, see `read_pairs`; of a folder every ordered pair of two of its pictures.

    A folder's pictures are the files right in it whose names end like a picture's, in the order
    of their names.

    Raises: UserError where the CSV cannot be read, or the folder has fewer than two pictures.
    """
    if not path.is_dir():
        return PairList(path.parent, read_pairs(path), sum(1 for _ in read_pairs(path)), '')
    names, num_others = picture_names(path)
    if len(names) < 2:
        raise UserError(
            f'{path} holds {len(names)} files that are named like pictures (.png, .jpg and so '
            'on); two or more make pairs'
        )
    words = f'every ordered pair of the {len(names):,} pictures in {path}'
    if num_others:
        words += f'; left out, not being named like pictures: {num_others:,}'
    return PairList(path, itertools.permutations(names, 2), len(names) * (len(names) - 1), words)


def read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """The columns a and b of a CSV with a header, row by row; '' where a row is too short.

    Raises: UserError where it is missing, no text, or lacks a column.
    """
    try:
        # Excel begins its files with a byte order mark.
        with path.open(newline='', encoding='utf-8-sig') as file:
            rows = csv.reader(file)
            header = [name.strip() for name in next(rows, [])]
            if not {'a', 'b'} <= set(header):
                found = ', '.join(map(repr, header)) or 'none'
                raise UserError(
                    f'{path} must begin with a header that has the columns a and b, separated by '
                    f'commas; its columns are {found}'
                )
            places = [header.index(name) for name in ('a', 'b')]
            for row in rows:
                if row:
                    a, b = (row[place].strip() if place < len(row) else '' for place in places)
                    yield a, b
    except OSError as error:
        raise UserError(f'{path} cannot be read ({error.strerror}); name a CSV of pairs') from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f'{path} cannot be read as a CSV in UTF-8 ({error})') from None


def answer_pairs(
    listed: PairList,
    out: TextIO,
    predictor: Any,
    pictures: PictureReader,
    advance: Callable[[int], None],
) -> Counts:
    """Writes a CSV with an answer for each pair of a list, in its order.

    A picture that cannot be read leaves its row without an answer and says why in its last
    column; the others go on.

    Args:
      listed: the pairs.
      out: where the rows of `COLUMNS` go.
      predictor: answers for arrays of pictures, a `prediction.Predictor`.
      pictures: reads them.
      advance: called with the number of rows that were just written.

    Raises: UserError where the CSV cannot be read.
    """
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(COLUMNS)
    num_pairs = num_failed = 0
    inverted = set()
    for pairs, requested in _requested_ahead(listed, pictures, predictor.batch_size):
        both = [[one.result() if one else MISSING for one in pair] for pair in requested]
        answers = _answers(predictor, both)
        writer.writerows((*pair, *answer) for pair, answer in zip(pairs, answers, strict=True))
        advance(len(pairs))
        num_pairs += len(pairs)
        num_failed += sum(answer[-1] != '' for answer in answers)
        read = zip(itertools.chain(*pairs), itertools.chain(*both), strict=True)
        inverted.update(n for n, one in read if isinstance(one, Picture) and one.inverted)
    return Counts(num_pairs, num_failed, len(inverted))


def _requested_ahead(listed: PairList, pictures: PictureReader, size: int) -> Iterator[tuple]:
    """Batches of pairs with their pictures, which are being read from some batches ahead on."""
    waiting, rows = deque(), iter(listed.pairs)
    while pairs := list(itertools.islice(rows, size)):
        paths = [os.path.join(listed.folder, name) for pair in pairs for name in pair if name]
        requested = iter(pictures.request(paths))
        waiting.append((pairs, [[next(requested) if n else None for n in p] for p in pairs]))
        if len(waiting) > BATCHES_AHEAD:
            yield waiting.popleft()
    yield from waiting


def _answers(predictor: Any, both: Sequence[Sequence[Picture | str]]) -> list[tuple]:
    """The columns from answer to error of pairs of pictures, or of sentences instead of them."""
    errors = [next((one for one in pair if isinstance(one, str)), '') for pair in both]
    good = [[one.image for one in p] for p, e in zip(both, errors, strict=True) if not e]
    texts = iter(answer_texts(predictor(np.array(good))) if good else ())
    return [('', '', '', '', error) if error else (*next(texts), '') for error in errors]


def answer_texts(answers: Any) -> list[tuple[str, str, str, str]]:
    """Answer, probability, digit a and digit b of each pair, as the CSV has them."""
    digits = [
        [''] * len(answers.holds) if read is None else read.argmax(axis=1).tolist()
        for read in (answers.digits_a, answers.digits_b)
    ]
    holds = ['yes' if value else 'no' for value in answers.holds]
    probabilities = [f'{value:.6f}' for value in answers.probability]
    return list(zip(holds, probabilities, *digits, strict=True))
