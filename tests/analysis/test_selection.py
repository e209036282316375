"""What choosing the best adds, against the expected maximum of normal draws."""

import numpy as np
import pandas as pd
import pytest
from made_results import make_experiment, make_trial

from pairjax.analysis.selection import (
    gain_of_best_epoch,
    gain_of_choosing,
    gain_of_selection,
    tied_with_selected,
)
from pairjax.reporting.console import accuracy_table


def test_by_hand():
    table = pd.DataFrame([[0.9, 0.8], [0.7, 0.75], [0.8, 0.9]], columns=['a', 'b'])
    # Seed 0 chooses a: 0.9 - (0.7 + 0.8) / 2; seed 1 b: 0.75 - (0.8 + 0.9) / 2; seed 2 b: 0.9 -
    # (0.8 + 0.75) / 2.
    gain = gain_of_choosing(table)
    assert gain['values'] == pytest.approx([0.15, -0.1, 0.125])
    assert gain['mean'] == pytest.approx(0.175 / 3)


def test_of_equals_it_is_the_expected_maximum():
    """The mean of the largest of k standard normals: 0.564, 1.163, 1.868 (Tippett 1925)."""
    generator = np.random.default_rng(0)
    for k, expected in ((2, 0.5642), (5, 1.1630), (20, 1.8675)):
        table = pd.DataFrame(generator.normal(size=(3000, k)))
        assert gain_of_choosing(table)['mean'] == pytest.approx(expected, abs=0.05)


def test_of_few_seeds_it_is_unbiased():
    generator = np.random.default_rng(1)
    gains = [
        gain_of_choosing(pd.DataFrame(generator.normal(size=(3, 5))))['mean'] for _ in range(1000)
    ]
    assert np.mean(gains) == pytest.approx(1.1630, abs=0.05)


def test_a_clear_winner_gains_nothing_in_the_mean():
    noise = np.random.default_rng(2).normal(size=(2000, 2))
    assert abs(gain_of_choosing(pd.DataFrame(noise + [0, 100]))['mean']) < 0.05


def test_failed_runs_are_not_chosen():
    table = pd.DataFrame([[0.9, np.nan], [0.8, np.nan], [np.nan, np.nan]])
    assert gain_of_choosing(table)['values'] == pytest.approx([0.1, -0.1])
    # What no other seed has cannot be judged.
    assert gain_of_choosing(pd.DataFrame([[0.9, np.nan], [np.nan, 0.8]]))['mean'] is None
    assert gain_of_choosing(pd.DataFrame([[0.9, 0.8]]))['mean'] is None


def test_the_best_epoch_and_the_selected_trial_have_their_gains():
    trials = [make_trial([0.9, 0.92, 0.91], [0.95, 0.93, 0.94]), make_trial([0.5, 0.6, 0.55])]
    result = make_experiment('x', trials)
    # Each seed's best epoch is the second; the other two reach their mean there.
    expected = np.mean([0.95 - 0.935, 0.93 - 0.945, 0.94 - 0.94])
    assert gain_of_best_epoch(result.trials[0])['mean'] == pytest.approx(expected)
    expected = np.mean([0.9 - 0.915, 0.92 - 0.905, 0.91 - 0.91])
    assert gain_of_selection(result)['mean'] == pytest.approx(expected)
    assert gain_of_selection(make_experiment('y', trials[:1])) is None


def test_trials_that_are_not_resolved_are_tied_with_the_selected():
    generator = np.random.default_rng(0)
    best = generator.uniform(0.8, 0.9, 10)
    close, far = best + generator.normal(0, 0.01, 10), best - generator.uniform(0.02, 0.05, 10)
    result = make_experiment('x', [make_trial(list(v)) for v in (far, best, close)], selected=1)
    assert tied_with_selected(result) == [2]
    assert [row.split()[0] for row in accuracy_table(result).columns[0].cells] == ['0', '1*', '2~']
