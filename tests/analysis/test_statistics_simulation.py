"""What intervals and tests promise in the long run, over many simulated experiments."""

import numpy as np
import pytest

from pairjax.analysis.statistics import (
    compare_paired,
    describe,
    rank_correlation,
    seeds_to_resolve,
    sign_flip_p_value,
    std_ratio,
)


def simulate(n, repeats, difference=0.0, seed=0):
    """Accuracies on 1,000 pairs of two arms, (repeats, 2, n); half the variance is the seed's."""
    generator = np.random.default_rng(seed)
    common = generator.normal(0.93, 0.01, (repeats, 1, n))
    arms = common + generator.normal(0, 0.01, (repeats, 2, n))
    arms[:, 0] += difference
    return arms.round(3)


def coverage(intervals, truth):
    """The share of (low, high) that hold the truth."""
    low, high = np.array(intervals).T
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize('n', [10, 50])
def test_intervals_of_means_and_differences_cover_95_percent(n):
    arms = simulate(n, 2000, difference=0.005)
    of_means = [describe(arm)['ci95'] for arm in arms[:, 1]]
    assert 0.93 < coverage(of_means, 0.93) < 0.97
    if n == 10:  # At 50 a p-value, which comes with each interval, takes 0.1 s.
        of_differences = [compare_paired(*pair).ci95 for pair in arms]
        assert 0.93 < coverage(of_differences, 0.005) < 0.97


@pytest.mark.parametrize('n', [10, 50])
def test_sign_flip_rejects_a_true_null_at_its_level(n):
    arms = simulate(n, 2000)
    p_values = [sign_flip_p_value(a - b, num_resamples=999) for a, b in arms]
    assert 0.03 < np.mean(np.array(p_values) <= 0.05) < 0.07


@pytest.mark.parametrize('effect', [1.0, 0.5])
def test_as_many_seeds_as_planned_resolve_a_difference_four_times_in_five(effect):
    n = seeds_to_resolve(0.01 * 2**0.5, 0.01 * 2**0.5 * effect)
    arms = simulate(n, 1000, difference=0.01 * 2**0.5 * effect)
    p_values = [sign_flip_p_value(a - b, num_resamples=999) for a, b in arms]
    assert 0.77 < np.mean(np.array(p_values) <= 0.05) < 0.83


def test_interval_of_a_ratio_of_deviations_covers_nine_times_in_ten():
    intervals = [std_ratio(*pair)[1:] for pair in simulate(10, 200)]
    assert 0.85 < coverage(intervals, 1.0) < 0.97


@pytest.mark.parametrize('n', [10, 30])
def test_interval_of_a_rank_correlation_covers_95_percent(n):
    # Spearman's of normal variables with correlation 0.5 (Pearson 1907).
    truth = 6 / np.pi * np.arcsin(0.5 / 2)
    generator = np.random.default_rng(0)
    x, y, common = generator.normal(size=(3, 1000, n))
    pairs = zip(x + common, y + common, strict=True)
    intervals = [rank_correlation(*pair)[1:] for pair in pairs]
    assert 0.93 < coverage(intervals, truth) < 0.97
