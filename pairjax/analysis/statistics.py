"""Statistics over seeds: intervals, paired comparisons, ranks.

A statistic that n values are too few for is None, never NaN.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from pairjax.analysis.bootstrap import ROUNDING
from pairjax.analysis.bootstrap import std_ratio as std_ratio
from pairjax.analysis.sign_flip import sign_flip_floor, sign_flip_interval, sign_flip_p_value

# Of every test, and one minus that of every interval.
LEVEL = 0.05
# From this many differences on, their t interval is right whatever their distribution looks like.
FEWEST_FOR_T = 10
# `seeds_to_resolve` uses the normal approximation above this n: there its relative error is about
# 1e-6, and one more seed changes the power by less than its rounding error.
MAX_EXACT_SEEDS = 1_000_000


def describe(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean over seeds with its std and 95 % interval.

    Args:
      values: one number per seed; None for a seed that failed, which is left out.

    Returns:
      mean; std with n - 1; ci95, the Student t interval [low, high] of the mean;
      values as given. mean is None without values, std and ci95 with fewer than two.
    """
    valid = np.array([v for v in values if v is not None], np.float64)
    n = len(valid)
    mean = float(valid.mean()) if n else None
    std = float(valid.std(ddof=1)) if n > 1 else None
    ci95 = None
    if std is not None:
        half_width = float(scipy.special.stdtrit(n - 1, 0.975)) * std / math.sqrt(n)
        ci95 = [mean - half_width, mean + half_width]
    return {'mean': mean, 'std': std, 'ci95': ci95, 'values': list(values)}


class PairedComparison(NamedTuple):
    """The differences a - b over n common seeds.

    mean and std (with n - 1) are in the unit of the values; p_value is two-sided. p_floor is the
    smallest p-value possible with n seeds: at n = 5 it is 0.0625 for the sign-flip test, so that
    nothing can be significant at 0.05.

    ci95 is the 95 % interval (low, high) of the mean and excludes zero exactly where p_value is at
    most 0.05. None where there is no bounded one (below 6 seeds by sign flips), and where all
    differences are equal, since nothing is known of their spread.

    method says where ci95 and p_value come from: 'sign-flip' for both; 't' for the Student t
    interval beside the sign-flip p-value; 'sequential' for both by `sequential`, valid at every n.

    t_ci95 is the Student t interval, which below 10 seeds rests on the differences being normal;
    None for one seed or equal differences.
    """

    n: int
    mean: float | None
    std: float | None
    ci95: tuple[float, float] | None
    p_value: float | None
    p_floor: float | None
    method: str = 't'
    t_ci95: tuple[float, float] | None = None


def compare_paired(a: Sequence[float], b: Sequence[float]) -> PairedComparison:
    """Compares two arms over the seeds that both have, by the sign-flip test.

    Below 10 seeds the interval inverts the test. From 10 on it is Student's, except where its p
    and the test's are on different sides of 0.05: then the interval inverts the test too, so that
    what is shown agrees.

    Args:
      a, b: one number per seed, the same seeds in the same order; none missing.

    Raises: ValueError where the lengths differ.
    """
    differences, described = describe_paired(a, b)
    n, t_ci95 = described.n, described.t_ci95
    if n == 0:
        return described
    p_value = sign_flip_p_value(differences)
    described = described._replace(p_value=p_value, p_floor=sign_flip_floor(n), method='sign-flip')
    if described.std == 0:
        return described
    if shows_t_interval(n, p_value, t_ci95):
        return described._replace(ci95=t_ci95, method='t')
    return described._replace(ci95=sign_flip_interval(differences, LEVEL))


def shows_t_interval(
    n: int, p_values: np.ndarray | float, t_interval: tuple[np.ndarray | float, ...] | None
) -> np.ndarray | bool:
    """Whether `compare_paired` shows the t interval, of one experiment or of many at once.

    Args:
      n: differences of each.
      p_values: of the sign-flip test, (...).
      t_interval: its ends (low, high), (...) each.
    """
    if n < FEWEST_FOR_T:
        return np.zeros(np.shape(p_values), bool)
    low, high = t_interval
    return (p_values <= LEVEL) == ((low > 0) | (high < 0))


def describe_paired(a: Sequence[float], b: Sequence[float]) -> tuple[np.ndarray, PairedComparison]:
    """The differences a - b, float64 (n,), and their mean, std and t interval, without a test.

    What is rounding error alone is exactly zero.

    Raises: ValueError where the lengths differ.
    """
    pairs = np.array(list(zip(a, b, strict=True)), np.float64).reshape(-1, 2)
    differences, n = pairs[:, 0] - pairs[:, 1], len(pairs)
    noise = ROUNDING * float(np.abs(pairs).max(initial=0))
    differences[np.abs(differences) <= noise] = 0
    statistic = describe(differences)
    # A mean within rounding error of zero is set to zero: no number of seeds would resolve it.
    mean = 0.0 if n and abs(statistic['mean']) <= noise else statistic['mean']
    found = PairedComparison(n, mean, statistic['std'], None, None, None)
    if n > 1 and np.ptp(differences) <= noise:
        return differences, found._replace(std=0.0)
    return differences, found._replace(t_ci95=statistic['ci95'] and tuple(statistic['ci95']))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for multiple comparisons, in the order given (Holm 1979).

    Rejecting those below 0.05 keeps the family-wise error rate at 0.05 or less.
    """
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted.tolist()


def seeds_to_resolve(
    std_of_differences: float, difference: float, power: float = 0.8, alpha: float = 0.05
) -> int | None:
    """How many common seeds are needed to resolve a true difference of this size.

    The smallest n at which a two-sided paired t test at level alpha has this power, by the
    noncentral t distribution (Cohen 1988, chapter 2). From n = 10 on the sign-flip test has
    the same power within a percent; below that it has less, and at a level of 0.05 none for n < 6.

    Args:
      std_of_differences: std of the paired differences over seeds.
      difference: the true mean difference, in the same unit.
      power: the chance of significance with the right sign, at least 0.5.
      alpha: the level.

    Returns: n, None where either number is zero.
    """
    if std_of_differences == 0 or difference == 0:
        return None
    effect = abs(difference) / std_of_differences
    quantiles = scipy.special.ndtri([power, 1 - alpha / 2])
    # The normal approximation is a few seeds too small, so the search starts there.
    n = max(2, math.ceil((quantiles.sum() / effect) ** 2))
    while n < MAX_EXACT_SEEDS and _type_2_error(n, effect, alpha) > 1 - power:
        n += 1
    return n


def _type_2_error(n: int, effect: float, alpha: float) -> float:
    critical = scipy.special.stdtrit(n - 1, 1 - alpha / 2)
    return float(scipy.special.nctdtr(n - 1, effect * math.sqrt(n), critical))


class IndependentComparison(NamedTuple):
    """The difference of two independent means (Welch 1938).

    mean is the difference, standard_error its standard error, z their ratio, and ci95 the 95 %
    interval (low, high) by Student's t with Welch's degrees of freedom.

    All are None if a mean is unknown; all but mean if a std is unknown; z and ci95 if both stds are
    0; ci95 if an n is 1.
    """

    mean: float | None
    standard_error: float | None
    z: float | None
    ci95: tuple[float, float] | None


def compare_independent(
    mean: float | None,
    std: float | None,
    n: int,
    other_mean: float | None,
    other_std: float | None,
    other_n: int,
) -> IndependentComparison:
    """Compares two means over different seeds, such as ours and a paper's.

    Args:
      mean, std, n: of one group, std with n - 1; None where unknown.
      other_mean, other_std, other_n: of the other group.

    Returns: the comparison of mean - other_mean; what cannot be computed is None.
    """
    if mean is None or other_mean is None:
        return IndependentComparison(None, None, None, None)
    difference = mean - other_mean
    if std is None or other_std is None or min(n, other_n) < 1:
        return IndependentComparison(difference, None, None, None)
    a, b = std**2 / n, other_std**2 / other_n
    error = math.sqrt(a + b)
    if error == 0:
        return IndependentComparison(difference, error, None, None)
    ci95 = None
    if min(n, other_n) > 1:
        degrees = welch_degrees(std, n, other_std, other_n)
        half_width = float(scipy.special.stdtrit(degrees, 0.975)) * error
        ci95 = (difference - half_width, difference + half_width)
    return IndependentComparison(difference, error, difference / error, ci95)


def welch_degrees(std: float, n: int, other_std: float, other_n: int) -> float:
    """The degrees of freedom of `compare_independent`; both n at least 2, one std above 0."""
    a, b = std**2 / n, other_std**2 / other_n
    return (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (other_n - 1))


def rank_correlation(
    x: Sequence[float], y: Sequence[float]
) -> tuple[float | None, float | None, float | None]:
    """Spearman's rank correlation of n items with its 95 % interval: (rho, low, high).

    The interval is Fisher's z with the variance (1 + rho**2 / 2) / (n - 3) of Bonett and Wright
    (2000). It covers the choice of items, not of seeds.

    Returns: rho is None below two items and where all x or all y are equal; the interval also below
      four items and where the ranks agree or disagree perfectly.
    Raises: ValueError where the lengths differ.
    """
    import scipy.stats  # Slow to import, and training does not need it.

    if len(x) != len(y):
        raise ValueError(f'{len(x)} and {len(y)} items cannot be paired')
    n = len(x)
    if n < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None, None, None
    rho = float(scipy.stats.spearmanr(x, y).statistic)
    if n < 4 or abs(rho) > 1 - ROUNDING:
        return rho, None, None
    half_width = scipy.special.ndtri(0.975) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    low, high = np.tanh(np.arctanh(rho) + half_width * np.array([-1, 1]))
    return rho, float(low), float(high)
