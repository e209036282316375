"""The test that may be looked at after every seed: against integrals, and in simulation."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from pairjax.analysis import sequential
from pairjax.analysis.sequential import (
    PRIOR_SEEDS,
    compare_sequentially,
    p_from_sums,
    seeds_to_settle,
    sequential_floor,
    sequential_half_width,
    sequential_interval,
    sequential_p_value,
)


@pytest.mark.parametrize(('n', 'mean'), [(3, 2.0), (8, 1.5), (30, 0.6)])
def test_the_p_value_is_one_over_the_ratio_of_likelihoods_of_the_t_statistic(n, mean):
    values = np.random.default_rng(n).normal(mean, 1, n)
    t = scipy.stats.ttest_1samp(values, 0).statistic

    def weighted(effect):
        prior = scipy.stats.norm.pdf(effect, 0, PRIOR_SEEDS**-0.5)
        return scipy.stats.nct.pdf(t, n - 1, effect * n**0.5) * prior

    mixed = scipy.integrate.quad(weighted, -6, 6, epsabs=0)[0]
    expected = scipy.stats.t.pdf(t, n - 1) / mixed
    assert sequential_p_value(values) == pytest.approx(expected, rel=1e-5)
    assert expected < 1


@pytest.mark.parametrize('n', [2, 5, 6, 9, 40])
def test_the_interval_holds_zero_exactly_where_p_is_above_the_level(n):
    for seed in range(60):
        values = np.random.default_rng(seed).normal(2.5 / n**0.5, 1, n)
        interval = sequential_interval(values)
        excludes = interval is not None and not interval[0] <= 0 <= interval[1]
        assert excludes == (sequential_p_value(values) <= 0.05)


def test_the_order_of_seeds_does_not_matter_and_scale_does_not():
    values = np.random.default_rng(3).normal(0.7, 1, 6)
    expected = sequential_p_value(values)
    for order in itertools.islice(itertools.permutations(values), 5, 700, 97):
        assert sequential_p_value(order) == pytest.approx(expected)
    assert sequential_p_value(1000 * values) == pytest.approx(expected)


def test_differences_that_say_nothing_have_a_p_value_of_one():
    assert sequential_p_value([]) is None
    assert sequential_p_value([0.1]) == 1
    assert sequential_p_value([0.0, 0.0, 0.0]) == 1
    # Equal differences have the smallest p there is for their number, and no interval.
    compared = compare_sequentially([0.9] * 7, [0.8] * 7)
    assert compared.p_value == pytest.approx(sequential_floor(7)) and compared.ci95 is None
    assert compared.method == 'sequential'


def test_looking_after_every_seed_errs_in_at_most_one_of_twenty_and_the_t_test_does_not():
    values = np.random.default_rng(0).normal(size=(2000, 100))
    sizes = np.arange(1, 101)
    sums, squares = values.cumsum(axis=1), np.square(values).cumsum(axis=1)
    assert (p_from_sums(sizes, sums, squares) <= 0.05).any(axis=1).mean() < 0.05
    n = sizes[1:]
    variance = (squares[:, 1:] - sums[:, 1:] ** 2 / n) / (n - 1)
    t = sums[:, 1:] / np.sqrt(n * variance)
    assert (np.abs(t) > scipy.stats.t.ppf(0.975, n - 1)).any(axis=1).mean() > 0.25


def test_a_true_difference_is_found_and_the_loser_is_not_named():
    values = np.random.default_rng(1).normal(0.5, 1, (500, 200))
    sums, squares = values.cumsum(axis=1), np.square(values).cumsum(axis=1)
    hits = p_from_sums(np.arange(1, 201), sums, squares) <= 0.05
    first = hits.argmax(axis=1)
    assert hits.any(axis=1).all() and 25 < np.median(first) < 45
    assert (sums[np.arange(500), first] > 0).mean() > 0.99


def test_seeds_to_settle_is_the_first_number_whose_interval_is_narrow_enough():
    for distance in (1.5, 0.5, 0.1, 0.021):
        n = seeds_to_settle(1.0, distance)
        assert sequential_half_width(n, 1.0) < distance <= sequential_half_width(n - 1, 1.0)
    assert seeds_to_settle(1.0, 0.0) is None and seeds_to_settle(1.0, 1e-5) is None


def test_the_interval_narrows_with_n_and_is_wider_than_a_fixed_one():
    sizes = np.arange(6, 500)
    widths = sequential_half_width(sizes, 1.0)
    assert (np.diff(widths) < 0).all()
    assert (widths > scipy.stats.t.ppf(0.975, sizes - 1) / np.sqrt(sizes)).all()
    assert np.isinf(sequential.sequential_half_width(2, 1.0))
