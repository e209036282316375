"""The cells of the study's tables, as its document shows them."""

import pytest
import scipy.stats
from fake_study import DESIGN, made_results, made_trial

from pairjax.studies.factorial.analysis import analyse
from pairjax.studies.factorial.design import DesignCell
from pairjax.studies.factorial.document import study_document

SHARED, SEPARATE = (DesignCell('AuxNet2', s, 2.0, 1000) for s in ('shared', 'separate'))
WITHOUT = SHARED._replace(aux_weight=0.0)


def rows_of(results, section, table=0):
    """The cells of a table in the section of the document with that title, row by row."""
    findings = analyse(DESIGN, results)
    text = study_document(DESIGN, results, findings, missing=[], quick=False)
    section = text.partition(f'## {section}\n')[2].partition('\n## ')[0]
    tables = [part for part in section.split('\n\n') if part.startswith('|')]
    lines = tables[table].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


@pytest.fixture
def results():
    cells = {
        SHARED: made_trial([0.90, 0.93, 0.91], 0.7),
        SEPARATE: made_trial({0: 0.88, 1: 0.90, 2: 0.90, 7: None}, rate=1e-2),
        WITHOUT: made_trial([0.85, 0.86, 0.84], 0.6, rate=1e-3),
    }
    return made_results(cells)


def test_sharing_shows_means_difference_and_the_seeds_that_half_a_point_needs(results):
    [row] = rows_of(results, 'Weight sharing')
    assert row[:6] == ['AuxNet2', 'separate', '2', '91.33', '89.33', '3']
    # Differences 2, 3 and 1 points: mean 2, std 1, t interval +-4.303 / sqrt(3).
    # Made results have no pilots, so that no rate can be picked anew.
    assert row[6:10] == ['+2.00 [-0.48, +4.48]', '-', '0.250', '0.250']
    seeds, effect = int(row[10]), 0.5 / 1.0

    def power(n):
        critical = scipy.stats.t.ppf(0.975, n - 1)
        return scipy.stats.nct.sf(critical, n - 1, effect * n**0.5)

    assert power(seeds) >= 0.8 > power(seeds - 1)


def test_ends_of_the_learning_rate_grid_and_failed_seeds_are_marked(results):
    rows = rows_of(results, 'Every arm')
    assert [row[6] for row in rows] == ['0.005', '0.01 (end)', '0.001 (end)']
    assert [row[10] for row in rows] == ['-', '7', '-']
    assert rows[0][7:9] == ['3', '91.33 +- 1.53 [87.54, 95.13]']


def test_an_arm_is_named_with_what_compares(results):
    argmax = SHARED._replace(head='argmax', main_weight=0.0)
    cells = results.trials | {argmax: made_trial([0.97, 0.98, 0.96])}
    rows = rows_of(made_results(cells), 'Every arm')
    assert rows[0][:6] == ['AuxNet2', 'shared', 'learned', '1', '2', '1,000']
    assert rows[3][:6] == ['AuxNet2', 'shared', 'argmax', '0', '2', '1,000']


def test_the_best_weight_has_its_effect_and_weight_0_none(results):
    # Differences 5, 7 and 7 points: std 1.155, t interval +-4.303 * 1.155 / sqrt(3).
    shared, separate = rows_of(results, 'The auxiliary loss', table=1)
    assert shared[:5] == ['AuxNet2', 'shared', '2', '3', '+6.33 [+3.46, +9.20]']
    assert separate == ['AuxNet2', 'separate', '2', '-', '-', '-', '-', '-']
    cells = {**results.trials, WITHOUT: made_trial([0.85, 0.86, 0.84], 0.9)}
    shared, _ = rows_of(made_results(cells), 'The auxiliary loss', table=1)
    assert shared == ['AuxNet2', 'shared', '0', '-', '-', '-', '-', '-']


def test_spread_shows_what_there_is(results):
    [row] = rows_of(results, 'The spread between seeds')
    assert row == ['AuxNet2', 'separate', '2', '1.53', '1.15', '1.32 [-]']
    level = {**results.trials, SEPARATE: made_trial([0.9, 0.9, 0.9])}
    [row] = rows_of(made_results(level), 'The spread between seeds')
    assert row[5] == '-'
