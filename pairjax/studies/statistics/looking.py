"""Error rates and numbers of seeds where one looks after every seed."""

import numpy as np
import scipy.special

from pairjax.analysis.sequential import p_values_by_seed, sequential_interval
from pairjax.analysis.sign_flip import sign_flip_p_values
from pairjax.analysis.statistics import LEVEL, seeds_to_resolve
from pairjax.studies.statistics.fixed import SIZES, Row
from pairjax.studies.statistics.populations import (
    POPULATIONS,
    draw,
    paired_with_first,
    recorded,
    recorded_std,
)

MOST_SEEDS = 200
REPEATS = 10_000
EFFECTS = (0.3, 0.5, 0.8, 1.2)
# Of the sign-flip test, which takes longer than the others: experiments, flips and looks.
NUM_SIGN_FLIPS, FLIP_LOOKS = 999, range(10, MOST_SEEDS + 1, 5)
# Of the test for bounded differences: seeds at most, and the largest bet.
MOST_BOUNDED, BOUNDED_BETS = 2_000, (0.25, 0.5, 0.99)
# Rows held in memory at a time.
_ROWS = 1_000


def simulate_looking(population: str, repeats: int = REPEATS) -> Row:
    """How often a test names a winner at any n from 2 to 200, where there is none."""
    generator = np.random.default_rng([17, POPULATIONS.index(population)])
    values = draw(population, (repeats, MOST_SEEDS), generator)
    ours, fewer = p_values(values) <= LEVEL, values[: max(20, repeats // 5)]
    flips = [
        sign_flip_p_values(fewer[:, :n], num_resamples=NUM_SIGN_FLIPS) <= LEVEL for n in FLIP_LOOKS
    ]
    return {
        'population': population,
        't test': float((t_test_p_values(values)[:, 1:] <= LEVEL).any(axis=1).mean()),
        'sign-flip test': float(np.any(flips, axis=0).mean()),
        'sequential': float(ours.any(axis=1).mean()),
        'sequential, every 10 seeds': float(ours[:, 9::10].any(axis=1).mean()),
        'normal': float((normal_p_values(values) <= LEVEL).any(axis=1).mean()),
        'bounded': float((bounded_p_values(values * recorded_std()) <= LEVEL).any(axis=1).mean()),
    }


def simulate_arm(arm: str, repeats: int = REPEATS) -> Row:
    """Whether a real paired difference is as the test assumes, and its error rate if it is not.

    The differences of a recorded arm from the first, drawn with replacement around a mean of zero.
    """
    import scipy.stats

    differences = paired_with_first(arm)
    values = draw(arm, (repeats, MOST_SEEDS), np.random.default_rng([29, *arm.encode()]))
    return {
        'arm': arm,
        'command': recorded()[arm]['command'],
        'n': len(differences),
        'mean': float(differences.mean()),
        'std': float(differences.std(ddof=1)),
        'skewness': float(scipy.stats.skew(differences, bias=False)),
        'p': float(scipy.stats.skewtest(differences).pvalue),
        'sequential': float((p_values(values) <= LEVEL).any(axis=1).mean()),
        't test': float((t_test_p_values(values)[:, 1:] <= LEVEL).any(axis=1).mean()),
    }


def p_values(values: np.ndarray) -> np.ndarray:
    """The sequential p-values of each row after each seed."""
    parts = range(0, len(values), _ROWS)
    return np.concatenate([p_values_by_seed(values[i : i + _ROWS]) for i in parts])


def t_test_p_values(values: np.ndarray) -> np.ndarray:
    """Student's, after each seed; 1 after the first."""
    n = np.arange(1, values.shape[1] + 1)
    means = values.cumsum(axis=1) / n
    variances = np.square(values).cumsum(axis=1) / n - means**2
    t = np.abs(means[:, 1:]) * np.sqrt((n[1:] - 1) / np.maximum(variances[:, 1:], 1e-30))
    return np.hstack([np.ones((len(values), 1)), 2 * scipy.special.stdtr(n[1:] - 1, -t)])


def normal_p_values(values: np.ndarray, prior: float = 2.0) -> np.ndarray:
    """For comparison: the e-process of the t statistic, valid for normal differences alone.

    Wang and Ramdas (2024), "Anytime-valid t-tests and confidence sequences for Gaussian means with
    unknown variance", with effect sizes Normal(0, 1 / prior).
    """
    n = np.arange(1, values.shape[1] + 1)
    squares = np.maximum(np.square(values).cumsum(axis=1), 1e-30)
    explained = values.cumsum(axis=1) ** 2 / (n * squares)
    shrinkage = prior / (n + prior)
    log_e = (np.log(shrinkage) - n * np.log1p(-(1 - shrinkage) * explained)) / 2
    return np.exp(-np.maximum(log_e, 0))


def bounded_p_values(values: np.ndarray) -> np.ndarray:
    """For comparison: betting on differences of accuracies, which lie in [-1, 1], and no more.

    Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting": the
    products of 1 + bet * difference, for constant bets in equal shares and both signs.
    """
    bets = [sign * bet for bet in BOUNDED_BETS for sign in (1, -1)]
    logs = [np.log1p(bet * np.clip(values, -1, 1)).cumsum(axis=1) for bet in bets]
    return np.exp(np.minimum(np.log(len(bets)) - np.logaddexp.reduce(logs, axis=0), 0))


def simulate_seeds_needed(effect: float, population: str, repeats: int = REPEATS) -> Row:
    """Seeds until the sequential test resolves a true effect, against the test that knew it."""
    generator = np.random.default_rng([19, int(100 * effect), POPULATIONS.index(population)])
    values = draw(population, (repeats, MOST_SEEDS), generator) + effect
    hits = p_values(values) <= LEVEL
    seeds, resolved = _first(hits), hits.any(axis=1)
    sums = values.cumsum(axis=1)[np.arange(repeats), seeds - 1]
    long = draw(population, (max(20, repeats // 20), MOST_BOUNDED), generator) + effect
    return {
        'population': population,
        'effect': effect,
        'fixed': seeds_to_resolve(1.0, effect),
        'median': float(np.median(seeds)),
        'mean': float(seeds.mean()),
        '80 %': float(np.quantile(seeds, 0.8)),
        'resolved': float(resolved.mean()),
        'wrong': float((resolved & (sums < 0)).mean()),
        'normal': float(np.median(_first(normal_p_values(values) <= LEVEL))),
        'bounded': float(np.median(_first(bounded_p_values(long * recorded_std()) <= LEVEL))),
    }


def _first(hits: np.ndarray) -> np.ndarray:
    """The number of seeds at the first hit of each row, all of them where there is none."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, hits.shape[1])


def simulate_sequence_coverage(population: str, repeats: int = REPEATS) -> list[Row]:
    """How often the interval holds the mean at each n alone, and at all n up to it.

    It holds a centre exactly where the differences from it have a p-value above the level. Widths
    are medians over a hundredth of the experiments.
    """
    generator = np.random.default_rng([23, POPULATIONS.index(population)])
    values = draw(population, (repeats, max(SIZES)), generator)
    misses, few = p_values(values) <= LEVEL, values[: max(9, repeats // 100)]
    return [
        {
            'population': population,
            'n': n,
            'at n': float(1 - misses[:, n - 1].mean()),
            'up to n': float(1 - misses[:, :n].any(axis=1).mean()),
            'half width': float(np.median([_half_width(row[:n]) for row in few])),
            't half width': float(scipy.special.stdtrit(n - 1, 0.975) / n**0.5),
        }
        for n in SIZES
    ]


def _half_width(values: np.ndarray) -> float:
    interval = sequential_interval(values)
    return np.inf if interval is None else (interval[1] - interval[0]) / 2
