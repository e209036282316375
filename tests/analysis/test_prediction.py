"""Prediction of one more run, against simulation and SciPy."""

import numpy as np
import pytest
import scipy.stats

from pairjax.analysis.prediction import compare_single, percentile_of


def test_the_interval_is_that_of_one_more_run():
    values, single = np.array([0.90, 0.92, 0.94, 0.91, 0.93]), 0.95
    comparison = compare_single(values, single)
    # By hand: 0.92, std 0.0158114, error 0.0158114 sqrt(1.2) = 0.0173205, t(4) = 2.776.
    assert comparison.mean == pytest.approx(-0.03)
    assert comparison.standard_error == pytest.approx(0.0173205, rel=1e-5)
    assert comparison.ci95 == pytest.approx((-0.07809, 0.01809), abs=1e-5)
    t = scipy.stats.ttest_ind([single], values).statistic  # One value has no variance of its own.
    assert comparison.z == pytest.approx(-t)
    assert percentile_of(values, single) == pytest.approx(100 * scipy.stats.t.cdf(t, 4))


@pytest.mark.parametrize('n', [3, 5, 20])
def test_it_covers_95_of_100_further_runs(n):
    draws = np.random.default_rng(0).normal(size=(2000, n + 1))
    intervals = [compare_single(row[1:], row[0]).ci95 for row in draws]
    covered = np.mean([low <= 0 <= high for low, high in intervals])
    assert covered == pytest.approx(0.95, abs=0.015)
    # Percentiles of further runs are uniform.
    percentiles = [percentile_of(row[1:], row[0]) for row in draws[:500]]
    assert scipy.stats.kstest(np.array(percentiles) / 100, 'uniform').pvalue > 0.01


def test_what_cannot_be_said_is_none():
    assert set(compare_single([], 0.5)) == {None} and percentile_of([], 0.5) is None
    assert compare_single([0.5], 0.25) == (0.25, None, None, None)
    equal = compare_single([0.5, 0.5], 0.25)
    assert equal == (0.25, 0.0, None, None) and percentile_of([0.5, 0.5], 0.25) is None
