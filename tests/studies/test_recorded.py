"""The statistics that the papers record: the same as their source, read as fractions."""

import json
from pathlib import Path

import pytest

from pairjax.studies.reproduction.recorded import (
    read_paper,
    recorded_first_epochs,
    recorded_headline,
    recorded_learning_rates,
    recorded_rounds,
    recorded_search,
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


KEYS = {
    'shallow': 'ShallowModel',
    'deep': 'DeepModel not shared',
    'deep_shared': 'DeepModel shared',
}


@pytest.mark.parametrize(('place', 'name'), [(0, 'shallow'), (1, 'deep'), (2, 'deep_shared')])
def test_second_paper_agrees_with_its_source(reference, place, name):
    headline, ours = reference(2)['headline'][place], read_paper(2)['networks'][name]
    merged = {**ours['setting'], **ours['headline']}
    merged['test_accuracy'] = merged.pop('mean')
    assert headline.items() <= merged.items()
    assert set(merged) - set(headline) <= {'origin', 'aux_weight', 'weight_sharing'}


@pytest.mark.parametrize(('name', 'key'), KEYS.items())
def test_what_the_authors_stored_agrees_with_its_source(name, key):
    path = REFERENCE / 'report2_authors.json'
    if not path.exists():
        pytest.skip('needs the recorded statistics in ../shared/reference')
    theirs, ours = json.loads(path.read_text()), read_paper(2)['networks'][name]
    rounds = theirs['rounds'][key]
    names = {
        'final epoch': 'final_test_accuracy',
        'best epoch on test': 'best_epoch_test_accuracy',
        'first epoch with all train pairs right': 'first_epoch_with_all_train_pairs_right',
    }
    assert {n: ours['rounds'][n] for n in names} == {n: rounds[m] for n, m in names.items()}
    assert ours['rounds']['optimizer'] == rounds['optimizer']
    assert ours['rounds']['n'] == len(rounds['final_test_accuracy'])
    columns = [c.replace('accuracy', 'best_epoch_test_accuracy') for c in ours['search']['columns']]
    cells = [dict(zip(columns, cell, strict=True)) for cell in ours['search']['cells']]
    assert cells == theirs['search'][key]['cells']
    assert ours['search']['optimizer'] == theirs['search'][key]['optimizer']


def test_every_accuracy_says_what_it_is():
    best = recorded_widths('AuxNet2')[32, 32, 64, 256]
    assert (best['mean'], best['std']) == pytest.approx((0.9382, 0.00432))
    about = {'n': 5, 'epoch': 'best epoch on test', 'optimizer': 'adam'}
    assert about.items() <= best.items() and 'rounds' in best['origin']
    assert about.items() <= recorded_learning_rates()[0.005].items()
    counts = read_paper(1)['num_widths']
    assert {m: len(recorded_widths(m)) for m in counts} == counts | {'AuxNet1': 0}
    assert recorded_learning_rates()[0.005]['mean'] == pytest.approx(0.9348)
    shallow = recorded_headline('shallow')
    assert shallow['mean'] == pytest.approx(0.785) and shallow['std'] is None
    assert (shallow['n'], shallow['optimizer'], shallow['origin']) == (
        1,
        'sgd',
        'the largest of 27 cells',
    )


def test_rounds_are_summarized():
    final = recorded_rounds('deep', 'final epoch')
    # By hand: 85.80, and the std with n - 1.
    assert (final['mean'], final['std']) == pytest.approx((0.858, 0.04345), abs=1e-4)
    assert (final['n'], final['optimizer'], final['epoch']) == (10, 'sgd', 'final epoch')
    best = recorded_rounds('deep_shared', 'best epoch on test')
    assert best['mean'] == pytest.approx(0.8978)
    epochs = recorded_first_epochs('deep')
    assert epochs.isna().sum() == 6 and epochs.min() == 20


@pytest.mark.parametrize(('name', 'count'), [('shallow', 27), ('deep', 81), ('deep_shared', 81)])
def test_the_headline_is_the_largest_cell_of_its_search_at_the_reported_setting(name, count):
    cells, setting = recorded_search(name), read_paper(2)['networks'][name]['setting']
    assert len(cells) == count == len(cells.drop(columns='accuracy').drop_duplicates())
    best = cells.loc[cells.accuracy.idxmax()]
    assert best.accuracy == pytest.approx(recorded_headline(name)['mean'])
    for field in ('hidden', 'learning_rate', 'batch_size'):
        assert best[field] == setting[field]
    assert best.aux_weight == setting.get('aux_weight', 0)
