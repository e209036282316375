"""Formats statistics, differences in percentage points, intervals and lists of names."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pairjax.analysis.statistics import LEVEL, IndependentComparison, PairedComparison

# A smaller difference of fractions is rounding error and shown as zero.
SMALLEST = 1e-9
UNBOUNDED = '(unbounded)'


def format_statistic(
    statistic: Mapping[str, Any] | None, decimals: int = 2, plus_minus: str = '+-'
) -> str:
    """A statistic in percent: '93.46 +- 0.78 [92.00, 94.90]'.

    Args:
      statistic: mean, std and ci95 as fractions, see `analysis.statistics.describe`; std and ci95
        are left out where None.
      decimals: number of decimals.
      plus_minus: the sign between mean and std.

    Returns: the text; '-' if there is no mean.
    """
    if statistic is None or statistic['mean'] is None:
        return '-'
    text = f'{100 * statistic["mean"]:.{decimals}f}'
    if statistic['std'] is not None:
        text += f' {plus_minus} {100 * statistic["std"]:.{decimals}f}'
    if statistic['ci95'] is not None:
        low, high = statistic['ci95']
        text += f' {span(100 * low, 100 * high, f".{decimals}f")}'
    return text


def format_difference(comparison: PairedComparison | IndependentComparison) -> str:
    """A difference with its 95 % interval in percentage points: '+1.50 [+0.25, +2.75]'."""
    return f'{points(comparison.mean)} {interval_text(comparison)}'


def format_ratio(ratio: float | None, low: float | None, high: float | None) -> str:
    """A ratio with its interval: '1.17 [0.59, 2.67]'; '-' for None."""
    return '-' if ratio is None else f'{ratio:.2f} {span(low, high, ".2f")}'


def points(difference: float | None) -> str:
    """A difference of accuracies in percentage points, signed: '+1.50'; '-' for None.

    One that two decimals would show as zero has as many as its first digit needs: '+0.003'.
    """
    if difference is None:
        return '-'
    text = f'{100 * difference:+z.2f}'
    if float(text) == 0 and abs(difference) > SMALLEST:
        text = f'{100 * difference:+.{math.ceil(-math.log10(abs(100 * difference)))}f}'
    return text


def p_text(p_value: float) -> str:
    """A p-value with two digits, more where these would move it over 0.05: '0.012', '0.0502'."""
    digits = (f'{p_value:.{number}g}' for number in itertools.count(2))
    return next(text for text in digits if (float(text) <= LEVEL) == (p_value <= LEVEL))


def interval(
    comparison: PairedComparison | IndependentComparison,
) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of a difference as fractions; (None, None) where n is too small."""
    return comparison.ci95 or (None, None)


def interval_text(comparison: PairedComparison | IndependentComparison) -> str:
    """The 95 % interval in percentage points; '(unbounded)' where n seeds allow no bounded one."""
    if is_unbounded(comparison):
        return UNBOUNDED
    return points_span(*interval(comparison))


def is_unbounded(comparison: PairedComparison | IndependentComparison) -> bool:
    """Whether n seeds that differ are too few for a bounded interval by the comparison's test."""
    paired = isinstance(comparison, PairedComparison)
    return paired and comparison.ci95 is None and bool(comparison.std)


def span(low: float | None, high: float | None, format_spec: str) -> str:
    """An interval such as '[0.59, 2.67]', bounds in `format_spec`; '[-]' if a bound is None."""
    return '[-]' if low is None or high is None else f'[{low:{format_spec}}, {high:{format_spec}}]'


def points_span(low: float | None, high: float | None) -> str:
    """The interval of a difference of accuracies in percentage points: '[+0.25, +2.75]'."""
    return '[-]' if low is None or high is None else f'[{points(low)}, {points(high)}]'


def paired_text(paired: PairedComparison) -> str:
    """A paired difference with its interval and n: '+1.50 points [+0.25, +2.75] (n = 10)'."""
    return f'{points(paired.mean)} points {interval_text(paired)} (n = {paired.n})'


def mean_text(values: pd.Series) -> str:
    """The mean of fractions in percent with its n: '93.46 % (n = 10)'; '-' if empty."""
    return f'{100 * values.mean():.2f} % (n = {len(values)})' if len(values) else '-'


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names joined by commas, beyond `most` of them shortened: 'a, b and 3 more'."""
    text = ', '.join(names[:most])
    return text if len(names) <= most else f'{text} and {len(names) - most} more'
