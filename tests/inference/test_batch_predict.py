"""Answers for a CSV of pairs, with a predictor whose answers are known beforehand."""

import csv
import io
import itertools
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pairjax.errors import UserError
from pairjax.inference.batch_predict import COLUMNS, answer_pairs, list_pairs, read_pairs
from pairjax.inference.image_preprocessing import Picture
from pairjax.inference.image_workers import PictureReader, read_all


class Sums:
    """Stands in for a network: a picture is all of one value, which is read as its digit."""

    def __init__(self, batch_size=3, has_digits=True):
        self.batch_size, self.has_digits, self.asked = batch_size, has_digits, []

    def __call__(self, pictures):
        values = pictures[:, :, 0, 0].astype(int)
        self.asked.append(len(values))
        digits = np.eye(10)[values] if self.has_digits else [[None, None]] * len(values)
        a, b = (np.array([pair[place] for pair in digits]) for place in (0, 1))
        return SimpleNamespace(
            holds=values[:, 0] <= values[:, 1],
            probability=values[:, 1] / 10,
            digits_a=a if self.has_digits else None,
            digits_b=b if self.has_digits else None,
        )


def read(path):
    """A picture of the digit in its name; x.png cannot be read, and 9 is a negative."""
    name = path.rsplit('/', 1)[-1]
    if name.startswith('x'):
        raise UserError(f'{name} is broken')
    value = int(name[0])
    return Picture(np.full((14, 14), value, np.float32), inverted=value == 9)


def answer(listed, out, predictor=None, read=read, advance=lambda step: None):
    """`answer_pairs` with threads that read."""
    with ThreadPoolExecutor(2) as threads:
        pictures = PictureReader(partial(threads.submit, read_all, read))
        return answer_pairs(listed, out, predictor or Sums(), pictures, advance)


def answers(directory, text, predictor=None, steps=None):
    path = directory / 'pairs.csv'
    path.write_text(text)
    out = io.StringIO()
    advance = (lambda step: None) if steps is None else steps.append
    counts = answer(list_pairs(path), out, predictor, advance=advance)
    header, *rows = csv.reader(io.StringIO(out.getvalue()))
    assert tuple(header) == COLUMNS
    return rows, counts


def test_every_row_is_answered_in_order(tmp_path):
    names = [f'{n}.png' for n in np.random.default_rng(0).integers(10, size=200)]
    pairs = list(zip(names[::2], names[1::2], strict=True))
    text = 'a,b\n' + ''.join(f'{a},{b}\n' for a, b in pairs)
    predictor, steps = Sums(batch_size=7), []
    rows, counts = answers(tmp_path, text, predictor, steps)
    expected = [
        [a, b, 'yes' if a <= b else 'no', f'{int(b[0]) / 10:.6f}', a[0], b[0], ''] for a, b in pairs
    ]
    assert rows == expected
    assert counts == (100, 0, 1)
    assert sum(predictor.asked) == sum(steps) == 100 and max(predictor.asked) == 7


def test_an_unreadable_picture_leaves_the_other_rows_alone(tmp_path):
    text = 'a,b\n1.png,2.png\nx.png,2.png\n1.png,x.png\n3.png\n\n3.png,2.png\n'
    rows, counts = answers(tmp_path, text)
    assert [row[2] for row in rows] == ['yes', '', '', '', 'no']
    assert [row[6] for row in rows[:3]] == ['', 'x.png is broken', 'x.png is broken']
    assert rows[3][:2] == ['3.png', ''] and 'missing in this row' in rows[3][6]
    assert counts == (5, 3, 0)


def test_a_batch_of_unreadable_pictures_asks_nothing(tmp_path):
    predictor = Sums()
    rows, _ = answers(tmp_path, 'a,b\n' + 'x.png,1.png\n' * 3 + '1.png,1.png\n', predictor)
    assert predictor.asked == [1] and [row[2] for row in rows] == ['', '', '', 'yes']


def test_a_network_without_digit_heads_leaves_their_columns_empty(tmp_path):
    rows, _ = answers(tmp_path, 'a,b\n1.png,2.png\n', Sums(has_digits=False))
    assert rows == [['1.png', '2.png', 'yes', '0.200000', '', '', '']]


def test_columns_are_found_by_name_and_paths_from_the_csv(tmp_path):
    path = tmp_path / 'pairs.csv'
    # As Excel saves it: byte order mark, carriage returns, quotes.
    path.write_bytes('\ufeffid, b ,a\r\n7,"2, two.png",sub/1.png\r\n'.encode())
    assert list(read_pairs(path)) == [('sub/1.png', '2, two.png')]
    asked = []

    def read_and_note(name):
        asked.append(name)
        return read(name)

    answer(list_pairs(path), io.StringIO(), read=read_and_note)
    assert sorted(asked) == [str(tmp_path / '2, two.png'), str(tmp_path / 'sub' / '1.png')]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'columns a and b.*its columns are none'),
        (b'a;b\n1.png;2.png\n', "columns are 'a;b'"),
        (b'first,b\n', "columns are 'first', 'b'"),
        (b'a,b\n\xff\xfe\n', 'cannot be read as a CSV in UTF-8'),
    ],
)
def test_what_is_no_list_of_pairs_is_named(tmp_path, content, message):
    path = tmp_path / 'pairs.csv'
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(read_pairs(path))


def test_of_a_folder_every_ordered_pair_of_its_pictures_is_answered(tmp_path):
    pictures = ['1.png', '2.JPEG', '4.tif', 'x.gif']
    for name in (*reversed(pictures), 'notes.txt', 'answers.csv', 'film.mpg', '.3.png'):
        (tmp_path / name).touch()
    (tmp_path / '5.png').mkdir()
    listed, out = list_pairs(tmp_path), io.StringIO()
    assert listed.count == 12
    assert f'the 4 pictures in {tmp_path}; ' in listed.words and listed.words.endswith(': 3')
    assert answer(listed, out) == (12, 6, 0)
    _, *rows = csv.reader(io.StringIO(out.getvalue()))
    assert [tuple(row[:2]) for row in rows] == list(itertools.permutations(pictures, 2))
    for a, b, said, *_, error in rows:
        broken = 'x.gif' in (a, b)
        assert said == ('' if broken else 'yes' if a <= b else 'no')
        assert error == ('x.gif is broken' if broken else '')


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'iterdir', refuse)
    with pytest.raises(UserError, match=rf'{tmp_path} cannot be read \(Permission denied\)'):
        list_pairs(tmp_path)


def test_a_folder_without_two_pictures_is_named(tmp_path):
    (tmp_path / '1.png').touch()
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(UserError, match=f'{tmp_path} holds 1 files that are named like pictures'):
        list_pairs(tmp_path)


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r'none\.csv cannot be read'):
        list(read_pairs(tmp_path / 'none.csv'))


def test_an_error_that_is_no_user_s_mistake_stops_everything(tmp_path):
    path = tmp_path / 'pairs.csv'
    path.write_text('a,b\n1.png,2.png\n')

    def fail(path):
        raise MemoryError

    with pytest.raises(MemoryError):
        answer(list_pairs(path), io.StringIO(), read=fail)
