"""The noise floor: against closed forms of normal runs."""

import numpy as np
import pytest
import scipy.stats

from pairjax.analysis.noise import noise_floor

VALUES = scipy.stats.norm.ppf((np.arange(200) + 0.5) / 200, 0.93, 0.01)
FLOOR = noise_floor(VALUES.tolist())


def test_single_runs_differ_as_normal_ones_do():
    spread = 0.01 * 2**0.5
    assert FLOOR.typical == pytest.approx(spread * scipy.stats.norm.ppf(0.75), rel=0.02)
    assert FLOOR.large == pytest.approx(spread * scipy.stats.norm.ppf(0.975), rel=0.03)
    low, high = FLOOR.std_interval
    std = VALUES.std(ddof=1)
    # 199 degrees of freedom, from a printed table of chi-square: 161.83 and 239.96.
    assert (low, high) == pytest.approx(
        (std * (199 / 239.96) ** 0.5, std * (199 / 161.83) ** 0.5), 1e-4
    )


def test_the_wrong_mean_is_higher_as_often_as_for_normal_runs():
    for row in FLOOR.winners:
        error = 0.01 * (2 / row.seeds) ** 0.5
        expected = scipy.stats.norm.cdf(-row.true_difference / error)
        assert row.wrong_mean == pytest.approx(expected, abs=0.01)


def test_luck_alone_shrinks_with_the_root_of_the_seeds():
    for seeds, floor in FLOOR.floors.items():
        assert floor == pytest.approx(1.96 * 0.01 * (2 / seeds) ** 0.5, rel=0.03)


def test_welch_errs_at_its_level_and_finds_large_differences():
    by_setting = {(row.seeds, row.true_difference): row for row in FLOOR.winners}
    assert by_setting[1, 0.0].wrong_test is None
    null = by_setting[10, 0.0]
    assert null.wrong_test + null.right_test == pytest.approx(0.05, abs=0.01)
    assert by_setting[10, 0.02].right_test > 0.95 and by_setting[10, 0.02].wrong_test < 0.001


def test_ties_name_each_arm_half_the_time():
    floor = noise_floor([0.5] * 50 + [0.6] * 50)
    assert floor.winners[0].wrong_mean == pytest.approx(0.5, abs=0.01)
