"""The test that may be looked at after every seed: against integrals, and in simulation."""

import itertools

import numpy as np
import pytest
import scipy.stats

from pairjax.analysis.sequential import (
    BETS,
    SHARES,
    compare_sequentially,
    one_sided_p_value,
    p_values_by_seed,
    seeds_to_settle,
    sequential_floor,
    sequential_interval,
    sequential_p_value,
)


def test_the_evidence_is_the_product_of_bets_by_hand():
    values = [0.5, 1.5, 2.0, 0.7, 1.1]
    expected = 0.0
    for bet, share in zip(BETS, SHARES, strict=True):
        product = share
        for i in range(2, 5):
            b = bet * (values[i] - 0.2) / np.std(values[:i], ddof=1)
            product *= np.exp(b) / np.cosh(b)
        expected += product
    assert sum(SHARES) == pytest.approx(1)
    assert one_sided_p_value(values, 0.2, above=True) == pytest.approx(1 / expected)
    assert one_sided_p_value(values, 0.2, above=False) == 1


def test_over_all_signs_the_mean_of_the_evidence_is_one():
    """What makes it valid: given the sizes, signs that are fair coins cannot be bet on."""
    sizes = np.random.default_rng(0).exponential(size=9)
    # The scale follows the signs, too; the bet is made before the sign it is about.
    signs = np.array(list(itertools.product((1, -1), repeat=9)))
    evidence = np.array([1 / one_sided_or_one(row * sizes) for row in signs])
    assert evidence.mean() == pytest.approx(1)


def one_sided_or_one(values):
    from pairjax.analysis.sequential import log_evidence

    return np.exp(-log_evidence(values, 0.0, above=True)[-1])


@pytest.mark.parametrize('n', [2, 7, 8, 9, 40])
def test_the_interval_holds_zero_exactly_where_p_is_above_the_level(n):
    excluded = 0
    for seed in range(40):
        values = np.random.default_rng(seed).normal(3 / n**0.5, 1, n).round(1)
        interval = sequential_interval(values)
        excludes = interval is not None and not interval[0] <= 0 <= interval[1]
        assert excludes == (sequential_p_value(values) <= 0.05)
        assert interval is None or n >= 8
        excluded += excludes
    assert excluded or n < 9


@pytest.mark.parametrize('level', [0.05, 0.1])
def test_the_ends_of_the_interval_are_where_the_one_sided_p_value_is_half_the_level(level):
    values = np.random.default_rng(5).normal(3, 1, 15)
    low, high = sequential_interval(values, level)
    assert one_sided_p_value(values, low, above=True) == pytest.approx(level / 2)
    assert one_sided_p_value(values, high, above=False) == pytest.approx(level / 2)


def test_place_and_scale_do_not_matter():
    values = np.random.default_rng(3).normal(0.7, 1, 12)
    expected = sequential_p_value(values)
    assert sequential_p_value(1000 * values) == pytest.approx(expected)
    low, high = sequential_interval(values)
    moved = sequential_interval(0.9 + values / 1000)
    assert moved == pytest.approx((0.9 + low / 1000, 0.9 + high / 1000))


def test_differences_that_say_nothing_have_a_p_value_of_one():
    assert sequential_p_value([]) is None
    assert sequential_p_value([0.1]) == 1
    assert sequential_p_value([0.0, 0.0, 0.0]) == 1
    # Equal differences have no spread to compare them with: no p below 1, and no interval.
    compared = compare_sequentially([0.9] * 9, [0.8] * 9)
    assert compared.p_value == 1 and compared.ci95 is None and compared.method == 'sequential'
    assert [sequential_floor(n) for n in (1, 2, 3, 7, 8)] == [1, 1, 1, 1 / 16, 1 / 32]


def test_no_p_value_is_below_the_floor():
    values = np.random.default_rng(0).normal(10_000, 1, (50, 12))
    p_values = p_values_by_seed(values)
    floors = [sequential_floor(n) for n in range(1, 13)]
    assert (p_values >= np.array(floors) * (1 - 1e-9)).all()
    assert p_values[:, -1] == pytest.approx(floors[-1])


@pytest.mark.parametrize('heavy', [False, True])
def test_looking_after_every_seed_errs_in_at_most_one_of_twenty_and_the_t_test_does_not(heavy):
    generator = np.random.default_rng(0)
    values = generator.standard_cauchy((2000, 100)) if heavy else generator.normal(size=(2000, 100))
    assert 0.005 < (p_values_by_seed(values) <= 0.05).any(axis=1).mean() < 0.05
    n = np.arange(2, 101)
    sums, squares = values.cumsum(axis=1)[:, 1:], np.square(values).cumsum(axis=1)[:, 1:]
    t = sums / np.sqrt(n * (squares - sums**2 / n) / (n - 1))
    rejected = (np.abs(t) > scipy.stats.t.ppf(0.975, n - 1)).any(axis=1).mean()
    assert rejected > 0.25 or heavy


def test_a_true_difference_is_found_and_the_loser_is_not_named():
    values = np.random.default_rng(1).normal(0.5, 1, (500, 200))
    hits = p_values_by_seed(values) <= 0.05
    first = hits.argmax(axis=1)
    assert hits.any(axis=1).mean() > 0.99 and 30 < np.median(first) < 50
    means = values.cumsum(axis=1)[np.arange(500), first]
    assert (means > 0).mean() > 0.99


def test_seeds_to_settle_is_the_first_number_that_resolves_repeated_differences():
    values = np.random.default_rng(4).normal(0.4, 1, 10)
    n = seeds_to_settle(values)
    repeated = np.tile(values, 100)
    assert sequential_p_value(repeated[:n]) <= 0.05 < sequential_p_value(repeated[: n - 1])
    assert n < seeds_to_settle(values, 0.01)
    assert seeds_to_settle([1.0, -1.0]) is None


def test_the_interval_narrows_with_n_and_is_wider_than_a_fixed_one():
    values = np.random.default_rng(2).normal(size=400)
    widths = [np.ptp(sequential_interval(values[:n])) for n in (8, 16, 40, 100, 400)]
    assert (np.diff(widths) < 0).all()
    fixed = 2 * scipy.stats.t.ppf(0.975, 399) * values.std(ddof=1) / 20
    assert fixed < widths[-1] < 3 * fixed
