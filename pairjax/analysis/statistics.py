"""Statistics over seeds: intervals, paired comparisons, ranks.

A value that n does not allow is None, never NaN.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from pairjax.analysis.bootstrap import ROUNDING
from pairjax.analysis.bootstrap import std_ratio as std_ratio

# Up to this many differences all sign flips are counted; beyond it they are drawn.
MOST_EXACT_FLIPS = 16
# From here on the normal approximation of a number of seeds is right to a millionth, and the power
# changes less from one n to the next than it is computed to.
MANY_SEEDS = 1_000_000


def describe(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean over seeds with its std and 95 % interval.

    Args:
      values: one number per seed; None for a seed that failed, which is left out.

    Returns:
      mean; std with n - 1; ci95, the Student t interval [low, high] of the mean;
      values as given. Whatever n does not allow is None.
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

    mean and std (with n - 1) are in the unit of the values; ci95 is the Student t interval (low,
    high) of the mean, None without two differences that differ. p_value is two-sided, from
    `sign_flip_p_value`; p_floor is the smallest that n can give, whatever the differences: at n = 5
    it is 0.0625, so that nothing can be significant at 0.05.
    """

    n: int
    mean: float | None
    std: float | None
    ci95: tuple[float, float] | None
    p_value: float | None
    p_floor: float | None


def compare_paired(a: Sequence[float], b: Sequence[float]) -> PairedComparison:
    """Compares two arms over the seeds that both have.

    Args:
      a, b: one number per seed, the same seeds in the same order; none missing.

    Raises: ValueError where the lengths differ.
    """
    pairs = np.array(list(zip(a, b, strict=True)), np.float64).reshape(-1, 2)
    n = len(pairs)
    if n == 0:
        return PairedComparison(0, None, None, None, None, None)
    differences = pairs[:, 0] - pairs[:, 1]
    noise = ROUNDING * np.abs(pairs).max()
    differences[np.abs(differences) <= noise] = 0
    statistic = describe(differences)
    std, ci95 = statistic['std'], statistic['ci95'] and tuple(statistic['ci95'])
    if n > 1 and np.ptp(differences) <= noise:
        std, ci95 = 0.0, None
    # A sum that is zero but for rounding is zero: no number of seeds would show it.
    mean = 0.0 if abs(statistic['mean']) <= noise else statistic['mean']
    p_value = sign_flip_p_value(differences)
    return PairedComparison(n, mean, std, ci95, p_value, sign_flip_floor(n))


def sign_flip_p_value(
    differences: Sequence[float], seed: int = 0, num_resamples: int = 100_000
) -> float | None:
    """Two-sided p-value of "differences are distributed evenly about zero" (Fisher 1935).

    The share of sign assignments whose sum is at least as far from zero as the one seen. Up to
    16 differences every assignment is counted and the p-value is exact, at the least 2 / 2**n;
    beyond, it is (count + 1) / (num_resamples + 1) over drawn ones (Phipson and Smyth 2010).

    Args:
      differences: one per seed.
      seed, num_resamples: of the draws; they do not matter up to 16 differences.

    Returns: the p-value, None without differences.
    """
    differences = np.asarray(differences, np.float64)
    n = len(differences)
    if n == 0:
        return None
    # Sums that are equal but for rounding must count as equal: accuracies are on a grid.
    observed = abs(differences.sum()) - ROUNDING * np.abs(differences).sum()
    if n <= MOST_EXACT_FLIPS:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=n)))
        return float(np.mean(np.abs(signs @ differences) >= observed))
    generator, count = np.random.default_rng(seed), 0
    for start in range(0, num_resamples, 10_000):  # All at once would fill the memory.
        size = (min(10_000, num_resamples - start), n)
        signs = 1.0 - 2.0 * generator.integers(0, 2, size, np.int8)
        count += int(np.sum(np.abs(signs @ differences) >= observed))
    return (count + 1) / (num_resamples + 1)


def sign_flip_floor(n: int, num_resamples: int = 100_000) -> float:
    """The smallest p-value that `sign_flip_p_value` can give for n >= 1 differences."""
    return 2 / 2**n if n <= MOST_EXACT_FLIPS else 1 / (num_resamples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for being a family, in the order given (Holm 1979).

    Calling those below 0.05 significant errs in the whole family with a chance of at most 0.05.
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
    """How many common seeds would show a difference of this size, if it is the true one.

    The smallest n at which a two-sided paired t test at level alpha has this power, by the
    noncentral t distribution (Cohen 1988, chapter 2). From n = 10 on the sign-flip test has
    the same power within a percent; with fewer it has less, and at a level of 0.05 none below 6.

    Args:
      std_of_differences, difference: of one pair of runs, in the same unit.
      power: the chance of significance with the right sign, at least 0.5.
      alpha: the level.

    Returns: n, None where either number is zero.
    """
    if std_of_differences == 0 or difference == 0:
        return None
    effect = abs(difference) / std_of_differences
    quantiles = scipy.special.ndtri([power, 1 - alpha / 2])
    # The normal approximation is always too small, by a few.
    n = max(2, math.ceil((quantiles.sum() / effect) ** 2))
    while n < MANY_SEEDS and _miss_chance(n, effect, alpha) > 1 - power:
        n += 1
    return n


def _miss_chance(n: int, effect: float, alpha: float) -> float:
    critical = scipy.special.stdtrit(n - 1, 1 - alpha / 2)
    return float(scipy.special.nctdtr(n - 1, effect * math.sqrt(n), critical))


class IndependentComparison(NamedTuple):
    """The difference of two independent means (Welch 1938).

    mean is the difference, standard_error its standard error, z their ratio, and ci95 the 95 %
    interval (low, high) by Student's t with Welch's degrees of freedom. Without both stds all three
    are None, z and ci95 also where both stds are 0, ci95 also where an n is 1.
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
      mean, std, n: of the one, std with n - 1; None where unknown.
      other_mean, other_std, other_n: of the other.

    Returns: mean minus other_mean, with what the known numbers allow.
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
        freedom = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (other_n - 1))
        half_width = float(scipy.special.stdtrit(freedom, 0.975)) * error
        ci95 = (difference - half_width, difference + half_width)
    return IndependentComparison(difference, error, difference / error, ci95)


def rank_correlation(
    x: Sequence[float], y: Sequence[float]
) -> tuple[float | None, float | None, float | None]:
    """Spearman's rank correlation of n items with its 95 % interval: (rho, low, high).

    The interval is Fisher's z with the variance (1 + rho**2 / 2) / (n - 3) of Bonett and Wright
    (2000). It speaks of other items of the same kind, not of other seeds.

    Returns: rho is None below two items and where all x or all y are equal; the interval also below
      four items and where the ranks agree or disagree perfectly.
    Raises: ValueError where the lengths differ.
    """
    import scipy.stats  # Takes a second, which training, where nothing is ranked, need not.

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
