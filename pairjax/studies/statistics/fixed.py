"""Coverage and error rates at one n that was fixed beforehand, over many experiments at once."""

import itertools
import math

import numpy as np
import scipy.special

from pairjax.analysis.published import FEWEST_WITH_STD
from pairjax.analysis.sign_flip import MAX_ENUMERATED
from pairjax.analysis.statistics import FEWEST_FOR_T, LEVEL
from pairjax.studies.statistics.populations import POPULATIONS, draw

SIZES = (2, 3, 5, 10, 20, 50)
REPEATS = 10_000
NUM_FLIPS = 999
PUBLISHED_N = 5
FAMILY = 4  # Arms, whose six pairs are one family.


def t_bounds(values: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Student's interval of each row's mean."""
    n = values.shape[1]
    half = scipy.special.stdtrit(n - 1, 1 - level / 2) * values.std(axis=1, ddof=1) / math.sqrt(n)
    return values.mean(axis=1) - half, values.mean(axis=1) + half


def sign_flip_p_values(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """`analysis.sign_flip.sign_flip_p_value` of each row; sampled flips are 999, not 100,000."""
    n = values.shape[1]
    if n <= MAX_ENUMERATED:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    else:
        signs = 1.0 - 2.0 * generator.integers(0, 2, (NUM_FLIPS, n))
    counts = np.empty(len(values))
    for start in range(0, len(values), 1000):
        rows = values[start : start + 1000]
        tie = 1e-12 * np.abs(rows).sum(axis=1)
        observed = np.abs(rows.sum(axis=1)) - tie
        counts[start : start + 1000] = (np.abs(signs @ rows.T) >= observed).sum(axis=0)
    if n <= MAX_ENUMERATED:
        return counts / len(signs)
    return (counts + 1) / (NUM_FLIPS + 1)


def simulate_intervals(population: str, n: int, repeats: int = REPEATS) -> dict[str, float | str]:
    """One row of the table of intervals: shares of experiments, at a true mean of 2.2 errors.

    There the interval excludes zero about as often as not, which is where the interval and the
    p-value can disagree.
    """
    generator = np.random.default_rng([n, POPULATIONS.index(population)])
    truth = 2.2 / math.sqrt(n)
    around = draw(population, (repeats, n), generator)
    values = around + truth
    low, high = t_bounds(values)
    t_covers = (low <= truth) & (truth <= high)
    flips_cover = sign_flip_p_values(around, generator) > LEVEL
    p_values = sign_flip_p_values(values, generator)
    disagree = (p_values <= LEVEL) != ((low > 0) | (high < 0))
    shown = np.where(disagree | (n < FEWEST_FOR_T), flips_cover, t_covers)
    return {
        'population': population,
        'n': n,
        't interval': float(t_covers.mean()),
        'sign-flip interval': float(flips_cover.mean()),
        'interval as shown': float(shown.mean()),
        't disagrees with p': float(disagree.mean()),
        'p at most 0.05 under the null': float((~flips_cover).mean()),
    }


def simulate_equivalence(population: str, n: int, repeats: int = REPEATS) -> dict[str, float | str]:
    """Error at a true difference of exactly the margin, and power at zero; margin: 1 std."""
    generator = np.random.default_rng([n, 7, POPULATIONS.index(population)])
    around = draw(population, (repeats, n), generator)
    return {
        'population': population,
        'n': n,
        'error': float(_equivalent(around + 1, 1.0, generator).mean()),
        'power': float(_equivalent(around, 1.0, generator).mean()),
    }


def _equivalent(values: np.ndarray, margin: float, generator: np.random.Generator) -> np.ndarray:
    """`analysis.verdicts.equivalence_test` of each row: whether p is at most 0.05."""
    n, inside = values.shape[1], np.abs(values.mean(axis=1)) < margin
    if n < FEWEST_FOR_T:
        halves = [sign_flip_p_values(values + end, generator) / 2 for end in (margin, -margin)]
        return inside & (np.max(halves, axis=0) <= LEVEL)
    low, high = t_bounds(values, 2 * LEVEL)
    return (-margin < low) & (high < margin)


def simulate_family(n: int, repeats: int = 2000) -> dict[str, float]:
    """How often six comparisons of four equal arms name any winner, without and with Holm."""
    generator = np.random.default_rng([n, 11])
    arms = draw('our runs', (FAMILY, repeats, n), generator)
    p_values = np.array(
        [
            sign_flip_p_values(arms[i] - arms[j], generator)
            for i, j in itertools.combinations(range(FAMILY), 2)
        ]
    )
    # Holm names a winner exactly where the smallest p-value is below the level over their number.
    smallest = p_values.min(axis=0)
    adjusted = float((smallest * len(p_values) <= LEVEL).mean())
    return {'n': n, 'unadjusted': float((smallest <= LEVEL).mean()), 'Holm': adjusted}


def simulate_published(n: int, repeats: int = REPEATS) -> dict[str, float]:
    """Coverage of the difference from a published mean of five runs with half our std."""
    generator = np.random.default_rng([n, 13])
    ours = generator.standard_normal((repeats, n))
    theirs = 0.5 * generator.standard_normal((repeats, PUBLISHED_N))
    single = generator.standard_normal(repeats)
    mean, variance = ours.mean(axis=1), ours.var(axis=1, ddof=1)
    published, spread = theirs.mean(axis=1), theirs.var(axis=1, ddof=1)
    alone = np.sqrt(variance / n + variance)
    return {
        'n': n,
        'mean, std and n': _welch_coverage(mean - published, variance / n, n, spread, PUBLISHED_N),
        'mean and std': _welch_coverage(mean - published, variance / n, n, spread, FEWEST_WITH_STD),
        'mean alone': float(
            (np.abs(mean - single) <= scipy.special.stdtrit(n - 1, 0.975) * alone).mean()
        ),
    }


def _welch_coverage(
    difference: np.ndarray, a: np.ndarray, n: int, other_variance: np.ndarray, other_n: int
) -> float:
    """How often Welch's interval holds zero; a is the variance of our mean."""
    b = other_variance / other_n
    degrees = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (other_n - 1))
    half = scipy.special.stdtrit(degrees, 0.975) * np.sqrt(a + b)
    return float((np.abs(difference) <= half).mean())
