"""Tests and intervals of paired differences that stay valid however often one looks.

The t statistic's e-process of Wang and Ramdas ("Anytime-valid t-tests and confidence sequences for
Gaussian means with unknown variance", 2024; the sequential t test of Lai 1976 with a Gaussian in
place of his flat mixture). For differences that are normal with an unknown std, the ratio of
likelihoods of the t statistic under effect sizes mean / std ~ Normal(0, 1 / PRIOR_SEEDS), and under
mean 0, is a nonnegative martingale with mean 1 if the mean is 0: the chance that it ever reaches
20 is at most 5 % (Ville 1939). It depends on the seeds seen, not on their order.
"""

import math
from collections.abc import Sequence

import numpy as np

from pairjax.analysis.statistics import (
    LEVEL,
    PairedComparison,
    compare_paired,
    describe,
    paired_differences,
)

# The Gaussian of effect sizes is as wide as if this many seeds had been seen before. It decides at
# which n the interval is tightest; the error rate is the same for any.
PRIOR_SEEDS = 2.0


def sequential_p_value(differences: Sequence[float]) -> float | None:
    """P-value of "the mean is zero" that may be looked at after every seed.

    With a mean of zero, the chance that it is at any n at most alpha is at most alpha.

    Returns: one over the e-process, at most 1; None without differences.
    """
    differences = np.asarray(differences, np.float64)
    if len(differences) == 0:
        return None
    return float(p_from_sums(len(differences), differences.sum(), np.square(differences).sum()))


def p_from_sums(
    n: int | np.ndarray, total: float | np.ndarray, total_of_squares: float | np.ndarray
) -> np.ndarray:
    """`sequential_p_value` by the number, sum and sum of squares of the differences; broadcasts."""
    n, total, squares = np.broadcast_arrays(n, total, total_of_squares)
    # Zero differences alone say nothing; the ratio is then that of a sum of zero.
    explained = np.divide(total**2, n * squares, out=np.zeros(n.shape), where=squares > 0)
    shrinkage = PRIOR_SEEDS / (n + PRIOR_SEEDS)
    log_e = (np.log(shrinkage) - n * np.log1p(-(1 - shrinkage) * np.minimum(explained, 1))) / 2
    return np.exp(-np.maximum(log_e, 0))


def sequential_half_width(
    n: int | np.ndarray, std: float | np.ndarray, level: float = LEVEL
) -> np.ndarray:
    """Half the width of the interval that holds the mean at every n at once; inf where unbounded.

    Args:
      n: seeds, at least 2.
      std: of the differences, with n - 1.
      level: one minus the probability with which the intervals of all n hold the mean.
    """
    n, std = np.broadcast_arrays(np.asarray(n, np.float64), std)
    shrinkage = PRIOR_SEEDS / (n + PRIOR_SEEDS)
    # With u = t**2 / (n - 1), it is below 1 / level where 1 + u < bound * (1 + shrinkage * u).
    bound = np.exp(2 / n * (-math.log(level) - np.log(shrinkage) / 2))
    room = 1 - bound * shrinkage
    u = np.divide(bound - 1, room, out=np.full(n.shape, np.inf), where=room > 0)
    return std * np.sqrt((n - 1) * u / n)


def sequential_floor(n: int) -> float:
    """The smallest p-value that `sequential_p_value` can give for n >= 1 differences."""
    return (PRIOR_SEEDS / (n + PRIOR_SEEDS)) ** ((n - 1) / 2)


def compare_sequentially(a: Sequence[float], b: Sequence[float]) -> PairedComparison:
    """`compare_paired` with an interval and a p-value that are valid at every n at once.

    With a probability of 95 % or more, every interval that is seen while seeds are added holds the
    mean; one excludes zero exactly where its p-value is at most 0.05. An interval that is still
    unbounded is None.
    """
    fixed = compare_paired(a, b)
    if fixed.n == 0:
        return fixed
    differences, _ = paired_differences(a, b)
    return fixed._replace(
        ci95=sequential_interval(differences) if fixed.std else None,
        p_value=sequential_p_value(differences),
        p_floor=sequential_floor(fixed.n),
        method='sequential',
    )


def sequential_interval(
    differences: Sequence[float], level: float = LEVEL
) -> tuple[float, float] | None:
    """The interval (low, high) of the mean, see `compare_sequentially`; None where unbounded."""
    statistic = describe(differences)
    if statistic['std'] is None:
        return None
    half_width = float(sequential_half_width(len(differences), statistic['std'], level))
    if not math.isfinite(half_width):
        return None
    return statistic['mean'] - half_width, statistic['mean'] + half_width


def seeds_to_settle(std: float, distance: float, alpha: float = LEVEL) -> int | None:
    """How many seeds make the interval's half width smaller than a distance, at this std.

    Returns: None where the distance is zero, or more than a million seeds are needed.
    """
    if distance == 0:
        return None
    # The half width falls with n once it is bounded, so the smallest n is found by halving.
    sizes = np.unique(np.geomspace(2, 1e6, 4000).astype(int))
    enough = sequential_half_width(sizes, std, alpha) < abs(distance)
    if not enough.any():
        return None
    last = int(np.argmax(enough))
    low = sizes[last - 1] + 1 if last else 2
    between = np.arange(low, sizes[last] + 1)
    return int(between[np.argmax(sequential_half_width(between, std, alpha) < abs(distance))])
