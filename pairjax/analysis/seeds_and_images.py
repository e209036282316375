"""Intervals for another seed *and* other test images, as crossed random effects.

All seeds of an experiment take their test pairs from one pool of images. An interval over seeds
says what another seed would reach on these images; it ignores that the images are a sample, too.

To first order, removing image i lowers the accuracy of seed s by influence[s, i]: an average over
ordered pairs is approximated by a sum over images (Hoeffding 1948; over all pairs of a pool this is
the first-order term of the U-statistic). Seeds share the images and are correlated by them. With
seeds and images as crossed random effects the variance of the mean over n seeds is

    S**2 / n + C

where S**2 is the variance between seeds, as always, and C the mean over two different seeds of the
sum over images of influence[s, i] influence[t, i]. Only products of different seeds are summed, so
that the sampling noise of single pairs, already in S**2 / n, is not counted twice. An end of the
interval is as far from the mean as the root of the sum of two squares: the distance of that end of
the interval over seeds, and the half width of the normal interval over images (Zou and Donner 2008,
"Construction of confidence limits about effect measures"). Satterthwaite's degrees of freedom
(1946) are not used: they are too large when few seeds happen to agree, and that interval covered
91 % at 2 seeds.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import scipy.special

from pairjax.analysis.error_analysis import PairPredictions
from pairjax.analysis.statistics import LEVEL, compare_paired, describe

# Above this many images their contribution to an interval is small beside that of ten seeds.
FEW_IMAGES = 5_000


class RunAccuracies(NamedTuple):
    """Test accuracies of an arm's runs and what single images did to them.

    Attributes:
      seeds: (n,).
      accuracies: (n,) fractions.
      influence: (n, images) float64, see the module; a row sums to about zero.
      pairs: what was averaged over, in words.
    """

    seeds: Sequence[int]
    accuracies: np.ndarray
    influence: np.ndarray
    pairs: str

    def of_seeds(self, seeds: Sequence[int]) -> 'RunAccuracies':
        """The runs of these seeds, in their order."""
        places = [list(self.seeds).index(seed) for seed in seeds]
        return self._replace(
            seeds=seeds, accuracies=self.accuracies[places], influence=self.influence[places]
        )


class CrossedInterval(NamedTuple):
    """A mean with its intervals over seeds alone and over seeds and images, fractions.

    Attributes:
      n, num_images: seeds and images.
      mean: over seeds.
      seeds_only: the 95 % interval over seeds; None where it is unbounded.
      ci95: the 95 % interval over seeds and images; None where it is unbounded.
      image_share: of the variance, the part that the images have, 0 to 1.
      pairs: what each accuracy was averaged over, in words.
    """

    n: int
    num_images: int
    mean: float
    seeds_only: tuple[float, float] | None
    ci95: tuple[float, float] | None
    image_share: float
    pairs: str = ''


def students_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % t interval of the mean."""
    return tuple(describe(values)['ci95'])


def paired_interval(differences: np.ndarray) -> tuple[float, float] | None:
    """The 95 % interval that `compare_paired` shows, which agrees with its p-value."""
    return compare_paired(differences, np.zeros(len(differences))).ci95


def crossed_interval(
    accuracies: np.ndarray,
    influence: np.ndarray,
    over_seeds: Callable[[np.ndarray], tuple[float, float] | None] = students_interval,
) -> CrossedInterval | None:
    """The interval of a mean accuracy, or of a mean difference, over seeds and images.

    Args:
      accuracies: (n,) of the seeds; for a paired difference the differences.
      influence: (n, images), see `RunAccuracies`; for a difference the difference of influences.
      over_seeds: the interval of the mean over seeds.

    Returns: None below two seeds, and where all accuracies are equal.
    """
    n, num_images = influence.shape
    if n < 2 or np.ptp(accuracies) == 0:
        return None
    mean, of_seeds = float(np.mean(accuracies)), float(np.var(accuracies, ddof=1)) / n
    of_images = image_variance(influence)
    over_images = float(scipy.special.ndtri(1 - LEVEL / 2)) * math.sqrt(of_images)
    interval, both = over_seeds(accuracies), None
    if interval is not None:
        low, high = interval
        both = (
            mean - math.hypot(mean - low, over_images),
            mean + math.hypot(high - mean, over_images),
        )
    share = of_images / (of_seeds + of_images)
    return CrossedInterval(n, num_images, mean, interval, both, share)


def image_variance(influence: np.ndarray) -> float:
    """C of the module: the variance that images give the mean over seeds, at least zero."""
    n = len(influence)
    # The sum over two different seeds is that over all pairs of seeds without each with itself.
    together = float(np.square(influence.sum(axis=0)).sum() - np.square(influence).sum())
    return max(0.0, together / (n * (n - 1)))


def compare_over_images(a: RunAccuracies, b: RunAccuracies) -> CrossedInterval | None:
    """The paired difference a - b over common seeds, of runs tested on the same images.

    Over seeds it has the interval of `compare_paired`, so that it is never narrower than that.

    Returns: None below two common seeds, and where all differences are equal.
    """
    common = sorted(set(a.seeds) & set(b.seeds))
    if len(common) < 2:
        return None
    one, other = a.of_seeds(common), b.of_seeds(common)
    found = crossed_interval(
        one.accuracies - other.accuracies, one.influence - other.influence, paired_interval
    )
    return found and found._replace(pairs=a.pairs)


def accuracies_of_predictions(found: PairPredictions) -> RunAccuracies:
    """Over the test pairs that each seed drew: the final test accuracy of summary.json."""
    influence = [
        influence_of_pairs(pairs, correct, len(found.images))
        for pairs, correct in zip(found.pairs, found.correct, strict=True)
    ]
    words = f"each seed's {found.pairs.shape[1]:,} test pairs"
    return RunAccuracies(found.seeds, found.correct.mean(axis=1), np.array(influence), words)


def influence_of_pairs(pairs: np.ndarray, correct: np.ndarray, num_images: int) -> np.ndarray:
    """What each image did to one run's accuracy over drawn pairs: (num_images,) float64.

    Args:
      pairs: (n, 2) indices of images.
      correct: (n,) bool.
      num_images: of the pool.
    """
    residuals = np.repeat(correct - correct.mean(), 2) / len(pairs)
    return np.bincount(pairs.ravel(), weights=residuals, minlength=num_images)


def influence_of_all_pairs(correct_by_image: np.ndarray) -> tuple[float, np.ndarray]:
    """One run's accuracy over all ordered pairs, and what each image did to it (images,).

    Args:
      correct_by_image: how many of the 2 (images - 1) ordered pairs with each image are right.
    """
    num_images = len(correct_by_image)
    # An image is in two places of a pair, so its share moves the accuracy twice.
    shares = correct_by_image / (2 * (num_images - 1))
    accuracy = float(shares.mean())
    return accuracy, 2 * (shares - accuracy) / num_images


def two_way_bootstrap(
    pairs: np.ndarray, values: np.ndarray, num_images: int, num_resamples: int = 999, seed: int = 0
) -> tuple[float, float]:
    """The pigeonhole bootstrap's 95 % percentile interval of a mean over seeds and pairs.

    Seeds and images are resampled with replacement, and a pair counts as often as its seed and its
    two images were drawn (Owen 2007, "The pigeonhole bootstrap"). It counts the chance of single
    pairs several times over, so that it is wider than `crossed_interval`.

    Args:
      pairs: (n, m, 2) indices of images.
      values: (n, m) of the pairs, such as the difference of two arms' correct answers.
      num_images: of the pool.
      num_resamples, seed: of the bootstrap.
    """
    generator, n = np.random.default_rng(seed), len(pairs)
    means = np.empty(num_resamples)
    for i in range(num_resamples):
        images = np.bincount(
            generator.integers(0, num_images, num_images), minlength=num_images
        ).astype(np.float64)
        seeds = np.bincount(generator.integers(0, n, n), minlength=n)
        weights = images[pairs[..., 0]] * images[pairs[..., 1]] * seeds[:, None]
        means[i] = (weights * values).sum() / weights.sum()
    low, high = np.percentile(means, [100 * LEVEL / 2, 100 - 100 * LEVEL / 2])
    return float(low), float(high)
