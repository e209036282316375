"""Intervals over seeds and test images: against every pair counted, and in simulation."""

import numpy as np
import pytest
import scipy.stats

from pairjax.analysis.seeds_and_images import (
    RunAccuracies,
    compare_over_images,
    crossed_interval,
    image_variance,
    influence_of_all_pairs,
    influence_of_pairs,
    two_way_bootstrap,
)
from pairjax.analysis.statistics import compare_paired
from pairjax.studies.statistics.images import simulate_images


def test_influence_of_all_pairs_is_the_u_statistics_own():
    correct = np.random.default_rng(0).random((30, 30)) < 0.8
    np.fill_diagonal(correct, False)
    accuracy, influence = influence_of_all_pairs(correct.sum(axis=0) + correct.sum(axis=1))
    assert accuracy == pytest.approx(correct.sum() / (30 * 29))
    assert influence.sum() == pytest.approx(0, abs=1e-12)
    # Leaving an image out moves the accuracy against its influence, to first order.
    kept = [np.delete(np.delete(correct, i, 0), i, 1).sum() / (29 * 28) for i in range(30)]
    np.testing.assert_allclose(accuracy - np.array(kept), influence * 30 / 28, atol=1e-12)


def test_influence_of_drawn_pairs_counts_each_pair_at_both_of_its_images():
    pairs, correct = np.array([[0, 1], [2, 1], [3, 0]]), np.array([True, False, True])
    residual = (correct - 2 / 3) / 3
    expected = [residual[0] + residual[2], residual[0] + residual[1], residual[1], residual[2], 0]
    np.testing.assert_allclose(influence_of_pairs(pairs, correct, 5), expected)


def test_the_variance_of_images_is_the_mean_product_of_different_seeds():
    influence = np.random.default_rng(0).normal(size=(4, 50)) + np.linspace(-1, 1, 50)
    products = influence @ influence.T
    expected = products[~np.eye(4, dtype=bool)].mean()
    assert image_variance(influence) == pytest.approx(expected) and expected > 0
    assert image_variance(np.array([[1.0, -1.0], [-1.0, 1.0]])) == 0


def test_it_is_the_crossed_random_effects_of_a_two_way_table():
    """Mean squares of a table without replication, as in Searle, Casella and McCulloch (1992)."""
    generator = np.random.default_rng(1)
    n, m = 6, 40
    table = generator.normal(size=(n, 1)) + generator.normal(size=m) + generator.normal(size=(n, m))
    seeds, columns, mean = table.mean(axis=1), table.mean(axis=0), table.mean()
    of_seeds = m * np.var(seeds, ddof=1)
    of_images = n * np.var(columns, ddof=1)
    rest = np.square(table - seeds[:, None] - columns + mean).sum() / ((n - 1) * (m - 1))
    found = crossed_interval(seeds, (table - seeds[:, None]) / m)
    part = found.image_share / (1 - found.image_share) * np.var(seeds, ddof=1) / n
    assert part == pytest.approx((of_images - rest) / (n * m) * (m - 1) / m, rel=1e-9)
    assert of_seeds / (n * m) == pytest.approx(np.var(seeds, ddof=1) / n)


def test_arms_are_paired_by_seed_and_image():
    generator = np.random.default_rng(2)
    shared = generator.normal(size=(5, 100))
    a = RunAccuracies([3, 1, 2, 0, 7], np.arange(5) / 10, shared, 'pairs')
    b = a._replace(
        seeds=[0, 1, 2, 9], accuracies=np.array([0.1, 0.2, 0.3, 0]), influence=shared[:4]
    )
    found = compare_over_images(a, b)
    # Seeds 0, 1, 2 are at places 3, 1, 2 of a and 0, 1, 2 of b.
    assert found.n == 3 and found.mean == pytest.approx(np.mean([0.3, 0.1, 0.2]) - 0.2)
    assert found.ci95 is None
    assert compare_over_images(a, b._replace(seeds=[0, 9, 10, 11])) is None
    same = compare_over_images(a, a._replace(accuracies=a.accuracies + np.arange(5)))
    assert same.image_share == 0 and same.ci95 == same.seeds_only


@pytest.mark.parametrize('n', [5, 20])
def test_it_covers_95_percent_where_the_interval_over_seeds_does_not(n):
    row = simulate_images(n, 2000, 100)
    assert row['all, both'] > 0.9 and row['drawn, both'] > 0.9
    if n == 20:
        assert row['all, seeds'] < row['all, both'] - 0.03


def test_both_ends_are_as_far_out_as_seeds_and_images_together():
    generator = np.random.default_rng(3)
    differences, influence = generator.normal(0.01, 0.01, 12), generator.normal(size=(12, 300))
    influence = influence / 3e3 + generator.normal(size=300) / 3e3
    found = crossed_interval(differences, influence)
    images = 1.959964 * image_variance(influence) ** 0.5
    for both, alone in zip(found.ci95, found.seeds_only, strict=True):
        assert abs(both - found.mean) == pytest.approx(np.hypot(alone - found.mean, images))
    assert found.seeds_only == pytest.approx(
        tuple(scipy.stats.t.interval(0.95, 11, differences.mean(), scipy.stats.sem(differences)))
    )


@pytest.mark.parametrize('n', [4, 7, 12])
def test_a_comparison_never_excludes_zero_over_images_where_it_does_not_over_seeds(n):
    """Also where the t interval would: below six seeds no bounded interval has this level."""
    generator = np.random.default_rng(n)
    for _ in range(20):
        zeros = np.zeros((n, 50))
        a = RunAccuracies(range(n), 0.9 + generator.normal(3 / n**0.5, 1, n) / 100, zeros, 'pairs')
        found = compare_over_images(a, a._replace(accuracies=np.full(n, 0.9)))
        paired = compare_paired(a.accuracies, np.full(n, 0.9))
        assert found.ci95 == pytest.approx(paired.ci95) and found.seeds_only == paired.ci95
        assert (found.ci95 is None) == (n < 6)


def test_the_two_way_bootstrap_is_the_wider_one():
    generator = np.random.default_rng(0)
    pairs = np.array([generator.permutation(400).reshape(200, 2) for _ in range(8)])
    values = (generator.random((8, 200)) < 0.9).astype(float)
    influence = [influence_of_pairs(p, v, 400) for p, v in zip(pairs, values, strict=True)]
    low, high = two_way_bootstrap(pairs, values, 400, 199)
    found = crossed_interval(values.mean(axis=1), np.array(influence))
    assert low < values.mean() < high and high - low > np.ptp(found.ci95)
