"""Statistics over seeds against scipy, closed forms, printed tables and hand-worked figures."""

import math
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from pairjax.analysis.statistics import (
    PairedComparison,
    compare_independent,
    compare_paired,
    describe,
    holm,
    rank_correlation,
    seeds_to_resolve,
    sign_flip_floor,
    sign_flip_p_value,
    std_ratio,
)

pytestmark = pytest.mark.filterwarnings('error')


def accuracies(n, seed=0, mean=0.93, std=0.01):
    """Accuracies on 1,000 pairs, so on a grid with ties."""
    return np.random.default_rng(seed).normal(mean, std, n).round(3)


# ------------------------------------------------------------------ one arm


def test_interval_of_a_mean_is_the_student_t_interval():
    figure = describe([0.90, 0.92, 0.94, 0.91, 0.93])
    assert figure['mean'] == pytest.approx(0.92)
    assert figure['std'] == pytest.approx(0.0158113883)
    # 2.776445 is the 97.5 % point of Student's t with 4 degrees of freedom, from a printed table.
    half_width = 2.776445 * 0.0158113883 / 5**0.5
    assert figure['ci95'] == pytest.approx([0.92 - half_width, 0.92 + half_width], abs=1e-7)


def test_a_failed_seed_stays_in_the_values_but_in_no_figure():
    assert describe([0.5, None, 0.7])['values'] == [0.5, None, 0.7]
    assert describe([0.5, None, 0.7])['mean'] == pytest.approx(0.6)


def test_what_n_does_not_allow_is_none():
    assert describe([0.5]) == {'mean': 0.5, 'std': None, 'ci95': None, 'values': [0.5]}
    assert describe([None])['mean'] is None


# ---------------------------------------------------------- two arms, paired


@pytest.mark.parametrize('n', [2, 5, 10, 50])
def test_paired_interval_is_that_of_the_paired_t_test(n):
    a, b = accuracies(n), accuracies(n, seed=1, mean=0.92)
    comparison = compare_paired(a, b)
    reference = scipy.stats.ttest_rel(a, b)
    assert comparison.n == n
    assert comparison.mean == pytest.approx(np.mean(a - b))
    assert comparison.std == pytest.approx(np.std(a - b, ddof=1))
    assert comparison.t_ci95 == pytest.approx(tuple(reference.confidence_interval(0.95)))
    if n >= 10:
        assert (comparison.ci95, comparison.method) == (comparison.t_ci95, 't')
    assert comparison.mean / comparison.std * n**0.5 == pytest.approx(reference.statistic)


@pytest.mark.parametrize('n', [2, 3, 5, 9, 12])
def test_sign_flip_p_value_is_the_exact_permutation_test(n):
    for seed in range(4):
        differences = accuracies(n, seed, mean=0.004)
        reference = scipy.stats.permutation_test(
            (differences,), np.sum, permutation_type='samples', n_resamples=np.inf
        )
        assert sign_flip_p_value(differences) == pytest.approx(reference.pvalue)


def test_sign_flip_p_value_by_hand():
    # Of the eight sums of +-1 +-2 +-3, those of at least 4 in size: 6, 4, -4, -6.
    assert sign_flip_p_value([1, -0.0, 3, 2]) == 2 / 8
    assert sign_flip_p_value([-1, 3, 2]) == 4 / 8
    # 0.1 + 0.2 - 0.3 is not zero in floating point; every assignment is as far from zero.
    assert sign_flip_p_value([0.1, 0.2, -0.3]) == 1
    # Each is 0.1 but for rounding, so that sums tie.
    assert sign_flip_p_value(np.array([0.9, 0.7, 0.5]) - [0.8, 0.6, 0.6]) == 1


def test_more_than_sixteen_differences_are_drawn_and_close_to_exact():
    differences = accuracies(17, seed=2, mean=0.004)
    reference = scipy.stats.permutation_test(
        (differences,), np.sum, permutation_type='samples', n_resamples=np.inf
    ).pvalue
    assert 0.02 < reference < 0.5
    drawn = [sign_flip_p_value(differences, seed) for seed in (0, 1)]
    assert drawn[0] != drawn[1] and drawn[0] == sign_flip_p_value(differences)
    assert drawn == pytest.approx([reference] * 2, abs=4 * math.sqrt(reference / 100_000))
    # No count of draws can make certain: 30 agreeing signs give the floor and not zero.
    assert sign_flip_p_value(np.ones(30), num_resamples=12_345) == 1 / 12_346
    assert sign_flip_floor(30, num_resamples=12_345) == 1 / 12_346


@pytest.mark.parametrize(('n', 'floor'), [(1, 1), (5, 0.0625), (6, 0.03125), (10, 2 / 1024)])
def test_floor_is_reached_when_all_signs_agree_and_stated(n, floor):
    comparison = compare_paired(0.5 + 0.01 * np.arange(1, n + 1), np.full(n, 0.5))
    assert comparison.p_value == comparison.p_floor == floor


differences = st.lists(st.integers(-50, 50).map(lambda k: k / 1000), min_size=1, max_size=9)


@given(differences)
@settings(deadline=None)
def test_sign_flip_p_value_keeps_its_symmetries(values):
    p_value = sign_flip_p_value(values)
    assert sign_flip_floor(len(values)) <= p_value <= 1
    assert sign_flip_p_value([-v for v in values]) == p_value
    assert sign_flip_p_value(values[::-1]) == p_value
    # A seed on which both arms are equal says nothing.
    assert sign_flip_p_value([*values, 0.0]) == p_value


@given(differences, st.integers(0, 1000))
@settings(deadline=None)
def test_comparing_the_other_way_round_changes_the_sign_alone(values, seed):
    b = accuracies(len(values), seed)
    one, other = compare_paired(b + values, b), compare_paired(b, b + values)
    assert other.mean == -one.mean and other.std == pytest.approx(one.std)
    assert other.p_value == one.p_value and other.n == one.n == len(values)
    if one.ci95:
        low, high = one.ci95
        assert other.ci95 == pytest.approx((-high, -low))


# -------------------------------------------------- families, power, records


def test_holm_by_hand():
    # Sorted: 0.005 * 4, 0.01 * 3, then 0.03 * 2 = 0.06, and 0.04 * 1, which may not fall below it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.9, 0.7]) == [1, 1, 1]
    assert holm([0.03]) == [0.03] and holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_raw_and_bonferroni_and_keeps_the_order(p_values):
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1, p * len(p_values))
    ranked = sorted(zip(p_values, adjusted, strict=True))
    assert [q for _, q in ranked] == sorted(adjusted)
    assert holm(p_values[::-1]) == adjusted[::-1]


# Paired t test, two-sided, from the tables of Cohen (1988) and of G*Power.
PUBLISHED_SIZES = [(0.2, 0.8, 199), (0.5, 0.8, 34), (0.8, 0.8, 15), (0.5, 0.9, 44), (0.5, 0.95, 54)]


@pytest.mark.parametrize(('effect', 'power', 'n'), PUBLISHED_SIZES)
def test_seeds_to_resolve_are_the_published_ones(effect, power, n):
    assert seeds_to_resolve(0.01, 0.01 * effect, power) == n
    assert seeds_to_resolve(0.01, -0.01 * effect, power) == n


@given(st.floats(0.005, 4), st.floats(0.7, 0.99), st.sampled_from([0.05, 0.01, 0.001]))
@settings(deadline=None)
def test_seeds_to_resolve_is_the_first_n_with_that_power(effect, power, alpha):
    def power_of(n):
        # Squared, noncentral t is noncentral F, which knows no wrong sign, a matter of 1e-5 here.
        critical = scipy.stats.f.isf(alpha, 1, n - 1)
        return scipy.stats.ncf.sf(critical, 1, n - 1, n * effect**2)

    n = seeds_to_resolve(1.0, effect, power, alpha)
    assert power_of(n) >= power - 1e-5
    assert n == 2 or power_of(n - 1) < power + 1e-5


@pytest.mark.parametrize('effect', [1e-3, 1e-6, 1e-7, 1e-9, 1.2161883988896225e-14])
def test_a_difference_too_small_for_any_number_of_seeds_ends(effect):
    for alpha in (0.05, 0.05 / 15):
        quantiles = scipy.stats.norm.ppf(0.8) + scipy.stats.norm.isf(alpha / 2)
        n = seeds_to_resolve(1.0, effect, alpha=alpha)
        assert n == pytest.approx((quantiles / effect) ** 2, rel=1e-5)


def test_differences_that_cancel_but_for_rounding_have_a_mean_of_zero():
    a, b = [0.993, 0.912, 0.948], [0.928, 0.935, 0.99]
    assert np.mean(np.subtract(a, b)) != 0
    compared = compare_paired(a, b)
    assert compared.mean == 0 and compared.std > 0 and compared.p_value == 1


def test_independent_means_are_compared_by_welch():
    result = compare_independent(0.937, 0.009, 10, 0.922, 0.012, 5)
    reference = scipy.stats.ttest_ind_from_stats(0.937, 0.009, 10, 0.922, 0.012, 5, equal_var=False)
    assert result.mean == pytest.approx(0.015)
    # sqrt(81 / 10 + 144 / 5) = 6.0745 thousandths.
    assert result.standard_error == pytest.approx(0.0060745, abs=1e-7)
    assert result.z == pytest.approx(reference.statistic)
    a, b = accuracies(7), accuracies(4, 1, 0, std=0.03)
    theirs = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    ours = compare_independent(a.mean(), a.std(ddof=1), 7, b.mean(), b.std(ddof=1), 4)
    assert ours.ci95 == pytest.approx(tuple(theirs))


def test_independent_means_have_no_interval_without_both_stds():
    difference = pytest.approx(0.1)
    assert compare_independent(0.9, 0.01, 10, 0.8, None, 5) == (difference, None, None, None)
    assert compare_independent(0.9, None, 1, 0.8, 0.1, 5) == (difference, None, None, None)
    assert compare_independent(0.9, 0.0, 3, 0.8, 0.0, 3) == (difference, 0, None, None)
    assert compare_independent(0.9, 0.01, 3, 0.8, 0.01, 1).ci95 is None
    assert compare_independent(None, None, 0, 0.8, 0.1, 5) == (None, None, None, None)


# ---------------------------------------------------------- ranks, bootstrap


def test_rank_correlation_is_spearmans_with_the_interval_of_bonett_and_wright():
    # No ties, sum of squared rank differences 2: rho = 1 - 6 * 2 / (6 * 35).
    x, y = [1, 2, 3, 4, 5, 6], [10, 30, 20, 40, 50, 60]
    rho = 1 - 12 / 210
    half_width = 1.959964 * math.sqrt((1 + rho**2 / 2) / 3)
    interval = [math.tanh(math.atanh(rho) + sign * half_width) for sign in (-1, 1)]
    assert rank_correlation(x, y) == pytest.approx((rho, *interval), abs=1e-6)
    x, y = accuracies(30), accuracies(30, seed=1)
    assert rank_correlation(x, y)[0] == pytest.approx(scipy.stats.spearmanr(x, y).statistic)


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 2), min_size=2, max_size=15))
@settings(deadline=None)
def test_rank_correlation_depends_on_ranks_alone(pairs):
    x, y = np.array(pairs, float).T
    rho, low, high = rank_correlation(x, y)
    assert rank_correlation(np.exp(x), 3 * y - 1) == pytest.approx((rho, low, high))
    if low is not None:
        assert -1 < low < rho < high < 1
        assert rank_correlation(x, -y) == pytest.approx((-rho, -high, -low))


def ratio(a, b, axis=-1):
    return np.std(a, axis, ddof=1) / np.std(b, axis, ddof=1)


def test_the_ratio_of_stds_has_the_bca_interval_of_scipy():
    common = accuracies(12)
    a, b = common + accuracies(12, 1, 0), common + accuracies(12, 2, 0, std=0.02)
    theirs = scipy.stats.bootstrap((a, b), ratio, paired=True, method='BCa', rng=0)
    expected = (np.std(a, ddof=1) / np.std(b, ddof=1), *theirs.confidence_interval)
    assert std_ratio(a, b) == pytest.approx(expected)
    # Another order of the seeds changes nothing but the draws; other pairs change more.
    low, high = std_ratio(a[::-1], b[::-1])[1:]
    assert (low, high) == pytest.approx(expected[1:], rel=0.03)
    assert std_ratio(a[::-1], b)[2] > 1.1 * high


def test_resamples_without_a_ratio_are_left_out_while_they_are_rare():
    a, b = accuracies(5), [0.91, 0.92, 0.90, 0.93, 0.95]
    value, low, high = std_ratio(a, b)  # One resample in 625 repeats a single seed.
    assert 0 < low < value < high < 10
    # 33 % of the resamples hold no 0.8. Five times 0.814 has a std of zero, whatever
    # rounding makes of its mean.
    assert np.std([0.814] * 5) > 0
    assert std_ratio(a, [0.814, 0.814, 0.814, 0.814, 0.8])[1:] == (None, None)
    assert std_ratio([0.814] * 5, b) == (0.0, None, None)
    assert std_ratio(a, [0.814] * 5) == (None, None, None)


def test_what_a_small_or_even_sample_does_not_allow_is_none():
    assert compare_paired([], []) == PairedComparison(0, None, None, None, None, None)
    assert compare_paired([0.5], [0.4])[:6] == (1, pytest.approx(0.1), None, None, 1, 1)
    # All differences equal but for rounding: no std, so no interval.
    b = accuracies(6)
    assert compare_paired(b + 0.1, b)[:6] == (6, pytest.approx(0.1), 0, None, 1 / 32, 1 / 32)
    assert compare_paired(b, b)[:6] == (6, 0, 0, None, 1, 1 / 32)
    assert compare_paired(b + 1e-16, b)[:2] == (6, 0)
    assert seeds_to_resolve(0.0, 0.1) is None and seeds_to_resolve(0.1, 0.0) is None
    for n in range(5):
        assert std_ratio(b[:n], accuracies(n, 5))[1:] == (None, None)
    assert None not in std_ratio(b[:5], accuracies(5, 5))
    assert std_ratio(b, 2 * b) == (pytest.approx(0.5), None, None)
    assert std_ratio(b[:1], b[:1])[0] is None and std_ratio(b[:2], b[:2])[0] == 1
    assert rank_correlation([], []) == rank_correlation([1], [1]) == (None, None, None)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == (None, None, None)
    assert rank_correlation([1, 2, 3], [1, 3, 2]) == (0.5, None, None)
    assert rank_correlation(b, 2 * b) == (pytest.approx(1), None, None)


@pytest.mark.parametrize('function', [compare_paired, rank_correlation])
def test_unequal_lengths_cannot_be_paired(function):
    with pytest.raises(ValueError):
        function([1, 2, 3], [1, 2])


def test_training_does_not_wait_for_scipy_stats():
    code = 'import sys, pairjax.analysis.statistics; sys.exit("scipy.stats" in sys.modules)'
    subprocess.run([sys.executable, '-c', code], check=True)
