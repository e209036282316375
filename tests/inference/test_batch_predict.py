"""Predictions for a CSV of pairs, with a predictor whose predictions are known beforehand."""

import csv
import io
import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pairjax.errors import UserError
from pairjax.inference import batch_predict
from pairjax.inference.batch_predict import COLUMNS, list_pairs, predict_pairs, read_pairs
from pairjax.inference.image_preprocessing import PreparedImage
from pairjax.inference.image_workers import read_or_explain


class Sums:
    """A network for which an image is of one value, the predicted digit."""

    class_names = tuple('0123456789')

    def __init__(self, batch_size=3, has_digits=True):
        self.batch_size, self.has_digits, self.sizes = batch_size, has_digits, []

    def __call__(self, pixels):
        values = pixels[:, :, 0, 0].astype(int)
        self.sizes.append(len(values))
        digits = np.eye(10)[values] if self.has_digits else [[None, None]] * len(values)
        a, b = (np.array([pair[place] for pair in digits]) for place in (0, 1))
        return SimpleNamespace(
            holds=values[:, 0] <= values[:, 1],
            probability=values[:, 1] / 10,
            digits_a=a if self.has_digits else None,
            digits_b=b if self.has_digits else None,
        )


def read(path):
    """An image of the digit in its name; x.png cannot be read, and 9 is inverted."""
    name = path.rsplit('/', 1)[-1]
    if name.startswith('x'):
        raise UserError(f'{name} is broken')
    value = int(name[0])
    return PreparedImage(np.full((14, 14), value, np.float32), inverted=value == 9)


class Worker:
    """Reads images one by one when they are needed; notes each path when it is requested."""

    def __init__(self, read=read):
        self.read, self.requested = read, []

    def __call__(self, paths):
        self.requested.append(list(paths))
        return (read_or_explain(self.read, path) for path in paths)


def predict(directory, text, predictor=None, advance=lambda step: None, worker=None):
    """The rows of the CSV that `predict_pairs` writes for a CSV, and what it counts."""
    path = directory / 'pairs.csv'
    path.write_text(text)
    return predict_listed(list_pairs(path), predictor, advance, worker)


def predict_listed(listed, predictor=None, advance=lambda step: None, worker=None):
    out = io.StringIO()
    counts = predict_pairs(listed, out, predictor or Sums(), worker or Worker(), advance)
    header, *rows = csv.reader(io.StringIO(out.getvalue()))
    assert tuple(header) == COLUMNS
    return rows, counts


def test_every_row_has_a_prediction_in_order(tmp_path):
    names = [f'{n}.png' for n in np.random.default_rng(0).integers(10, size=200)]
    pairs = list(zip(names[::2], names[1::2], strict=True))
    text = 'a,b\n' + ''.join(f'{a},{b}\n' for a, b in pairs)
    predictor, steps = Sums(batch_size=7), []
    rows, counts = predict(tmp_path, text, predictor, steps.append)
    expected = [
        [a, b, 'yes' if a <= b else 'no', f'{int(b[0]) / 10:.6f}', a[0], b[0], '', '']
        for a, b in pairs
    ]
    assert rows == expected
    assert counts == (100, 0, 1, 0)
    assert sum(predictor.sizes) == sum(steps) == 100 and max(predictor.sizes) == 7


def test_an_unreadable_image_leaves_the_other_rows_alone(tmp_path):
    text = 'a,b\n1.png,2.png\nx.png,2.png\n1.png,x.png\n3.png\n\n3.png,2.png\n'
    rows, counts = predict(tmp_path, text)
    assert [row[2] for row in rows] == ['yes', '', '', '', 'no']
    assert [row[6] for row in rows[:3]] == ['', 'x.png is broken', 'x.png is broken']
    assert rows[3][:2] == ['3.png', ''] and 'missing in this row' in rows[3][6]
    assert counts == (5, 3, 0, 0)


def test_for_a_batch_of_unreadable_images_nothing_is_predicted(tmp_path):
    predictor = Sums()
    rows, _ = predict(tmp_path, 'a,b\n' + 'x.png,1.png\n' * 3 + '1.png,1.png\n', predictor)
    assert predictor.sizes == [1] and [row[2] for row in rows] == ['', '', '', 'yes']


def test_a_network_without_digit_heads_leaves_their_columns_empty(tmp_path):
    rows, _ = predict(tmp_path, 'a,b\n1.png,2.png\n', Sums(has_digits=False))
    assert rows == [['1.png', '2.png', 'yes', '0.200000', '', '', '', '']]


def test_columns_are_found_by_name_and_paths_from_the_csv(tmp_path):
    path = tmp_path / 'pairs.csv'
    # As Excel saves it: byte order mark, carriage returns, quotes.
    path.write_bytes('\ufeffid, b ,a\r\n7,"2, two.png",sub/1.png\r\n'.encode())
    assert list(read_pairs(path)) == [('sub/1.png', '2, two.png')]
    worker = Worker()
    predict_listed(list_pairs(path), worker=worker)
    assert worker.requested == [[str(tmp_path / 'sub' / '1.png'), str(tmp_path / '2, two.png')]]


def test_each_image_is_read_once_while_it_is_cached(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_predict, 'CACHED_IMAGES', 4)
    rows = ['1,2', '1,3', '4,1', '5,1', '2,5', '1,1']
    worker, text = Worker(), 'a,b\n' + '\n'.join(rows)
    found, _ = predict(tmp_path, text, Sums(batch_size=1), worker=worker)
    names = [[path.rsplit('/', 1)[-1] for path in paths] for paths in worker.requested]
    # 5 takes the place of 2, which had not been used for longest.
    assert names == [['1', '2'], ['3'], ['4'], ['5'], ['2'], []]
    assert [(row[0], row[4], row[1], row[5]) for row in found] == [
        (a, a, b, b) for a, b in (row.split(',') for row in rows)
    ]


def test_a_batch_of_more_images_than_are_cached_is_predicted(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_predict, 'CACHED_IMAGES', 2)
    rows, _ = predict(tmp_path, 'a,b\n' + '1,2\n3,4\n' * 4, Sums(batch_size=4))
    assert [row[4:6] for row in rows] == [['1', '2'], ['3', '4']] * 4


def test_images_are_requested_some_batches_ahead_and_no_more(tmp_path):
    worker, ahead = Worker(), []
    text = 'a,b\n' + ''.join(f'{n},{n}\n' for n in range(9))
    predict(
        tmp_path, text, Sums(batch_size=1), lambda _: ahead.append(len(worker.requested)), worker
    )
    assert ahead == [5, 6, 7, 8, 9, 9, 9, 9, 9]


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


def test_of_a_folder_every_ordered_pair_of_its_images_is_predicted(tmp_path):
    images = ['1.png', '2.JPEG', '4.tif', 'x.gif']
    for name in (*reversed(images), 'notes.txt', 'answers.csv', 'film.mpg', '.3.png'):
        (tmp_path / name).touch()
    (tmp_path / '5.png').mkdir()
    listed = list_pairs(tmp_path)
    assert listed.count == 12
    assert f'the 4 images in {tmp_path}; ' in listed.note and listed.note.endswith(': 3')
    rows, counts = predict_listed(listed)
    assert counts == (12, 6, 0, 0)
    assert [tuple(row[:2]) for row in rows] == list(itertools.permutations(images, 2))
    for a, b, answer, *_, error, _ in rows:
        broken = 'x.gif' in (a, b)
        assert answer == ('' if broken else 'yes' if a <= b else 'no')
        assert error == ('x.gif is broken' if broken else '')


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(Path, 'iterdir', refuse)
    with pytest.raises(UserError, match=rf'{tmp_path} cannot be read \(Permission denied\)'):
        list_pairs(tmp_path)


def test_a_folder_without_two_images_is_named(tmp_path):
    (tmp_path / '1.png').touch()
    (tmp_path / 'notes.txt').touch()
    with pytest.raises(UserError, match=f'{tmp_path} holds 1 images'):
        list_pairs(tmp_path)


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r'none\.csv cannot be read'):
        list(read_pairs(tmp_path / 'none.csv'))


def test_a_bug_costs_the_rows_of_its_image_alone(tmp_path):
    def fail(path):
        return read(path) if not path.endswith('3.png') else {}['no such field']

    rows, counts = predict(tmp_path, 'a,b\n1.png,2.png\n3.png,2.png\n', worker=Worker(fail))
    assert [row[2] for row in rows] == ['yes', ''] and counts == (2, 1, 0, 0)
    assert "3.png cannot be prepared (KeyError: 'no such field')" in rows[1][6]
