"""The sign-flip test of paired differences, and the confidence interval that inverts it.

The test (Fisher 1935) asks nothing of the differences but that each is as likely to lie d above
their centre as d below it. Flipping the signs in a subset moves the sum by twice the subset's sum,
so whether a centre is rejected depends on how many subset means lie below it: the interval's ends
are two of these means (Hartigan 1969, "Using subsample values as typical values").
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from pairjax.analysis.bootstrap import ROUNDING

# Up to this many differences all sign flips are enumerated; above it, they are sampled.
MAX_ENUMERATED = 16
NUM_RESAMPLES = 100_000
_CHUNK = 10_000  # Sampled sign assignments held at a time.
_ROWS = 256  # Experiments whose sums are held at a time.


def sign_flip_p_value(
    differences: Sequence[float], seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> float | None:
    """Two-sided p-value of "differences are distributed symmetrically about zero" (Fisher 1935).

    The share of sign assignments whose sum is at least as far from zero as the observed one. Up to
    16 differences all assignments are enumerated and the p-value is exact, at least 2 / 2**n;
    above, it is (count + 1) / (num_resamples + 1) over random ones (Phipson and Smyth 2010).

    Args:
      differences: one per seed.
      seed, num_resamples: of the random assignments; unused up to 16 differences.

    Returns: the p-value, None without differences.
    """
    differences = np.asarray(differences, np.float64)
    if len(differences) == 0:
        return None
    return float(sign_flip_p_values(differences, seed, num_resamples))


def sign_flip_p_values(
    differences: np.ndarray, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> np.ndarray:
    """`sign_flip_p_value` of each of many experiments: (...) for differences (..., n), n > 0."""
    n = differences.shape[-1]
    rows = differences.reshape(-1, n)
    # Sums equal up to rounding count as equal: accuracies are on a grid, so ties are common.
    observed = np.abs(rows.sum(axis=1)) - ROUNDING * np.abs(rows).sum(axis=1)
    counts = np.zeros(len(rows))
    for signs in _sign_assignments(n, seed, num_resamples):
        for start in range(0, len(rows), _ROWS):
            part = slice(start, start + _ROWS)
            counts[part] += (np.abs(rows[part] @ signs.T) >= observed[part, None]).sum(axis=1)
    sampled = n > MAX_ENUMERATED
    p_values = (counts + 1) / (num_resamples + 1) if sampled else counts / 2**n
    return p_values.reshape(differences.shape[:-1])


def _sign_assignments(n: int, seed: int, num_resamples: int) -> Iterator[np.ndarray]:
    """All assignments of +-1 to n differences, or random ones, in chunks (assignments, n)."""
    if n <= MAX_ENUMERATED:
        yield np.array(list(itertools.product((1.0, -1.0), repeat=n)))
        return
    generator = np.random.default_rng(seed)
    for start in range(0, num_resamples, _CHUNK):
        size = (min(_CHUNK, num_resamples - start), n)
        yield 1.0 - 2.0 * generator.integers(0, 2, size, np.int8)


def sign_flip_floor(n: int, num_resamples: int = NUM_RESAMPLES) -> float:
    """The smallest p-value that `sign_flip_p_value` can give for n >= 1 differences."""
    return 2 / 2**n if n <= MAX_ENUMERATED else 1 / (num_resamples + 1)


def sign_flip_interval(
    differences: Sequence[float], level: float = 0.05
) -> tuple[float, float] | None:
    """The centres that the two-sided sign-flip test does not reject: (low, high), both included.

    At the level 0.05 it holds the true mean of symmetric differences in 95 % of experiments or
    more, and holds zero exactly where `sign_flip_p_value` is above the level. At 0.1 it is the
    interval of two one-sided tests at 5 %.

    Args:
      differences: one per seed; each at or above the size at which it counts as zero.
      level: of the test.

    Returns: None where no bounded interval has this level: below 6 differences at 0.05, below 5 at
      0.1.
    """
    differences = np.asarray(differences, np.float64)
    n = len(differences)
    if n == 0 or sign_flip_floor(n) > level:
        return None
    tie = ROUNDING * np.abs(differences).sum() / 2  # As in the p-value, whose sums are twice these.
    means = [_subset_means(signs > 0, differences, tie) for signs in _assignments(n)]
    if n <= MAX_ENUMERATED:
        # The empty subset counts in every p-value, and below every mean.
        rank = math.floor(level * 2**n / 2)
    else:
        # With each sampled subset also its complement; what no subset has seen counts once.
        means += [_subset_means(signs < 0, differences, tie) for signs in _assignments(n)]
        rank = math.floor(level * (NUM_RESAMPLES + 1))
    ordered = np.concatenate(means)
    num = len(ordered)
    ordered = np.partition(ordered, (rank - 1, num - rank))
    return float(ordered[rank - 1]), float(ordered[num - rank])


def _assignments(n: int) -> Iterator[np.ndarray]:
    return _sign_assignments(n, 0, NUM_RESAMPLES)


def _subset_means(chosen: np.ndarray, differences: np.ndarray, tie: float) -> np.ndarray:
    """The mean of each non-empty subset, zero where its sum is a tie."""
    sizes = chosen.sum(axis=1)
    sums = chosen.astype(np.float64) @ differences
    sums[np.abs(sums) <= tie] = 0
    return (sums / np.maximum(sizes, 1))[sizes > 0]
