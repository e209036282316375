"""What paired differences are drawn from in simulations, each with mean 0 and std 1."""

import functools
import json
from importlib import resources

import numpy as np

NORMAL, RUNS, SKEWED = 'normal', 'our runs', 'skewed'
POPULATIONS = (NORMAL, RUNS, SKEWED)


def draw(population: str, size: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Differences of mean 0 and std 1: normal; of real runs, with replacement; or skewed.

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
    """The recorded differences, shifted to mean 0 and scaled to std 1."""
    differences = recorded_differences()
    return (differences - differences.mean()) / differences.std()


@functools.cache
def recorded() -> dict:
    """data/runs.json: final test accuracies of two configs by seed, and their commands."""
    text = resources.files('pairjax.studies.statistics').joinpath('data/runs.json').read_text()
    return json.loads(text)


def recorded_differences() -> np.ndarray:
    """Paired differences of the two recorded configs, fractions."""
    one, other = (arm['final_test_accuracy'] for arm in recorded()['arms'])
    return np.subtract(one, other)
