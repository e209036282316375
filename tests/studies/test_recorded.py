"""The statistics that the papers record: the same as their source, read as fractions."""

import json
from pathlib import Path

import pytest

from pairjax.studies.reproduction.recorded import (
    read_paper,
    recorded_final,
    recorded_learning_rates,
    recorded_widths,
)

REFERENCE = Path(__file__).resolve().parents[3] / 'shared' / 'reference'


@pytest.fixture
def reference():
    if not REFERENCE.is_dir():
        pytest.skip('needs the recorded statistics in ../shared/reference')
    return lambda number: json.loads((REFERENCE / f'report{number}_recorded.json').read_text())


def without_prefix(row):
    names = {'rounds': 'n', 'value': 'learning_rate'}
    return {names.get(name, name.removeprefix('best_test_accuracy_')): v for name, v in row.items()}


def test_first_paper_agrees_with_its_source(reference):
    source, ours = reference(1), read_paper(1)
    rows = {m: [without_prefix(row) for row in r] for m, r in source['architecture_sweep'].items()}
    assert ours['widths'] == rows
    assert ours['num_widths'] == source['architecture_counts']
    rates = source['learning_rate_sweep']
    assert ours['learning_rates'] == rates | {'rows': [without_prefix(r) for r in rates['rows']]}


def test_second_paper_agrees_with_its_source(reference):
    source, ours = reference(2), read_paper(2)
    headline = [{'mean': row.pop('test_accuracy'), 'n': 10, **row} for row in source['headline']]
    assert ours['final'] == headline and '10 rounds' in source['note']
    assert ours['grid'] == source['grid']


def test_statistics_are_fractions_by_what_they_belong_to():
    best = recorded_widths('AuxNet2')[32, 32, 64, 256]
    assert best == {'mean': pytest.approx(0.9382), 'std': pytest.approx(0.00432), 'n': 5}
    counts = read_paper(1)['num_widths']
    assert {m: len(recorded_widths(m)) for m in counts} == counts | {'AuxNet1': 0}
    assert recorded_learning_rates()[0.005]['mean'] == pytest.approx(0.9348)
    assert recorded_final('ShallowModel') == {'mean': pytest.approx(0.785), 'std': None, 'n': 10}
    deep = [recorded_final('DeepModel', weight_sharing=shared)['mean'] for shared in (True, False)]
    assert deep == pytest.approx([0.943, 0.922])
    assert recorded_final('AuxNet2') is None
