"""Where networks go wrong, and whether their confidence is right: functions of predictions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from pairjax.analysis.statistics import describe

# Bins of confidence: ten of equal width, since a choice between two has at least 0.5.
EDGES = np.linspace(0.5, 1, 11)
NUM_DRAWS = 100


class DigitPredictions(NamedTuple):
    """What the digit heads predict of the single images, each (runs, n, 2).

    Attributes:
      predicted: the class with the highest probability, int32.
      probability: of the predicted class.
      true_probability: of the right class.
    """

    predicted: np.ndarray
    probability: np.ndarray
    true_probability: np.ndarray


class PairPredictions(NamedTuple):
    """What the runs of one trial predict of n pairs each.

    Attributes:
      seeds: one a run.
      epoch: of the checkpoint.
      relation: its name.
      class_names: the name of each class, or its number as a text.
      images: (m, 14, 14), every image that pairs may show.
      pairs: (runs, n, 2) indices into images.
      classes: (runs, n, 2) int32.
      targets: (runs, n) bool, whether the relation holds.
      log_odds: (runs, n), log(p / (1 - p)) of the probability p that the relation holds. p itself
        would round to 1 where the order still matters.
      digits: None for a model without digit heads.
    """

    seeds: Sequence[int]
    epoch: int
    relation: str
    class_names: Sequence[str]
    images: np.ndarray
    pairs: np.ndarray
    classes: np.ndarray
    targets: np.ndarray
    log_odds: np.ndarray
    digits: DigitPredictions | None

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def predicted(self) -> np.ndarray:
        """(runs, n) bool: whether the relation holds by the prediction."""
        return self.log_odds > 0

    @property
    def correct(self) -> np.ndarray:
        """(runs, n) bool: whether the predictions are right."""
        return self.predicted == self.targets

    @property
    def confidence(self) -> np.ndarray:
        """(runs, n) float64 from 0.5 to 1: the probability of what is predicted."""
        return expit(np.abs(self.log_odds.astype(np.float64)))


def join_predictions(parts: Sequence[PairPredictions]) -> PairPredictions:
    """The predictions of several parts' runs, which agree in all but their runs."""
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ('pairs', 'classes', 'targets', 'log_odds')
    }
    digits = [part.digits for part in parts if part.digits is not None]
    columns = [np.concatenate(column) for column in zip(*digits, strict=True)]
    return parts[0]._replace(
        seeds=[seed for part in parts for seed in part.seeds],
        digits=DigitPredictions(*columns) if columns else None,
        **joined,
    )


def confident_mistakes(predictions: PairPredictions, most: int) -> list[tuple[int, int]]:
    """The wrong predictions of highest confidence: (run, place among its pairs), highest first.

    Runs may share their test images, and a hard one is hard for all of them: a pair is passed over
    when either of its images is already in the list.
    """
    runs, places = np.nonzero(~predictions.correct)
    order = np.argsort(-np.abs(predictions.log_odds[runs, places]), kind='stable')
    chosen, seen = [], set()
    for run, place in zip(runs[order].tolist(), places[order].tolist(), strict=True):
        images = set(predictions.pairs[run, place].tolist())
        if len(chosen) < most and not images & seen:
            chosen.append((run, place))
            seen |= images
    return chosen


def count_confusions(predictions: PairPredictions) -> pd.Series:
    """How many images of a class are predicted as a class; the model must have digit heads.

    Returns: images of all runs by (class, predicted), both sorted; without zeros.
    """
    columns = {'class': predictions.classes, 'predicted': predictions.digits.predicted}
    frame = pd.DataFrame({name: values.ravel() for name, values in columns.items()})
    return frame.groupby(['class', 'predicted']).size()


class Distance(NamedTuple):
    """The pairs whose classes are so far apart.

    Attributes:
      distance: |a - b|.
      n: pairs of all runs.
      holds: the share for which the relation holds.
      accuracy: as `describe` gives it, over the runs that have such pairs.
    """

    distance: int
    n: int
    holds: float
    accuracy: dict[str, Any]


def accuracy_by_distance(predictions: PairPredictions) -> list[Distance]:
    """Accuracy on the pairs of classes a and b by |a - b|, ascending; 0 is two of one class."""
    distances = np.abs(predictions.classes[..., 0] - predictions.classes[..., 1])
    return [
        Distance(
            int(distance),
            int(which.sum()),
            float(predictions.targets[which].mean()),
            describe(means_by_run(predictions.correct, which)),
        )
        for distance in np.unique(distances)
        for which in [distances == distance]
    ]


class Bin(NamedTuple):
    """The predictions whose confidence is in [low, high), in the last bin also 1.

    Attributes:
      low, high: of the confidence.
      n: predictions of all runs.
      confidence, accuracy: as `describe` gives them, over the runs that have such predictions.
    """

    low: float
    high: float
    n: int
    confidence: dict[str, Any]
    accuracy: dict[str, Any]


def reliability(predictions: PairPredictions) -> list[Bin]:
    """Accuracy by confidence in the bins of EDGES; those without a prediction are left out."""
    confidence = predictions.confidence
    bins = bin_of(confidence)
    return [
        Bin(
            float(EDGES[i]),
            float(EDGES[i + 1]),
            int(which.sum()),
            describe(means_by_run(confidence, which)),
            describe(means_by_run(predictions.correct, which)),
        )
        for i in np.unique(bins).tolist()
        for which in [bins == i]
    ]


def means_by_run(values: np.ndarray, which: np.ndarray) -> list[float | None]:
    """Per run the mean of its values (runs, n) where `which` is True; None without any."""
    pairs = zip(values, which, strict=True)
    return [float(row[mine].mean()) if mine.any() else None for row, mine in pairs]


def bin_of(confidence: np.ndarray) -> np.ndarray:
    """The index of the bin of EDGES that each confidence is in."""
    return np.digitize(confidence, EDGES[1:-1])


def calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Expected calibration error of one run's n predictions (Guo et al. 2017).

    The mean over predictions of |accuracy - mean confidence| of their bin, as a fraction.
    """
    gaps = np.bincount(bin_of(confidence), weights=correct - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def calibration_errors(predictions: PairPredictions) -> list[float]:
    """The expected calibration error of each run."""
    return list(map(calibration_error, predictions.confidence, predictions.correct))


def calibrated_error(predictions: PairPredictions) -> float:
    """The mean error that runs with these confidences would have if they were calibrated.

    It is not zero, since the accuracy of a small bin differs from its expectation: predictions are
    drawn anew, right with the probability of their confidence (the consistency resampling of
    Bröcker and Smith 2007).
    """
    generator = np.random.default_rng(0)
    errors = [
        calibration_error(confidence, generator.random(len(confidence)) < confidence)
        for confidence in predictions.confidence
        for _ in range(NUM_DRAWS)
    ]
    return float(np.mean(errors))


def overconfidence(predictions: PairPredictions) -> list[float]:
    """Mean confidence minus accuracy of each run, fractions; negative where underconfident."""
    return (predictions.confidence.mean(axis=1) - predictions.correct.mean(axis=1)).tolist()
