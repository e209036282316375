"""Single runs: whether one recorded accuracy is among those that runs of ours give."""

import math
from collections.abc import Sequence

import scipy.special

from pairjax.analysis.statistics import IndependentComparison, describe


def compare_single(values: Sequence[float], single: float) -> IndependentComparison:
    """The mean of n runs minus one other run, with the prediction interval of that difference.

    The interval holds zero exactly where `single` lies inside the 95 % prediction interval of one
    more run: mean +- t(0.975, n - 1) std sqrt(1 + 1 / n) (Hahn and Meeker, "Statistical Intervals",
    1991, section 4.7), which takes runs to be nearly normal.

    Args:
      values: of our runs.
      single: the other run's, in the same unit.

    Returns: the comparison; standard_error is that of the prediction. All but mean are None below
      two values, and all without any; z and ci95 where all values are equal.
    """
    statistic, n = describe(values), len(values)
    if statistic['mean'] is None:
        return IndependentComparison(None, None, None, None)
    difference = statistic['mean'] - single
    if statistic['std'] is None:
        return IndependentComparison(difference, None, None, None)
    error = statistic['std'] * math.sqrt(1 + 1 / n)
    if error == 0:
        return IndependentComparison(difference, error, None, None)
    half_width = float(scipy.special.stdtrit(n - 1, 0.975)) * error
    interval = (difference - half_width, difference + half_width)
    return IndependentComparison(difference, error, difference / error, interval)


def percentile_of(values: Sequence[float], single: float) -> float | None:
    """How many of 100 further runs are expected below `single`; None where z is.

    By Student's t with n - 1 degrees of freedom, as the interval of `compare_single`.
    """
    z = compare_single(values, single).z
    return None if z is None else 100 * float(scipy.special.stdtr(len(values) - 1, -z))
