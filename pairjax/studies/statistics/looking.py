"""Error rates and numbers of seeds where one looks after every seed."""

import numpy as np
import scipy.special

from pairjax.analysis.sequential import p_from_sums, sequential_half_width
from pairjax.analysis.statistics import LEVEL, seeds_to_resolve
from pairjax.studies.statistics.fixed import NUM_FLIPS, SIZES
from pairjax.studies.statistics.populations import POPULATIONS, draw

MOST_SEEDS = 200
REPEATS = 10_000
EFFECTS = (0.3, 0.5, 0.8, 1.2)


def simulate_looking(
    population: str, repeats: int = REPEATS, most: int = MOST_SEEDS
) -> dict[str, float | str]:
    """How often a test names a winner at any n from 2 to `most`, where there is none."""
    generator = np.random.default_rng([17, POPULATIONS.index(population)])
    values = draw(population, (repeats, most), generator)
    sizes = np.arange(1, most + 1)
    sums, squares = values.cumsum(axis=1), np.square(values).cumsum(axis=1)
    ours = p_from_sums(sizes, sums, squares)[:, 1:] <= LEVEL
    return {
        'population': population,
        't test': float(_t_test_rejects(sums, squares, sizes).any(axis=1).mean()),
        'sign-flip test': _sign_flips_ever(values, generator),
        'sequential': float(ours.any(axis=1).mean()),
        'sequential, every 10 seeds': float(ours[:, 8::10].any(axis=1).mean()),
    }


def _t_test_rejects(sums: np.ndarray, squares: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(repeats, most - 1) whether the t test at 5 % rejects at 2, 3, ... seeds."""
    n = sizes[1:]
    means = sums[:, 1:] / n
    variances = np.maximum(squares[:, 1:] / n - means**2, 1e-30) * n / (n - 1)
    critical = scipy.special.stdtrit(n - 1, 1 - LEVEL / 2)
    return np.abs(means) > critical * np.sqrt(variances / n)


def _sign_flips_ever(values: np.ndarray, generator: np.random.Generator) -> float:
    """How often the sign-flip test with 999 flips rejects at any n from 6 on."""
    most = values.shape[1]
    signs = (1 - 2 * generator.integers(0, 2, (NUM_FLIPS, most), np.int8)).astype(np.float32)
    found = 0
    for row in values.astype(np.float32):
        flipped = np.abs(np.cumsum(signs * row, axis=1))
        p_values = ((flipped >= np.abs(row.cumsum()) - 1e-5).sum(axis=0) + 1) / (NUM_FLIPS + 1)
        found += bool((p_values[5:] <= LEVEL).any())
    return found / len(values)


def simulate_seeds_needed(
    effect: float, population: str, repeats: int = REPEATS, most: int = MOST_SEEDS
) -> dict[str, float | str]:
    """Seeds until the sequential test resolves a true effect, against the test that knew it."""
    generator = np.random.default_rng([19, int(100 * effect), POPULATIONS.index(population)])
    values = draw(population, (repeats, most), generator) + effect
    sums, squares = values.cumsum(axis=1), np.square(values).cumsum(axis=1)
    hits = p_from_sums(np.arange(1, most + 1), sums, squares) <= LEVEL
    seeds = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, most)
    wrong = hits.any(axis=1) & (sums[np.arange(repeats), seeds - 1] < 0)
    return {
        'population': population,
        'effect': effect,
        'fixed': seeds_to_resolve(1.0, effect),
        'median': float(np.median(seeds)),
        'mean': float(seeds.mean()),
        '80 %': float(np.quantile(seeds, 0.8)),
        'resolved': float(hits.any(axis=1).mean()),
        'wrong': float(wrong.mean()),
    }


def simulate_sequence_coverage(population: str, repeats: int = REPEATS) -> list[dict]:
    """How often the interval holds the mean at each n alone, and at all n up to it."""
    generator = np.random.default_rng([23, POPULATIONS.index(population)])
    values = draw(population, (repeats, max(SIZES)), generator)
    sizes = np.arange(1, max(SIZES) + 1)
    sums, squares = values.cumsum(axis=1), np.square(values).cumsum(axis=1)
    misses = p_from_sums(sizes, sums, squares) <= LEVEL
    return [
        {
            'population': population,
            'n': n,
            'at n': float(1 - misses[:, n - 1].mean()),
            'up to n': float(1 - misses[:, :n].any(axis=1).mean()),
            'half width': float(sequential_half_width(n, 1.0)),
            't half width': float(scipy.special.stdtrit(n - 1, 0.975) / n**0.5),
        }
        for n in SIZES
    ]
