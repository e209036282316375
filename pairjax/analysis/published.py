"""Trials against a published number: a mean, and where they are known its std and n."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import scipy.special

from pairjax.analysis.arms import ComparedTrial, check_measure
from pairjax.analysis.statistics import (
    LEVEL,
    IndependentComparison,
    compare_independent,
    describe,
    holm,
    welch_degrees,
)
from pairjax.analysis.verdicts import Equivalence, adjust_equivalences, verdict
from pairjax.errors import UserError, shown

# The fewest runs that have a std: what is assumed where only the std is given.
FEWEST_WITH_STD = 2


class Published(NamedTuple):
    """A published accuracy.

    Attributes:
      mean: a fraction.
      std: between its runs, with n - 1, a fraction; None where it was not given.
      n: its runs; None where it was not given.
    """

    mean: float
    std: float | None
    n: int | None


class AgainstPublished(NamedTuple):
    """One arm against a published number, by Welch's t.

    Attributes:
      arm: its name.
      statistic: mean, std, ci95 and values of the arm.
      n: the arm's seeds.
      std, published_n: taken for the published number, given or assumed.
      difference: arm minus published.
      p_value: two-sided.
      adjusted_p: by Holm's correction over the arms.
      equivalence: None where no margin was given.
      verdict: the arm is 'better', 'worse', 'equivalent' or 'unresolved'.
    """

    arm: str
    statistic: dict
    n: int
    std: float
    published_n: int
    difference: IndependentComparison
    p_value: float
    adjusted_p: float
    equivalence: Equivalence | None
    verdict: str


def parse_published(text: str) -> Published:
    """Reads 'mean', 'mean std' or 'mean std n', percent.

    Raises: UserError where the text is something else.
    """
    words = text.replace(',', ' ').split()
    try:
        mean, std, n = ([float(word) for word in words] + [math.nan] * 2)[:3]
        good = len(words) in (1, 2, 3) and 0 <= mean <= 100
        good &= len(words) < 2 or 0 < std <= 50
        good &= len(words) < 3 or (n >= FEWEST_WITH_STD and n == int(n))
    except (ValueError, OverflowError):
        good = False
    if not good:
        raise UserError(
            f'--published={shown(text)} must be mean, std and n of the published runs in percent, '
            'such as "93.8 0.4 5" (a std above 0, n from 2); the last or the last two may be '
            'missing'
        )
    known = len(words)
    return Published(mean / 100, std / 100 if known > 1 else None, int(n) if known > 2 else None)


def assumptions(published: Published) -> str:
    """What is assumed of what was not given, a sentence; empty where all was."""
    if published.std is None:
        return (
            'no std was given: the published number is taken for a single run with the std between '
            'seeds of ours'
        )
    if published.n is None:
        return (
            f'no n was given: the published std is taken for that of {FEWEST_WITH_STD} runs, the '
            'fewest that have one, so that the interval is wide; with n it is narrower'
        )
    return ''


def compare_with_published(
    arms: Sequence[ComparedTrial], measure: str, published: Published, margin: float | None = None
) -> list[AgainstPublished]:
    """Compares each arm with the published number, as one family.

    Args:
      arms: trials with two seeds or more that did not fail and are not all equal.
      measure: a statistic of summary.json.
      published: the number.
      margin: as a fraction; None without a test of equivalence.

    Raises: UserError where an arm lacks the measure, or has no std.
    """
    check_measure(arms, measure)
    rows = [_compare_arm(arm, measure, published, margin) for arm in arms]
    adjusted = holm([row.p_value for row in rows])
    tests = [row.equivalence for row in rows if row.equivalence is not None]
    equivalences = adjust_equivalences(tests) if tests else [None] * len(rows)
    return [
        row._replace(adjusted_p=p, equivalence=test, verdict=verdict(row.difference.mean, p, test))
        for row, p, test in zip(rows, adjusted, equivalences, strict=True)
    ]


def _compare_arm(
    arm: ComparedTrial, measure: str, published: Published, margin: float | None
) -> AgainstPublished:
    values = arm.trial.values(measure).tolist()
    statistic, n = describe(values), len(values)
    if not statistic['std']:
        raise UserError(
            f'--published: {arm.name} has {n} seed{"s" if n != 1 else ""} without a std; train two '
            'or more that differ'
        )
    std = published.std if published.std is not None else statistic['std']
    other_n = published.n or (FEWEST_WITH_STD if published.std is not None else 1)
    difference, degrees = compare_means(
        (statistic['mean'], statistic['std'], n), (published.mean, std, other_n)
    )
    test = None
    if margin is not None:
        distance = (margin - abs(difference.mean)) / difference.standard_error
        p_equal = float(scipy.special.stdtr(degrees, -distance))
        half_width = float(scipy.special.stdtrit(degrees, 1 - LEVEL)) * difference.standard_error
        interval = difference.mean - half_width, difference.mean + half_width
        test = Equivalence(margin, interval, p_equal, p_equal)
    p_value = 2 * float(scipy.special.stdtr(degrees, -abs(difference.z)))
    return AgainstPublished(
        *(arm.name, statistic, n, std, other_n, difference, p_value, p_value, test, '')
    )


def compare_means(
    one: tuple[float, float, int], other: tuple[float, float, int]
) -> tuple[IndependentComparison, float]:
    """Welch's comparison of (mean, std, n) with another, and its degrees of freedom.

    Where the other is a single run, whose std is taken from the first group, the degrees of freedom
    are the first group's.
    """
    compared = compare_independent(*one, *other)
    if other[2] > 1:
        return compared, welch_degrees(*one[1:], *other[1:])
    degrees = one[2] - 1
    half_width = float(scipy.special.stdtrit(degrees, 1 - LEVEL / 2)) * compared.standard_error
    interval = compared.mean - half_width, compared.mean + half_width
    return compared._replace(ci95=interval), degrees
