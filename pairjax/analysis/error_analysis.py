"""Where networks go wrong, and whether they know: pure functions of answers. No jax in here."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from pairjax.analysis.statistics import describe

# Bins of confidence: ten of equal width, since an answer between two has at least 0.5.
EDGES = np.linspace(0.5, 1, 11)
NUM_DRAWS = 100


class DigitPredictions(NamedTuple):
    """What the digit heads make of the single images, each (runs, n, 2).

    read: the class with the highest probability, int32. probability: that one's.
    true_probability: the right class's.
    """

    read: np.ndarray
    probability: np.ndarray
    true_probability: np.ndarray


class Answers(NamedTuple):
    """What the runs of one trial answer about n pairs each.

    seeds: one a run. epoch: after which they were asked. relation: by name.
    images: (m, 14, 14), every image that pairs may show. pairs: (runs, n, 2) indices into them.
    classes: (runs, n, 2) int32. targets: (runs, n) bool, whether the relation holds.
    log_odds: (runs, n), log(p / (1 - p)) of the probability p that the relation holds; where it is
    positive the answer is that it does. p itself would round to 1 where the order still matters.
    readings: None for a model without digit heads.
    """

    seeds: Sequence[int]
    epoch: int
    relation: str
    num_classes: int
    images: np.ndarray
    pairs: np.ndarray
    classes: np.ndarray
    targets: np.ndarray
    log_odds: np.ndarray
    readings: DigitPredictions | None

    @property
    def holds(self) -> np.ndarray:
        """(runs, n) bool: the answers."""
        return self.log_odds > 0

    @property
    def right(self) -> np.ndarray:
        """(runs, n) bool: whether the answers are right."""
        return self.holds == self.targets

    @property
    def confidence(self) -> np.ndarray:
        """(runs, n) float64 from 0.5 to 1: the probability that a run gives to its answer."""
        return expit(np.abs(self.log_odds.astype(np.float64)))


def confident_mistakes(answers: Answers, most: int) -> list[tuple[int, int]]:
    """The wrong answers of highest confidence: (run, place among its pairs), the highest first.

    Runs may share their test images, and a hard one is hard for all of them: a pair is passed over
    when either of its images is already in the list.
    """
    runs, places = np.nonzero(~answers.right)
    order = np.argsort(-np.abs(answers.log_odds[runs, places]), kind='stable')
    chosen, seen = [], set()
    for run, place in zip(runs[order].tolist(), places[order].tolist(), strict=True):
        images = set(answers.pairs[run, place].tolist())
        if len(chosen) < most and not images & seen:
            chosen.append((run, place))
            seen |= images
    return chosen


def count_readings(answers: Answers) -> dict[tuple[int, int], int]:
    """How many images of a class were read as a class: {(class, read): images}, without zeros.

    Sums over runs and both images of a pair; the model must have digit heads.
    """
    both = np.stack([answers.classes.ravel(), answers.readings.read.ravel()], axis=1)
    kinds, counts = np.unique(both, axis=0, return_counts=True)
    return {tuple(kind): n for kind, n in zip(kinds.tolist(), counts.tolist(), strict=True)}


class Distance(NamedTuple):
    """The pairs whose classes are so far apart.

    n: pairs of all runs. holds: the share for which the relation holds. accuracy: as `describe`
    has it, over the runs that have such pairs.
    """

    distance: int
    n: int
    holds: float
    accuracy: dict[str, Any]


def accuracy_by_distance(answers: Answers) -> list[Distance]:
    """Accuracy on the pairs of classes a and b by |a - b|, from 0, two of one class, up."""
    distances = np.abs(answers.classes[..., 0] - answers.classes[..., 1])
    return [
        Distance(
            int(distance),
            int(which.sum()),
            float(answers.targets[which].mean()),
            describe(means_by_run(answers.right, which)),
        )
        for distance in np.unique(distances)
        for which in [distances == distance]
    ]


class Bin(NamedTuple):
    """The answers whose confidence lies in [low, high), in the last bin also 1.

    n: answers of all runs. confidence: mean, and accuracy: as `describe` has them, over the runs
    that have such answers.
    """

    low: float
    high: float
    n: int
    confidence: dict[str, Any]
    accuracy: dict[str, Any]


def reliability(answers: Answers) -> list[Bin]:
    """Accuracy by confidence in the bins of EDGES; those without an answer are left out."""
    confidence = answers.confidence
    bins = bin_of(confidence)
    return [
        Bin(
            float(EDGES[i]),
            float(EDGES[i + 1]),
            int(which.sum()),
            describe(means_by_run(confidence, which)),
            describe(means_by_run(answers.right, which)),
        )
        for i in np.unique(bins).tolist()
        for which in [bins == i]
    ]


def means_by_run(values: np.ndarray, which: np.ndarray) -> list[float | None]:
    """Per run the mean of its values (runs, n) at the places in question, None without any."""
    pairs = zip(values, which, strict=True)
    return [float(row[mine].mean()) if mine.any() else None for row, mine in pairs]


def bin_of(confidence: np.ndarray) -> np.ndarray:
    """Which of the bins of EDGES each confidence lies in, counted from 0."""
    return np.digitize(confidence, EDGES[1:-1])


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error of one run's n answers (Guo et al. 2017).

    The mean over answers of |accuracy - mean confidence| of their bin, as a fraction.
    """
    gaps = np.bincount(bin_of(confidence), weights=right - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_errors(answers: Answers) -> list[float]:
    """The expected calibration error of each run."""
    return list(map(calibration_error, answers.confidence, answers.right))


def calibrated_error(answers: Answers) -> float:
    """The mean error that runs with these confidences would have if they were calibrated.

    It is not zero, since a bin of few answers is never quite as often right as it should be: the
    answers are drawn anew, right with the probability of their confidence (the consistency
    resampling of Bröcker and Smith 2007).
    """
    generator = np.random.default_rng(0)
    errors = [
        calibration_error(confidence, generator.random(len(confidence)) < confidence)
        for confidence in answers.confidence
        for _ in range(NUM_DRAWS)
    ]
    return float(np.mean(errors))


def overconfidence(answers: Answers) -> list[float]:
    """Per run mean confidence minus accuracy; below zero it is right more often than it thinks."""
    return (answers.confidence.mean(axis=1) - answers.right.mean(axis=1)).tolist()
