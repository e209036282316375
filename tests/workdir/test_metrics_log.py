"""metrics.jsonl: what an interruption or a damage leaves of it."""

import json

import pytest
from metrics_lines import line

from pairjax.errors import UserError
from pairjax.workdir.metrics_log import Metrics


def test_lines_come_back_as_they_went_in(tmp_path):
    metrics = Metrics(tmp_path)
    assert metrics.read() == []
    metrics.append([line(1), line(2) | {'train_loss': None, 'test_accuracy': 1 / 3}])
    metrics.append([line(3)])
    assert Metrics(tmp_path).read() == [
        line(1),
        line(2) | {'train_loss': None, 'test_accuracy': 1 / 3},
        line(3),
    ]
    assert len(metrics.path.read_text().splitlines()) == 3


def test_not_a_number_is_refused_and_nothing_appended(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.append([line(1)])
    with pytest.raises(ValueError):
        metrics.append([line(2), line(3) | {'train_loss': float('nan')}])
    assert metrics.read() == [line(1)]


def test_replacing_leaves_only_the_new_lines(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.append([line(1), line(2), line(3)])
    metrics.replace([line(3), line(1)])
    assert metrics.read() == [line(3), line(1)]
    assert [path.name for path in tmp_path.iterdir()] == ['metrics.jsonl']


def test_a_line_of_a_trial_that_does_not_exist_is_named_by_its_number(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.append([line(1), line(1, trial=2)])
    assert len(metrics.read(3)) == 2
    with pytest.raises(UserError, match=r'line 2 is of trial 2, but the experiment has 2 trials'):
        metrics.read(2)


def test_a_cut_off_last_line_is_left_out(tmp_path):
    metrics = Metrics(tmp_path)
    metrics.append([line(1), line(2)])
    metrics.path.write_text(metrics.path.read_text()[:-9])
    assert metrics.read() == [line(1)]


@pytest.mark.parametrize('damage', [b'{"trial": 0, "se', b'\x00\x00', b'\xff\xfe', b''])
def test_a_damaged_line_in_the_middle_is_named_by_its_number(tmp_path, damage):
    metrics = Metrics(tmp_path)
    good = json.dumps(line(1)).encode()
    metrics.path.write_bytes(good + b'\n' + damage + b'\n' + good + b'\n')
    with pytest.raises(UserError, match=r'metrics\.jsonl, line 2 '):
        metrics.read()
