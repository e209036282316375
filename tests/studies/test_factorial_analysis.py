"""Paired effects over common seeds: matching, families, interaction, doubling, spread."""

import json

import numpy as np
import pytest
import scipy.stats
from fake_study import DESIGN, SMALL, gains, made_results, made_trial, train_nothing

from pairjax.analysis.statistics import holm
from pairjax.errors import UserError
from pairjax.studies.factorial.analysis import (
    analyse,
    best_weights,
    effects,
    read_study,
    skewed,
    spreads,
)
from pairjax.studies.factorial.design import DesignCell
from pairjax.studies.factorial.running import run_study

SHARED, SEPARATE = (
    {w: DesignCell('AuxNet2', sharing, w, 1000) for w in (0.0, 2.0)}
    for sharing in ('shared', 'separate')
)


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """Made-up runs of the whole small study with known gains."""
    workdir = tmp_path_factory.mktemp('study')
    run = train_nothing(gains(sharing=0.02, aux=0.03, both=-0.01, no_head=0.04))
    return read_study(DESIGN, run_study(DESIGN, workdir, run))


def test_an_effect_is_the_mean_difference_of_the_seeds_that_both_have():
    """Seeds are matched by number, not by place."""
    a = made_trial({0: 0.9, 1: 0.8, 2: None, 3: 0.7})
    b = made_trial({3: 0.4, 2: 0.1, 1: 0.6, 0: 0.9})
    results = made_results({SHARED[0.0]: a, SEPARATE[0.0]: b})
    [effect] = effects(results.test_accuracy, [(SHARED[0.0], SEPARATE[0.0])])
    differences = [0.0, 0.2, 0.3]
    assert effect.paired.n == 3
    assert effect.paired.mean == pytest.approx(0.5 / 3)
    expected = scipy.stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert effect.paired.ci95 == pytest.approx(tuple(expected))


def test_missing_cells_and_single_seeds_have_no_effect_and_no_place_in_the_family():
    three = made_trial({0: 0.9, 1: 0.8, 2: 0.7})
    cells = {
        SHARED[0.0]: three,
        SEPARATE[0.0]: made_trial({0: 0.1, 1: 0.2, 2: 0.3}),
        SHARED[2.0]: three,
        SEPARATE[2.0]: made_trial({0: 0.1, 8: 0.2, 9: 0.2}),
    }
    missing = DesignCell('AuxNet2', 'cut', 0.0, 1000)
    pairs = [(SHARED[0.0], SEPARATE[0.0]), (SHARED[2.0], SEPARATE[2.0]), (SHARED[0.0], missing)]
    [effect] = effects(made_results(cells).test_accuracy, pairs)
    assert (effect.a, effect.b) == pairs[0]
    assert effect.adjusted_p == effect.paired.p_value == 0.25


def test_interaction_is_the_difference_of_the_gains_seed_by_seed():
    """Worked by hand: gains with sharing .02 .05 .03, without .06 .07 .05, difference -.03."""
    cells = {
        SHARED[0.0]: made_trial({0: 0.90, 1: 0.80, 2: 0.85}),
        SHARED[2.0]: made_trial({0: 0.92, 1: 0.85, 2: 0.88}),
        SEPARATE[0.0]: made_trial({2: 0.80, 1: 0.75, 0: 0.70}),
        SEPARATE[2.0]: made_trial({2: 0.85, 1: 0.82, 0: 0.76}),
    }
    [effect] = analyse(DESIGN, made_results(cells))['interaction']
    assert effect.paired.n == 3
    assert effect.paired.mean == pytest.approx((-0.04 - 0.02 - 0.02) / 3)
    assert effect.paired.std == pytest.approx(np.std([-0.04, -0.02, -0.02], ddof=1))
    assert effect.paired.p_value == 0.25


def test_interaction_needs_all_four_corners_of_a_seed():
    values = {s: 0.8 + s / 100 for s in range(4)}
    cells = {cell: made_trial(values) for cells in (SHARED, SEPARATE) for cell in cells.values()}
    cells[SEPARATE[0.0]] = made_trial({**values, 2: None})
    [effect] = analyse(DESIGN, made_results(cells))['interaction']
    assert effect.paired.n == 3
    del cells[SHARED[0.0]]
    assert analyse(DESIGN, made_results(cells))['interaction'] == []


def test_known_gains_are_found(results):
    findings = analyse(DESIGN, results)
    sharing = {(r.a.network, r.b.sharing, r.a.aux_weight): r.paired for r in findings['sharing']}
    assert set(sharing) == {
        (network, other, weight)
        for network, others in (('AuxNet2', ('separate', 'cut')), ('DeepModel', ('separate',)))
        for other in others
        for weight in (0.0, 2.0)
    }
    for (_, _, weight), paired in sharing.items():
        gain = 0.01 if weight else 0.02
        assert paired.ci95[0] < gain < paired.ci95[1] and paired.n == 6
    aux = {(r.a.network, r.a.sharing): r for r in findings['aux']}
    assert len(aux) == len(findings['aux']) == 5
    for (_, how), row in aux.items():
        low, high = row.paired.ci95
        assert low < (0.02 if how == 'shared' else 0.03) < high
        assert (row.a.aux_weight, row.b.aux_weight) == (2.0, 0.0)
    for row in findings['interaction']:
        assert row.paired.ci95[0] < -0.01 < row.paired.ci95[1]
    assert [(row.a.sharing, row.a.head, row.a.main_weight) for row in findings['heads']] == [
        (sharing, *head) for sharing in ('shared', 'separate') for head in SMALL.heads
    ]
    for row in findings['heads']:
        assert row.b == DesignCell('AuxNet2', row.a.sharing, 2.0, 1000) and row.paired.n == 6
        assert row.paired.ci95[0] < 0.04 < row.paired.ci95[1]


def test_each_family_is_adjusted_for_itself(results):
    findings = analyse(DESIGN, results)
    for family in (
        findings['sharing'],
        findings['aux'],
        findings['interaction'],
        findings['doubling'],
    ):
        assert [row.adjusted_p for row in family] == holm([row.paired.p_value for row in family])
    assert len(findings['sharing']) == 6
    assert any(row.adjusted_p > row.paired.p_value for row in findings['sharing'])


def test_doubling_sets_n_against_twice_n(results):
    rows = analyse(DESIGN, results)['doubling']
    sizes = [(row.a.train_pairs, row.b.train_pairs) for row in rows]
    assert sizes == [(250, 500), (500, 1000)] * 2
    row = rows[0]
    expected = results.test_accuracy(row.a).mean() - results.test_accuracy(row.b).mean()
    assert row.paired.mean == pytest.approx(expected)
    assert (row.a.sharing, row.b.sharing) == ('shared', 'separate')


def test_same_size_takes_the_full_number_from_the_main_part(results):
    rows = analyse(DESIGN, results)['same_size']
    assert [(r.a.aux_weight, r.a.train_pairs, r.b.train_pairs) for r in rows] == [
        (weight, size, size) for weight in (0.0, 2.0) for size in (250, 500, 1000)
    ]


def test_spread_is_the_ratio_of_stds(results):
    rows = spreads(results, analyse(DESIGN, results)['sharing'])
    assert len(rows) == 6
    for row in rows:
        a, b = (results.test_accuracy(cell) for cell in row['effect'][:2])
        assert row['ratio'] == pytest.approx(a.std() / b.std())
        assert row['low'] < row['ratio'] < row['high']


def test_differences_that_are_skewed_are_told_from_symmetric_ones():
    quantiles = (np.arange(40) + 0.5) / 40
    differences = {0.0: -np.log(quantiles), 2.0: scipy.stats.norm.ppf(quantiles)}
    cells = {}
    for weight, values in differences.items():
        below = np.random.default_rng(0).uniform(0.4, 0.6, 40)
        cells[SEPARATE[weight]] = made_trial(dict(enumerate(below)))
        cells[SHARED[weight]] = made_trial(dict(enumerate(below + 0.02 * values)))
    made = made_results(cells)
    sharing = analyse(DESIGN, made)['sharing']
    (skewness, p), (other, other_p) = skewed(made, sharing)
    assert 1.3 < skewness < 2 and p < 0.001 and abs(other) < 1e-6 and other_p > 0.99
    few = {cell: made_trial({s: 0.5 + 0.01 * s for s in range(7)}) for cell in cells}
    assert skewed(made_results(few), sharing) == []


def test_the_best_weight_is_chosen_on_validation():
    tests = {0: 0.9, 1: 0.9}
    cells = {
        SHARED[0.0]: made_trial(tests, {0: 0.1, 1: 0.3}),
        SHARED[2.0]: made_trial({0: 0.5, 1: 0.5}, {0: 0.2, 1: 0.4}),
        SEPARATE[0.0]: made_trial(tests, {0: 0.6, 1: 0.6}),
        SEPARATE[2.0]: made_trial({0: 0.95, 1: 0.95}, {0: 0.5, 1: 0.5}),
    }
    best = best_weights(DESIGN, made_results(cells))
    assert best == [SHARED[2.0], SEPARATE[0.0]]


def test_failed_seeds_are_left_out_where_results_are_read(tmp_path):
    run = train_nothing(gains(), failed=(2,))
    results = read_study(DESIGN, run_study(DESIGN, tmp_path, run))
    assert results.trials[SHARED[2.0]].failed_seeds == [2]
    assert results.test_accuracy(SHARED[2.0]).index.tolist() == [0, 1, 3, 4, 5]
    assert all(row.paired.n == 5 for row in analyse(DESIGN, results)['sharing'])


def test_a_summary_that_contradicts_itself_is_refused(tmp_path):
    workdirs = run_study(DESIGN, tmp_path, train_nothing(gains()))
    path = tmp_path / SMALL.name / 'summary.json'
    summary = json.loads(path.read_text())
    summary['trials'][0]['final_test_accuracy']['mean'] = 0.9
    path.write_text(json.dumps(summary))
    with pytest.raises(UserError, match=r'summary\.json contradicts itself'):
        read_study(DESIGN, workdirs)


def test_parts_that_saw_other_digits_are_refused(tmp_path):
    workdirs = run_study(DESIGN, tmp_path, train_nothing(gains()))
    path = tmp_path / SMALL.name / 'summary.json'
    summary = json.loads(path.read_text())
    summary['data']['fingerprint'] = 'other'
    path.write_text(json.dumps(summary))
    with pytest.raises(UserError, match='AuxNet2 was trained on other digits'):
        read_study(DESIGN, workdirs)
