"""The noise floor of a config: what differences between runs of other seeds mean."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.special

from pairjax.analysis.statistics import LEVEL, describe

SEEDS_A_SIDE = (1, 3, 5, 10)
TRUE_DIFFERENCES = (0.0, 0.005, 0.01, 0.02)
NUM_DRAWS = 100_000


class Winner(NamedTuple):
    """Which of two arms is named, with so many seeds a side and so large a true difference.

    Shares of imagined comparisons over different seeds, in which the second arm is the config
    itself and the first is better by true_difference.

    Attributes:
      seeds: a side.
      true_difference: of the means, a fraction.
      wrong_mean: how often the second arm has the higher mean; at a difference of zero one half.
      wrong_test: how often Welch's t test at 5 % names the second; None with one seed a side.
      right_test: how often it names the first; None with one seed a side.
    """

    seeds: int
    true_difference: float
    wrong_mean: float
    wrong_test: float | None
    right_test: float | None


class NoiseFloor(NamedTuple):
    """What seeds alone do to a config's accuracy.

    Attributes:
      statistic: of the runs, see `describe`.
      std_interval: the 95 % interval (low, high) of the std, for normal accuracies (chi-square).
      typical, large: the median and the 95 % quantile of how far two single runs differ, fractions.
      floors: by seeds a side, below what difference of the two means luck alone stays in 95 %.
      winners: a row per seeds a side and true difference.
    """

    statistic: dict
    std_interval: tuple[float, float]
    typical: float
    large: float
    floors: dict[int, float]
    winners: list[Winner]


def noise_floor(values: Sequence[float]) -> NoiseFloor:
    """The noise floor from the accuracies of runs that differ by their seed, three or more.

    Groups of runs are drawn with replacement from these, with fixed random numbers.
    """
    accuracies, n = np.asarray(values, np.float64), len(values)
    first, second = np.triu_indices(n, k=1)
    apart = np.abs(accuracies[first] - accuracies[second])
    statistic = describe(values)
    quantiles = scipy.special.chdtri(n - 1, [LEVEL / 2, 1 - LEVEL / 2])
    low, high = statistic['std'] * np.sqrt((n - 1) / quantiles)
    floors, winners = {}, []
    # Drawing with replacement makes the std too small by this factor.
    spread = (accuracies - accuracies.mean()) * np.sqrt(n / (n - 1))
    for seeds in SEEDS_A_SIDE:
        generator = np.random.default_rng(seeds)
        groups = generator.choice(spread, (2, NUM_DRAWS, seeds))
        floors[seeds] = float(np.quantile(np.abs(_difference(groups)), 1 - LEVEL))
        winners += [_winner(groups, true) for true in TRUE_DIFFERENCES]
    return NoiseFloor(
        *(statistic, (float(low), float(high)), float(np.median(apart))),
        *(float(np.quantile(apart, 1 - LEVEL)), floors, winners),
    )


def _difference(groups: np.ndarray) -> np.ndarray:
    return groups[0].mean(axis=1) - groups[1].mean(axis=1)


def _winner(groups: np.ndarray, true: float) -> Winner:
    seeds, difference = groups.shape[2], _difference(groups) + true
    # Accuracies are on a grid: a tie names each arm half the time.
    wrong_mean = float(np.mean((difference < -1e-12) + 0.5 * (np.abs(difference) <= 1e-12)))
    if seeds < 2:
        return Winner(seeds, true, wrong_mean, None, None)
    a, b = groups.var(axis=2, ddof=1) / seeds
    total = a + b
    degrees = np.divide(total**2 * (seeds - 1), a**2 + b**2, out=np.ones_like(a), where=total > 0)
    critical = scipy.special.stdtrit(degrees, 1 - LEVEL / 2) * np.sqrt(total)
    wrong, right = (float(np.mean(sign * difference > critical)) for sign in (-1, 1))
    return Winner(seeds, true, wrong_mean, wrong, right)
