"""What paired differences are drawn from in simulations, each with mean 0 and std 1."""

import functools
import json
from importlib import resources

import numpy as np

NORMAL, RUNS, SKEWED = 'normal', 'our runs', 'skewed'
POPULATIONS = (NORMAL, RUNS, SKEWED)
# The recorded arm whose runs are compared with each other, and the others with it.
FIRST_ARM = 'auxnet2'


def draw(population: str, size: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Differences of mean 0 and std 1: normal; of two real runs, drawn with replacement; or skewed.

    Skewed is an exponential variable minus its mean, far from what the tests assume. Any other name
    is that of a recorded arm, whose differences from the first are moved to mean 0.
    """
    match population:
        case 'normal':
            return generator.standard_normal(size)
        case 'skewed':
            return generator.exponential(size=size) - 1
        case 'our runs':
            return generator.choice(standardized_runs(), size)
    differences = paired_with_first(population)
    return generator.choice((differences - differences.mean()) / differences.std(), size)


@functools.cache
def standardized_runs() -> np.ndarray:
    """The differences of every two runs of the first arm, both ways, scaled to std 1."""
    accuracies = accuracies_of(FIRST_ARM)
    first, second = np.nonzero(~np.eye(len(accuracies), dtype=bool))
    differences = accuracies[first] - accuracies[second]
    return differences / differences.std()


def recorded_std() -> float:
    """The std of the difference of two runs of the first arm, a fraction."""
    return float(np.sqrt(2) * np.std(accuracies_of(FIRST_ARM), ddof=1))


@functools.cache
def recorded() -> dict:
    """data/runs.json: by arm its command and its final test accuracies of seeds 0, 1, ..."""
    text = resources.files('pairjax.studies.statistics').joinpath('data/runs.json').read_text()
    return json.loads(text)


def accuracies_of(arm: str) -> np.ndarray:
    """The recorded accuracies of an arm by seed, fractions."""
    return np.array(recorded()[arm]['final_test_accuracy'])


def paired_with_first(arm: str) -> np.ndarray:
    """An arm's recorded accuracies minus those of the first, by seed."""
    return accuracies_of(arm) - accuracies_of(FIRST_ARM)


def halves_of_first() -> np.ndarray:
    """First half of the first arm's runs minus the second half; no true difference."""
    accuracies = accuracies_of(FIRST_ARM)
    half = len(accuracies) // 2
    return accuracies[:half] - accuracies[half : 2 * half]
