"""The cells of the study's tables."""

import pytest
import scipy.stats
from fake_study import DESIGN, made_results, made_trial

from pairjax.studies.factorial.analysis import Spread, effects
from pairjax.studies.factorial.design import DesignCell
from pairjax.studies.factorial.tables import (
    arm_rows,
    best_weight_rows,
    effect_table,
    spread_rows,
)

SHARED, SEPARATE = (DesignCell('AuxNet2', s, 2.0, 1000) for s in ('shared', 'separate'))
WITHOUT = SHARED._replace(aux_weight=0.0)


SHARING = ('network', 'against', 'aux weight', 'shared', 'other', 'n', 'difference [95 %]', 'p')
SHARING += ('adjusted p', 'seeds for 0.5 points')


@pytest.fixture
def results():
    cells = {
        SHARED: made_trial([0.90, 0.93, 0.91], 0.7),
        SEPARATE: made_trial({0: 0.88, 1: 0.90, 2: 0.90, 7: None}, rate=1e-2),
        WITHOUT: made_trial([0.85, 0.86, 0.84], 0.6, rate=1e-3),
    }
    return made_results(cells)


def test_sharing_shows_means_difference_and_the_seeds_that_half_a_point_needs(results):
    table = effect_table(results, effects(results, [(SHARED, SEPARATE)]), SHARING)
    row = [cell.strip() for cell in table.splitlines()[2].strip('|').split('|')]
    assert row[:6] == ['AuxNet2', 'separate', '2', '91.33', '89.33', '3']
    # Differences 2, 3 and 1 points: mean 2, std 1, t interval +-4.303 / sqrt(3).
    assert row[6:9] == ['+2.00 [-0.48, +4.48]', '0.250', '0.250']
    seeds, effect = int(row[9]), 0.5 / 1.0

    def power(n):
        critical = scipy.stats.t.ppf(0.975, n - 1)
        return scipy.stats.nct.sf(critical, n - 1, effect * n**0.5)

    assert power(seeds) >= 0.8 > power(seeds - 1)


def test_ends_of_the_learning_rate_grid_and_failed_seeds_are_marked(results):
    rows = arm_rows(DESIGN, results)
    assert [row[6] for row in rows] == ['0.005', '0.01 (end)', '0.001 (end)']
    assert [row[10] for row in rows] == ['-', '7', '-']
    assert rows[0][7:9] == ['3', '91.33 +- 1.53 [87.54, 95.13]']


def test_an_arm_is_named_with_what_compares(results):
    argmax = SHARED._replace(head='argmax', main_weight=0.0)
    cells = results.trials | {argmax: made_trial([0.97, 0.98, 0.96])}
    rows = arm_rows(DESIGN, made_results(cells))
    assert rows[0][:6] == ['AuxNet2', 'shared', 'learned', '1', '2', '1,000']
    assert rows[3][:6] == ['AuxNet2', 'shared', 'argmax', '0', '2', '1,000']


def test_the_best_weight_has_its_effect_and_weight_0_none(results):
    # Differences 5, 7 and 7 points: std 1.155, t interval +-4.303 * 1.155 / sqrt(3).
    aux = effects(results, [(SHARED, WITHOUT)])
    [first] = [row for row in best_weight_rows(DESIGN, results, aux) if 'shared' in row]
    assert first[:5] == ['AuxNet2', 'shared', '2', '3', '+6.33 [+3.46, +9.20]']
    cells = {**results.trials, WITHOUT: made_trial([0.85, 0.86, 0.84], 0.9)}
    [first, _] = best_weight_rows(DESIGN, made_results(cells), aux)
    assert first == ['AuxNet2', 'shared', '0', '-', '-', '-', '-']


def test_spread_shows_what_there_is(results):
    known = Spread(SHARED, SEPARATE, 1.25, 0.5, 2.0)
    rows = spread_rows(results, [known, known._replace(low=None), known._replace(ratio=None)])
    assert rows[0][3:5] == ['1.53', '1.15']
    assert [row[5] for row in rows] == ['1.25 [0.50, 2.00]', '1.25 [-]', '-']
