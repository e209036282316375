"""What paired differences are drawn from in simulations, each with mean 0 and std 1."""

import functools
import json
from importlib import resources

import numpy as np

NORMAL, RUNS, SKEWED = 'normal', 'our runs', 'skewed'
POPULATIONS = (NORMAL, RUNS, SKEWED)


def draw(population: str, size: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Differences of mean 0 and std 1: normal; of two real runs, drawn with replacement; or skewed.

    Skewed is an exponential variable minus its mean, far from what the tests assume.
    """
    match population:
        case 'normal':
            return generator.standard_normal(size)
        case 'skewed':
            return generator.exponential(size=size) - 1
    return generator.choice(standardized_runs(), size)


@functools.cache
def standardized_runs() -> np.ndarray:
    """The differences of every two recorded runs, both ways, scaled to std 1; their mean is 0."""
    accuracies = np.array(recorded()['final_test_accuracy'])
    first, second = np.nonzero(~np.eye(len(accuracies), dtype=bool))
    differences = accuracies[first] - accuracies[second]
    return differences / differences.std()


@functools.cache
def recorded() -> dict:
    """data/runs.json: final test accuracies of a config by seed, and its command."""
    text = resources.files('pairjax.studies.statistics').joinpath('data/runs.json').read_text()
    return json.loads(text)


def recorded_differences() -> np.ndarray:
    """First half of the recorded runs minus the second half, fractions; no true difference."""
    accuracies = np.array(recorded()['final_test_accuracy'])
    half = len(accuracies) // 2
    return accuracies[:half] - accuracies[half : 2 * half]
