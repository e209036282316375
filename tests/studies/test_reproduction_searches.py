"""The second paper's searches beside the stored ones, on made searches."""

import numpy as np
import pandas as pd
import pytest
from made_results import make_results, make_trial

from pairjax.analysis.results import MissingError
from pairjax.studies.reproduction import document
from pairjax.studies.reproduction.recorded import recorded_search
from pairjax.studies.reproduction.results import (
    AUX_WEIGHT,
    BATCH_SIZE,
    LEARNING_RATE,
    WIDTHS,
)
from pairjax.studies.reproduction.searches import epochs_table, read_search, search_table

NUM_SEEDS = 5


def searched(network, accuracies, noise=0.01, **options):
    """A search with the cells that are stored; best epochs around `accuracies` with noise."""
    generator, trials = np.random.default_rng(0), []
    draws = noise * generator.standard_normal((len(accuracies), NUM_SEEDS))
    for cell, mean, draw in zip(
        recorded_search(network).itertuples(), accuracies, draws, strict=True
    ):
        fields = {WIDTHS: [int(cell.hidden)], BATCH_SIZE: int(cell.batch_size)}
        fields |= {LEARNING_RATE: cell.learning_rate, AUX_WEIGHT: float(cell.aux_weight)}
        bests = np.clip(mean + draw, 0, 1).tolist()
        trials.append(make_trial([b - 0.02 for b in bests], bests, fields=fields, **options))
    return make_results({f'{network}_search': trials})


def test_each_seed_is_a_whole_search():
    stored = recorded_search('deep_shared').accuracy
    search = read_search(searched('deep_shared', stored, noise=0.003), 'deep_shared')
    assert search.table.shape == (NUM_SEEDS, 81) and len(search.recorded) == 81
    # Every cell met its own record.
    assert (search.table.mean() - search.recorded).abs().max() < 0.03
    assert search.recorded_best == search.recorded.max() == pytest.approx(0.943)
    assert search.maxima.to_dict() == search.table.max(axis=1).to_dict()
    assert abs(search.best.mean) < 0.005 and search.percentile < 60


def test_a_search_that_cannot_reach_the_recorded_maximum_says_so():
    stored = recorded_search('shallow').accuracy
    low = read_search(searched('shallow', stored - 0.1), 'shallow')
    assert low.best.ci95[1] < 0 and low.percentile > 99
    inside, cells = low.within
    assert cells == 27 and inside < 5
    same = read_search(searched('shallow', stored), 'shallow')
    assert same.within[0] >= 24


def test_ranks_agree_as_far_as_one_run_a_cell_lets_them():
    stored = recorded_search('shallow').accuracy
    search = read_search(searched('shallow', stored, noise=0.03), 'shallow')
    rho, low, high = search.correlation
    assert low < rho < high and rho > 0.8
    single, mean = search.expected_correlations
    # Against a mean of four seeds less is lost to noise than against one.
    assert 0.3 < single < mean < 1
    by_hand = [
        search.table.loc[a].corr(search.table.loc[b], method='spearman')
        for a in range(NUM_SEEDS)
        for b in range(a)
    ]
    assert single == pytest.approx(np.mean(by_hand))
    reversed_order = searched('shallow', 1 - stored, noise=0.001)
    assert read_search(reversed_order, 'shallow').correlation[0] == pytest.approx(-1, abs=0.1)


def test_what_luck_buys_is_of_cells_and_epochs_together():
    """Cells and epochs alike but for noise: choosing adds about the noise's expected maximum."""
    alike = searched('shallow', pd.Series([0.8] * 27), noise=0.01)
    gain = read_search(alike, 'shallow').gain_of_cell_and_epoch
    # The largest of 27 normal draws lies 2.1 std above the mean in expectation.
    assert 0.012 < gain['mean'] < 0.03
    ((_, *epochs), *_) = epochs_table(alike['shallow_search'].trials[0]).itertuples(), None
    assert len(epochs) == NUM_SEEDS - 1


def test_the_table_has_ours_and_the_stored_run_of_each_cell():
    stored = recorded_search('deep').accuracy
    search = read_search(searched('deep', stored, noise=0), 'deep')
    lines = search_table(search, 'deep')
    rates = [f'learning rate {rate}' for rate in ('0.0001', '0.001', '0.01')]
    assert lines[0] == ['batch size', 'hidden size', 'w', *rates]
    assert len(lines) == 28
    rows = {tuple(line[:3]): line[3:] for line in lines[1:]}
    assert rows['1', '100', '0.5'][1] == '**92.2 +- 0.0 (92.2)**'
    assert rows['250', '100', '0'] == [f'{a} +- 0.0 ({a})' for a in (80.5, 84.4, 70.4)]
    shallow = searched('shallow', recorded_search('shallow').accuracy)
    assert search_table(read_search(shallow, 'shallow'), 'shallow')[0][:2] == lines[0][:2]


def test_failed_seeds_and_missing_searches():
    stored = recorded_search('shallow').accuracy
    results = searched('shallow', stored)
    trials = results['shallow_search'].trials
    fields = trials[-1].hyperparameters
    trials[-1] = make_trial([None] * NUM_SEEDS, fields=fields)
    search = read_search(make_results({'shallow_search': trials}), 'shallow')
    assert search.correlation[0] > 0.8 and search.expected_correlations[0] > 0.5
    assert search.within[1] == 26
    with pytest.raises(MissingError, match='deep_search did not finish'):
        read_search(results, 'deep')


def test_the_document_says_what_luck_buys(tmp_path, monkeypatch):
    monkeypatch.setattr(document, 'draw_plots', lambda *_: None)
    results = searched('shallow', recorded_search('shallow').accuracy)
    text = document.reproduction_document((2,), results, tmp_path, quick=False)
    _, _, below = text.partition('### What luck buys\n')
    (row,) = [line for line in below.split('\n') if line.startswith('| ShallowModel')]
    cells = [cell.strip() for cell in row.strip('| ').split(' | ')]
    assert cells[:2] == ['ShallowModel', '78.5'] and cells[2].endswith('(n = 5)')
    assert cells[3].endswith(' %') and cells[5:] == ['-', '-']
    assert 'DeepModel' not in below.partition('\n## ')[0]
