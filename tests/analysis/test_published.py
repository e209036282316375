"""Trials against a published number."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pairjax.analysis.arms import ComparedTrial
from pairjax.analysis.published import assumptions, compare_with_published, parse_published
from pairjax.analysis.statistics import describe
from pairjax.errors import UserError

VALUES = np.random.default_rng(0).normal(0.93, 0.01, 10)
OTHERS = np.random.default_rng(1).normal(0.92, 0.004, 5)


def arm(values, name='a'):
    statistic = describe(list(values))
    trial = SimpleNamespace(
        summary={'final': statistic},
        statistic=lambda measure: statistic,
        values=lambda measure: pd.Series(values),
    )
    return ComparedTrial(name, None, trial)


def compare(text, *arms, margin=None):
    return compare_with_published(arms, 'final', parse_published(text), margin)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('93.8 0.4 5', (0.938, 0.004, 5)),
        ('93.8,0.4', (0.938, 0.004, None)),
        ('93', (0.93, None, None)),
    ],
)
def test_the_last_two_may_be_missing_and_it_is_said_what_is_assumed(text, expected):
    published = parse_published(text)
    assert published == pytest.approx(expected)
    assert bool(assumptions(published)) == (None in expected)


@pytest.mark.parametrize(
    'text', ['', 'x', '93 -1', '93 0', '93 1 1', '93 1 2.5', '1 2 3 4', 'nan', '93 nan', '193']
)
def test_anything_else_is_refused(text):
    with pytest.raises(UserError, match='--published='):
        parse_published(text)


def test_a_mean_with_std_and_n_is_compared_by_welch():
    text = f'{100 * OTHERS.mean()!r} {100 * OTHERS.std(ddof=1)!r} 5'
    (row,) = compare(text.replace('np.float64(', '').replace(')', ''), arm(VALUES))
    reference = scipy.stats.ttest_ind(VALUES, OTHERS, equal_var=False)
    assert row.p_value == pytest.approx(reference.pvalue)
    assert row.difference.ci95 == pytest.approx(tuple(reference.confidence_interval()))
    assert row.verdict == 'better' and row.equivalence is None


def test_a_mean_alone_is_a_single_run_with_our_std():
    (row,) = compare('92', arm(VALUES))
    # The interval in which a further run of ours would lie.
    half = scipy.stats.t.ppf(0.975, 9) * VALUES.std(ddof=1) * (1 + 1 / 10) ** 0.5
    mean = VALUES.mean() - 0.92
    assert row.difference.ci95 == pytest.approx((mean - half, mean + half))
    assert row.verdict == 'unresolved'


def test_without_n_the_interval_is_wider():
    known, unknown = (compare(text, arm(VALUES))[0] for text in ('92 0.4 5', '92 0.4'))
    assert unknown.published_n == 2
    assert np.ptp(unknown.difference.ci95) > np.ptp(known.difference.ci95)


def test_equivalence_and_holm_over_the_arms():
    near = arm(VALUES - VALUES.mean() + 0.93, 'b')
    rows = compare('93 0.4 5', near, arm(VALUES + 0.02, 'c'), margin=0.02)
    assert [row.verdict for row in rows] == ['equivalent', 'better']
    assert rows[1].adjusted_p == pytest.approx(2 * rows[1].p_value)


def test_one_seed_is_refused():
    with pytest.raises(UserError, match='a has 1 seed without a std'):
        compare('93 0.4 5', arm(VALUES[:1]))
