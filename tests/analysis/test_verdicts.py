"""Better, equivalent, unresolved: verdicts that never contradict the p-value beside them."""

import math

import numpy as np
import pytest
import scipy.stats

from pairjax.analysis import paired
from pairjax.analysis.paired import ComparisonOptions, compare_pairs
from pairjax.analysis.verdicts import adjust_equivalences, equivalence_test, is_within, verdict


@pytest.mark.parametrize('n', [10, 25])
def test_equivalence_is_two_one_sided_t_tests(n):
    values, margin = np.random.default_rng(n).normal(0.1, 1, n), 0.6
    greater = scipy.stats.ttest_1samp(values, -margin, alternative='greater').pvalue
    less = scipy.stats.ttest_1samp(values, margin, alternative='less').pvalue
    found = equivalence_test(values, margin)
    assert found.p_value == pytest.approx(max(greater, less))
    reference = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert found.interval == pytest.approx(tuple(reference))


@pytest.mark.parametrize('sequential', [False, True])
@pytest.mark.parametrize('n', [4, 5, 9, 10, 30])
def test_equivalence_is_shown_exactly_where_the_interval_is_inside_the_margin(n, sequential):
    shown = 0
    for seed in range(60):
        values = np.random.default_rng(seed).normal(0.2, 1, n)
        found = equivalence_test(values, 1.2, sequential)
        inside = found.interval is not None and -1.2 < found.interval[0] < found.interval[1] < 1.2
        assert inside == (found.p_value <= 0.05)
        shown += inside
    assert shown > 0 or n == 4 or sequential


def test_equal_differences_show_no_equivalence():
    assert equivalence_test([0.0] * 20, 0.1).p_value == 1
    assert equivalence_test([0.0] * 20, 0.1).interval is None


def test_a_difference_outside_the_margin_shows_none():
    assert equivalence_test([2.0, 2.1, 1.9, 2.05, 1.95, 2.02, 1.98], 1.0).p_value == 1


def test_holm_is_over_the_tests_of_equivalence():
    values = np.random.default_rng(0).normal(0, 1, 12)
    tests = [equivalence_test(values, margin) for margin in (0.9, 1.0, 1.2)]
    adjusted = adjust_equivalences(tests)
    assert adjusted[2].adjusted_p == pytest.approx(3 * tests[2].p_value)
    assert adjusted[0].adjusted_p >= tests[0].p_value and is_within(adjusted[2])


def test_the_four_verdicts():
    close = equivalence_test(np.random.default_rng(0).normal(0, 0.1, 12), 0.5)
    assert [verdict(0.2, 0.01), verdict(-0.2, 0.01)] == ['better', 'worse']
    assert verdict(0.2, 0.06) == 'unresolved' and verdict(0.2, 0.06, close) == 'equivalent'
    assert verdict(0.2, 0.01, close) == 'better'


@pytest.mark.parametrize('sequential', [False, True])
@pytest.mark.parametrize('n', [2, 3, 5, 6, 9, 10, 20])
def test_no_verdict_contradicts_the_p_value_beside_it(n, sequential, monkeypatch):
    """Also where differences are on a grid, tied, or all equal."""
    # The ratio of stds is bootstrapped, which takes long.
    monkeypatch.setattr(paired, 'std_ratio', lambda a, b: (None, None, None))
    generator = np.random.default_rng(n)
    for number in range(20 if n < 20 else 3):
        base = generator.normal(0.9, 0.01, n).round(2 + number % 3)
        arms = [base + generator.normal(s / math.sqrt(n), 0.01, n).round(3) for s in (0, 0.02, 0)]
        arms.append(base + 0.01)
        family = [('a', 'b', arm, base) for arm in arms]
        options = ComparisonOptions(margin=0.01, sequential=sequential)
        for pair in compare_pairs(family, options):
            named = pair.verdict in ('better', 'worse')
            assert named == (pair.adjusted_p <= 0.05)
            assert named <= (pair.paired.p_value <= 0.05)
            assert (pair.verdict == 'better') <= (pair.paired.mean > 0)
            if pair.paired.ci95:
                low, high = pair.paired.ci95
                assert (pair.paired.p_value <= 0.05) == (low > 0 or high < 0)


def test_a_small_difference_that_is_resolved_is_better_and_within_the_margin():
    base = np.random.default_rng(0).normal(0.9, 0.01, 12)
    change = 0.001 + np.random.default_rng(1).normal(0, 0.0002, 12)
    (pair,) = compare_pairs([('a', 'b', base + change, base)], ComparisonOptions(margin=0.005))
    assert pair.verdict == 'better' and is_within(pair.equivalence)
