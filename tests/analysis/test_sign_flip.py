"""The interval that inverts the sign-flip test, against the test itself and hand-worked figures."""

import itertools

import numpy as np
import pytest

from pairjax.analysis.sign_flip import sign_flip_interval, sign_flip_p_value
from pairjax.analysis.statistics import compare_paired


def accuracies(n, seed, shift=0.0):
    return np.random.default_rng(seed).normal(0.5 + shift, 0.01, n).round(3)


def excludes_zero(interval):
    """Whether an interval, both ends included, lies on one side of zero."""
    return interval is not None and not interval[0] <= 0 <= interval[1]


@pytest.mark.parametrize(('level', 'fewest'), [(0.05, 6), (0.1, 5)])
def test_the_first_bounded_interval_is_the_range_of_the_differences(level, fewest):
    differences = np.array([0.3, -0.1, 0.2, 0.5, 0.1, 0.4])
    assert sign_flip_interval(differences[: fewest - 1], level) is None
    values = differences[:fewest]
    assert sign_flip_interval(values, level) == pytest.approx((values.min(), values.max()))


@pytest.mark.parametrize('n', [6, 8, 11])
def test_its_ends_are_where_the_test_begins_to_reject(n):
    differences = np.random.default_rng(n).normal(0.4, 1, n)
    for end, outside in zip(sign_flip_interval(differences), (-1e-6, 1e-6), strict=True):
        assert sign_flip_p_value(differences - end) > 0.05
        assert sign_flip_p_value(differences - end - outside) <= 0.05


def test_its_ends_are_subset_means():
    differences = np.random.default_rng(0).normal(size=9)
    subsets = itertools.chain(*(itertools.combinations(differences, k) for k in range(1, 10)))
    means = np.sort([np.mean(subset) for subset in subsets])
    # 512 * 0.025 = 12.8: the twelfth mean from either end.
    assert sign_flip_interval(differences) == pytest.approx((means[11], means[-12]))


@pytest.mark.parametrize('n', [2, 5, 6, 7, 9, 10, 13, 16, 17, 25])
def test_interval_and_p_value_never_contradict_each_other(n):
    """At a mean of about two standard errors, where half of the cases are significant."""
    for seed in range(40 if n < 10 else 8 if n < 16 else 2):
        compared = compare_paired(accuracies(n, seed, 0.028 / n**0.5), accuracies(n, seed + 99))
        assert compared.ci95 is not None or n < 6
        assert (compared.p_value <= 0.05) == excludes_zero(compared.ci95)


def test_from_ten_seeds_on_the_interval_is_students_unless_it_contradicts_p():
    methods = {'t': 0, 'sign-flip': 0}
    for seed in range(60):
        compared = compare_paired(accuracies(10, seed, 0.009), accuracies(10, seed + 99))
        methods[compared.method] += 1
        same = compared.ci95 == compared.t_ci95
        assert same == (compared.method == 't')
        assert (compared.p_value <= 0.05) == excludes_zero(compared.t_ci95) or not same
    assert methods['t'] > 45 and methods['sign-flip'] > 0


def test_ties_at_zero_are_told_from_rounding():
    # Sums of subsets are zero but for rounding, so that zero is not excluded.
    differences = np.array([0.1, 0.2, -0.3, 0.1, 0.2, -0.3, 0.4])
    assert abs(differences[:3].sum()) > 0
    low, high = sign_flip_interval(differences)
    assert low <= 0 <= high and sign_flip_p_value(differences) > 0.05


def test_it_covers_95_percent_or_more_of_symmetric_differences():
    values = np.random.default_rng(1).standard_t(2, (400, 8))
    held = [low <= 0 <= high for low, high in map(sign_flip_interval, values)]
    assert 0.93 < np.mean(held) < 0.985
