"""Coverage and error rates at one n that was fixed beforehand, over many experiments at once.

All by the functions that users run, of which those over many seeds take many experiments at once.
"""

import itertools
import math

import numpy as np

from pairjax.analysis.published import FEWEST_WITH_STD, compare_means
from pairjax.analysis.sign_flip import sign_flip_p_values
from pairjax.analysis.statistics import LEVEL, holm, shows_t_interval
from pairjax.analysis.verdicts import equivalence_p_values, t_intervals
from pairjax.studies.statistics.populations import POPULATIONS, draw

SIZES = (2, 3, 5, 10, 20, 50)
REPEATS = 10_000
# Above 16 seeds users have 100,000 sampled flips: with these the level is within 0.2 points.
NUM_FLIPS = 9_999
PUBLISHED_N = 5
FAMILY = 4  # Arms, whose six pairs are one family.

Row = dict[str, float | str]


def p_values_of(values: np.ndarray) -> np.ndarray:
    """The sign-flip p-value of each row."""
    return sign_flip_p_values(values, num_resamples=NUM_FLIPS)


def simulate_intervals(population: str, n: int, repeats: int = REPEATS) -> Row:
    """One row of the table of intervals: shares of experiments, at a true mean of 2.2 errors.

    There the interval excludes zero about as often as not, which is where the interval and the
    p-value can disagree. The sign-flip interval holds a centre exactly where the differences from
    it have a p-value above the level.
    """
    generator = np.random.default_rng([n, POPULATIONS.index(population)])
    truth = 2.2 / math.sqrt(n)
    around = draw(population, (repeats, n), generator)
    values = around + truth
    low, high = t_intervals(values, LEVEL)
    t_covers = (low <= truth) & (truth <= high)
    flips_cover = p_values_of(around) > LEVEL
    p_values = p_values_of(values)
    disagree = (p_values <= LEVEL) != ((low > 0) | (high < 0))
    shown = np.where(shows_t_interval(n, p_values, (low, high)), t_covers, flips_cover)
    return {
        'population': population,
        'n': n,
        't interval': float(t_covers.mean()),
        'sign-flip interval': float(flips_cover.mean()),
        'interval as shown': float(shown.mean()),
        't disagrees with p': float(disagree.mean()),
        'p at most 0.05 under the null': float((~flips_cover).mean()),
    }


def simulate_equivalence(population: str, n: int, repeats: int = REPEATS) -> Row:
    """Error at a true difference of exactly the margin, and power at zero; margin: 1 std."""
    generator = np.random.default_rng([n, 7, POPULATIONS.index(population)])
    around = draw(population, (repeats, n), generator)
    return {
        'population': population,
        'n': n,
        'error': float((equivalence_p_values(around + 1, 1.0) <= LEVEL).mean()),
        'power': float((equivalence_p_values(around, 1.0) <= LEVEL).mean()),
    }


def simulate_family(n: int, repeats: int = 2000) -> Row:
    """How often six comparisons of four equal arms name any winner, without and with Holm."""
    generator = np.random.default_rng([n, 11])
    arms = draw('our runs', (FAMILY, repeats, n), generator)
    pairs = itertools.combinations(range(FAMILY), 2)
    p_values = np.array([p_values_of(arms[i] - arms[j]) for i, j in pairs])
    adjusted = np.array([holm(family) for family in p_values.T])
    return {
        'n': n,
        'unadjusted': float((p_values <= LEVEL).any(axis=0).mean()),
        'Holm': float((adjusted <= LEVEL).any(axis=1).mean()),
    }


def simulate_published(n: int, repeats: int = REPEATS) -> Row:
    """Coverage of the difference from a published mean of five runs with half our std."""
    generator = np.random.default_rng([n, 13])
    ours = generator.standard_normal((repeats, n))
    theirs = 0.5 * generator.standard_normal((repeats, PUBLISHED_N))
    single = generator.standard_normal(repeats)
    groups = ours.mean(axis=1), ours.std(axis=1, ddof=1)
    published = theirs.mean(axis=1), theirs.std(axis=1, ddof=1)

    def coverage(means: np.ndarray, stds: np.ndarray, other_n: int) -> float:
        rows = zip(*groups, means, stds, strict=True)
        return float(np.mean([_holds_zero(n, other_n, *row) for row in rows]))

    return {
        'n': n,
        'mean, std and n': coverage(*published, PUBLISHED_N),
        'mean and std': coverage(*published, FEWEST_WITH_STD),
        'mean alone': coverage(single, groups[1], 1),
    }


def _holds_zero(
    n: int, other_n: int, mean: float, std: float, other_mean: float, other_std: float
) -> bool:
    difference, _ = compare_means((mean, std, n), (other_mean, other_std, other_n))
    low, high = difference.ci95
    return low <= 0 <= high
