"""Intervals that cover the choice of learning rates by a pilot."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pairjax.analysis.results import pair_by_seed
from pairjax.studies.factorial.design import DesignCell
from pairjax.studies.factorial.parts import PilotRuns
from pairjax.studies.factorial.picks import PickedArm, gains_of_changed_picks, interval_with_picks

SEEDS = range(1000, 1010)
PAIRED = pair_by_seed(
    pd.Series(np.random.default_rng(0).normal(0.92, 0.01, 20)),
    pd.Series(np.random.default_rng(1).normal(0.90, 0.01, 20)),
)


def pilot(gap, cost, seed=2, noise=0.01):
    """Two rates: the first is better by `gap` on validation and by `cost` on test."""
    generator = np.random.default_rng(seed)
    validation = [pd.Series(generator.normal(m, noise, 10), SEEDS) for m in (0.9 + gap, 0.9)]
    tests = [pd.Series(0.9 + m + 0.01 * np.arange(10), SEEDS) for m in (cost, 0)]
    return {
        rate: PilotRuns(v, t, 0) for rate, v, t in zip((1e-3, 5e-3), validation, tests, strict=True)
    }


def test_it_is_students_where_every_resample_picks_the_same_rates():
    clear = pilot(gap=0.1, cost=0.05)
    found = interval_with_picks(PAIRED, [PickedArm(1, clear, 1e-3), PickedArm(-1, clear, 1e-3)])
    assert found == pytest.approx(PAIRED.ci95, abs=1e-5)


def test_a_pick_that_could_have_been_another_moves_the_end_on_its_side():
    clear, close = pilot(gap=0.1, cost=0.05), pilot(gap=0.0, cost=0.05)
    first = interval_with_picks(PAIRED, [PickedArm(1, close, 1e-3), PickedArm(-1, clear, 1e-3)])
    second = interval_with_picks(PAIRED, [PickedArm(1, clear, 1e-3), PickedArm(-1, close, 1e-3)])
    # Another rate lowers its arm by 5 points: the first arm's lowers the difference.
    assert first[0] < PAIRED.ci95[0] - 0.03 and first[1] < PAIRED.ci95[1]
    assert second[1] > PAIRED.ci95[1] + 0.03 and second[0] > PAIRED.ci95[0]


def test_the_same_pilot_seeds_are_drawn_for_both_arms():
    """Two arms that are one move together, so that nothing is left of their picks."""
    close = pilot(gap=0.0, cost=0.05)
    found = interval_with_picks(PAIRED, [PickedArm(1, close, 1e-3), PickedArm(-1, close, 1e-3)])
    assert found == pytest.approx(PAIRED.ci95, abs=1e-5)


def test_rates_of_fewer_seeds_are_no_finalists_and_failed_seeds_are_left_out():
    clear = pilot(gap=0.1, cost=0.05)
    few = PilotRuns(pd.Series(2.0, SEEDS[:3]), pd.Series(0.0, SEEDS[:3]), 0)
    failed = clear[5e-3]._replace(validation=clear[5e-3].validation[1:], num_failed=1)
    arms = [PickedArm(1, {**clear, 1e-2: few, 5e-3: failed}, 1e-3), PickedArm(-1, clear, 1e-3)]
    assert interval_with_picks(PAIRED, arms) == pytest.approx(PAIRED.ci95, abs=1e-5)


def test_without_pilot_seeds_or_an_interval_there_is_none():
    clear = pilot(gap=0.1, cost=0.05)
    arms = [PickedArm(1, clear, 1e-3), PickedArm(-1, clear, 1e-3)]
    assert interval_with_picks(PAIRED._replace(ci95=None), arms) is None
    one = {rate: PilotRuns(r.validation[:1], r.test[:1], 0) for rate, r in clear.items()}
    assert interval_with_picks(PAIRED, [arms[0], PickedArm(-1, one, 1e-3)]) is None


def test_what_later_pilot_seeds_change_is_told_on_test_pairs():
    """In the first arm the first three seeds speak for the rate that loses over all ten."""
    design = SimpleNamespace(first_pilot_seed=1000, num_first_looks=3)
    kept = pilot(gap=0.1, cost=0.05)
    turned = pilot(gap=0.1, cost=0.05)
    turned[5e-3].validation.iloc[:3] = 1.1
    failed = turned[5e-3]._replace(validation=turned[5e-3].validation[1:], num_failed=1)
    arms = [DesignCell('AuxNet2', 'shared', weight, 1000) for weight in (0.0, 1.0, 2.0)]
    assert gains_of_changed_picks(design, {arms[0]: turned, arms[1]: kept}) == pytest.approx([0.05])
    # A rate with a failed seed among the first looks is none that they pick.
    assert gains_of_changed_picks(design, {arms[2]: {**turned, 5e-3: failed}}) == []
