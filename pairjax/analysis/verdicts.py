"""Better, equivalent or unresolved: what a comparison of two arms may say.

Better: the test of "the mean difference is zero" at 5 %, which agrees with the 95 % interval.
Equivalent: two one-sided tests (Schuirmann 1987) at 5 % each of "the difference is at least the
margin" and "at most minus the margin", which agree with the 90 % interval inside the margin. Each
kind of test is one family for Holm's correction.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.special

from pairjax.analysis.bootstrap import ROUNDING
from pairjax.analysis.sequential import one_sided_p_value, sequential_interval
from pairjax.analysis.sign_flip import sign_flip_interval, sign_flip_p_values
from pairjax.analysis.statistics import FEWEST_FOR_T, LEVEL, holm

BETTER, WORSE, EQUIVALENT, UNRESOLVED = 'better', 'worse', 'equivalent', 'unresolved'


class Equivalence(NamedTuple):
    """Whether a mean difference lies within +-margin, all in the unit of the values.

    Attributes:
      margin: positive.
      interval: the 90 % interval of the mean; None where it is unbounded or all differences are
        equal.
      p_value: the larger of the two one-sided p-values, at most 0.05 exactly where the interval is
        inside the margin; 1 where there is no interval.
      adjusted_p: by Holm's correction over all pairs compared.
    """

    margin: float
    interval: tuple[float, float] | None
    p_value: float
    adjusted_p: float


def equivalence_test(
    differences: Sequence[float], margin: float, sequential: bool = False
) -> Equivalence:
    """Two one-sided tests; adjusted_p is not yet adjusted.

    By sign flips below 10 differences, else by Student's t. Differences that are all equal say
    nothing of their spread, so they show no equivalence.

    Args:
      differences: one per seed.
      margin: positive, in their unit.
      sequential: valid at every n at once, see `sequential`.
    """
    differences = np.asarray(differences, np.float64)
    n = len(differences)
    if n < 2 or np.ptp(differences) <= ROUNDING:
        return Equivalence(margin, None, 1.0, 1.0)
    if sequential:
        interval = sequential_interval(differences, 2 * LEVEL)
        p_value = max(
            one_sided_p_value(differences, -margin, above=True),
            one_sided_p_value(differences, margin, above=False),
        )
    else:
        p_value = float(equivalence_p_values(differences, margin))
        if n < FEWEST_FOR_T:
            interval = sign_flip_interval(differences, 2 * LEVEL)
        else:
            low, high = t_intervals(differences, 2 * LEVEL)
            interval = float(low), float(high)
    return Equivalence(margin, interval, p_value, p_value)


def equivalence_p_values(differences: np.ndarray, margin: float) -> np.ndarray:
    """The p-value of `equivalence_test`, not sequential, of each of many experiments.

    Args:
      differences: (..., n), two or more that are not all equal.
      margin: positive, in their unit.
    """
    n, means = differences.shape[-1], differences.mean(axis=-1)
    if n < FEWEST_FOR_T:
        # The sums of all sign flips are symmetric about zero, so a one-sided p is half of this.
        halves = [sign_flip_p_values(differences + end) / 2 for end in (margin, -margin)]
        p_values = np.maximum(*halves)
    else:
        error = differences.std(axis=-1, ddof=1) / math.sqrt(n)
        p_values = scipy.special.stdtr(n - 1, (np.abs(means) - margin) / error)
    return np.where(np.abs(means) < margin, p_values, 1.0)


def t_intervals(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Student's interval of the mean over the last axis, two values or more: low and high ends."""
    n, means = values.shape[-1], values.mean(axis=-1)
    half_width = scipy.special.stdtrit(n - 1, 1 - level / 2) / math.sqrt(n)
    half_width = half_width * values.std(axis=-1, ddof=1)
    return means - half_width, means + half_width


def adjust_equivalences(tests: Sequence[Equivalence]) -> list[Equivalence]:
    """The same tests with Holm's correction over all of them."""
    adjusted = holm([test.p_value for test in tests])
    return [test._replace(adjusted_p=p) for test, p in zip(tests, adjusted, strict=True)]


def verdict(mean: float, adjusted_p: float, equivalence: Equivalence | None = None) -> str:
    """What may be said of the first arm: 'better', 'worse', 'equivalent' or 'unresolved'.

    A difference that is resolved and yet within the margin is called better or worse; `is_within`
    says whether it is within the margin as well.

    Args:
      mean: of the differences, first minus second.
      adjusted_p: of "the mean is zero", by Holm's correction.
      equivalence: with its adjusted p; None where no margin was given.
    """
    if adjusted_p <= LEVEL and mean != 0:
        return BETTER if mean > 0 else WORSE
    return EQUIVALENT if is_within(equivalence) else UNRESOLVED


def is_within(equivalence: Equivalence | None) -> bool:
    """Whether the difference is shown to be within the margin."""
    return equivalence is not None and equivalence.adjusted_p <= LEVEL
