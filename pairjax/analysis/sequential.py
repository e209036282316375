"""Tests and intervals of paired differences that stay valid however often one looks.

They assume what the sign-flip test does: each difference is as likely to lie d above the mean as d
below it, given those before. Then exp(b) / cosh(b) = 1 + tanh(b), with b = bet * (difference -
mean) / scale, has expectation 1, for a scale that comes from the differences before it (Vovk and
Wang 2024, "Nonparametric e-tests of symmetry", section 4). The product over seeds, averaged over
BETS, is a nonnegative martingale: the chance that it ever reaches 40 is at most 1 in 40 (Ville
1939). One product bets on differences above the mean, one on those below: together 1 in 20.

The scale is the std of the differences before. So the first two seeds only set the scale, and no
p is below 0.05 with fewer than eight.
"""

import math
from collections.abc import Sequence

import numpy as np

from pairjax.analysis.statistics import LEVEL, PairedComparison, describe_paired

# A bet of about the size of an effect, mean / std, finds it soonest, and one of more than twice its
# size never. Bets and their shares decide how many seeds an effect needs, not the error rate.
BETS = (0.05, 0.1, 0.2, 0.4, 0.8)
SHARES = (1 / 19, 2 / 19, 4 / 19, 6 / 19, 6 / 19)
_SEEDS_FOR_SCALE = 2
# Beyond this many stds tanh is one.
_SATURATED = 20.0
# `seeds_to_settle` looks no further.
MOST_SEEDS = 100_000


def log_evidence(differences: np.ndarray, means: np.ndarray | float, above: bool) -> np.ndarray:
    """The log of the product over seeds, after each seed, of a bet that the mean is too low.

    Args:
      differences: (..., n) in the order of seeds.
      means: the mean to bet against; broadcasts against differences.
      above: False bets that the mean is too high.

    Returns: (..., n).
    """
    distances = (1 if above else -1) * (differences - means)
    unit = distances * _inverse_scales(differences)
    bets, shares = (np.reshape(values, (-1,) + unit.ndim * (1,)) for values in (BETS, SHARES))
    # log(1 + tanh(b)), in a form that is exact also where tanh is nearly -1.
    steps = math.log(2) - np.logaddexp(0, -2 * bets * unit)
    return np.logaddexp.reduce(np.log(shares) + steps.cumsum(axis=-1), axis=0)


def _inverse_scales(differences: np.ndarray) -> np.ndarray:
    """One over the std of the differences before each, zero before two that differ."""
    sizes = np.arange(1, differences.shape[-1] + 1)
    # From the first one, so that sums of squares do not cancel.
    moved = differences - differences[..., :1]
    sums, squares = moved.cumsum(axis=-1), np.square(moved).cumsum(axis=-1)
    variances = np.maximum(squares - sums**2 / sizes, 0) / np.maximum(sizes - 1, 1)
    largest = np.maximum.accumulate(np.abs(moved), axis=-1)
    inverse = np.zeros(differences.shape)
    known = (variances > 1e-20 * largest**2)[..., _SEEDS_FOR_SCALE - 1 : -1]
    np.power(
        variances[..., _SEEDS_FOR_SCALE - 1 : -1],
        -0.5,
        out=inverse[..., _SEEDS_FOR_SCALE:],
        where=known,
    )
    return inverse


def p_values_by_seed(differences: np.ndarray) -> np.ndarray:
    """`sequential_p_value` after each seed: (..., n) for differences (..., n)."""
    evidence = [log_evidence(differences, 0.0, above) for above in (True, False)]
    return np.exp(np.minimum(math.log(2) - np.maximum(*evidence), 0))


def sequential_p_value(differences: Sequence[float]) -> float | None:
    """Two-sided p-value of "the mean is zero" that may be looked at after every seed.

    With a mean of zero, the chance that it is at any n at most alpha is at most alpha.

    Args:
      differences: in the order in which seeds were added.

    Returns: two over the larger product, at most 1; None without differences.
    """
    differences = np.asarray(differences, np.float64)
    return float(p_values_by_seed(differences)[-1]) if len(differences) else None


def one_sided_p_value(differences: Sequence[float], mean: float, above: bool) -> float:
    """P-value of "the true mean is at most `mean`", or at least where not `above`; at every n."""
    evidence = log_evidence(np.asarray(differences, np.float64), mean, above)[-1]
    return float(np.exp(min(-evidence, 0)))


def sequential_floor(n: int) -> float:
    """The smallest p-value that `sequential_p_value` can give for n >= 1 differences."""
    return min(1.0, 2.0 ** (1 - max(0, n - _SEEDS_FOR_SCALE)))


def compare_sequentially(a: Sequence[float], b: Sequence[float]) -> PairedComparison:
    """`compare_paired` with an interval and a p-value that are valid at every n at once.

    With a probability of 95 % or more, every interval that is seen while seeds are added holds the
    mean; one excludes zero exactly where its p-value is at most 0.05. An interval that is still
    unbounded is None.

    Args:
      a, b: as for `compare_paired`, in the order in which seeds were added.
    """
    differences, described = describe_paired(a, b)
    if described.n == 0:
        return described
    return described._replace(
        ci95=sequential_interval(differences) if described.std else None,
        p_value=sequential_p_value(differences),
        p_floor=sequential_floor(described.n),
        method='sequential',
    )


def sequential_interval(
    differences: Sequence[float], level: float = LEVEL
) -> tuple[float, float] | None:
    """The interval (low, high) of the mean, see `compare_sequentially`; None where unbounded."""
    differences = np.asarray(differences, np.float64)
    if 2 ** max(0, len(differences) - _SEEDS_FOR_SCALE) < 2 / level or np.ptp(differences) == 0:
        return None
    low, high = _low_end(differences, level), -_low_end(-differences, level)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _low_end(differences: np.ndarray, level: float) -> float:
    """The mean below which the evidence for a higher one is enough: it falls as the mean rises."""
    import scipy.optimize  # Takes a while, which training need not.

    def excess(mean):
        return log_evidence(differences, mean, above=True)[-1] - math.log(2 / level)

    widest = _SATURATED / BETS[0] * float(np.ptp(differences))
    lowest, highest = float(differences.min()) - widest, float(differences.max())
    if excess(lowest) <= 0:
        return -math.inf
    # Split at zero, so that what is said of zero is exactly what the p-value says.
    if lowest < 0 < highest:
        lowest, highest = (0.0, highest) if excess(0.0) >= 0 else (lowest, 0.0)
    return float(scipy.optimize.brentq(excess, lowest, highest, xtol=1e-12))


def seeds_to_settle(differences: Sequence[float], alpha: float = LEVEL) -> int | None:
    """After how many seeds p is at most alpha, if further ones repeat these differences.

    Returns: None where that is after more than 100,000.
    """
    differences = np.asarray(differences, np.float64)
    for size in (1_000, MOST_SEEDS):
        repeated = np.resize(differences, size)
        resolved = np.flatnonzero(p_values_by_seed(repeated) <= alpha)
        if len(resolved):
            return int(resolved[0]) + 1
    return None
