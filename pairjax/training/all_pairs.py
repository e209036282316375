"""Accuracy over all ordered pairs of a pool, counted from the digit predicted for each image.

A pool of n images has n (n - 1) ordered pairs of distinct images, 99,990,000 for MNIST's 10,000
test images; the n pairs of an image with itself are left out. None of them is ever built.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

# Probabilities of pairs held at a time: 32 MB of float64.
_CHUNK_PAIRS = 2**22


def correct_by_image(
    head: str, logits: Sequence[np.ndarray], labels: np.ndarray, table: np.ndarray
) -> np.ndarray:
    """How many of the 2 (n - 1) ordered pairs with each image are decided correctly: (n,) int64.

    Args:
      head: 'argmax' or 'probability'.
      logits: two (n, classes), of the images as the first and as the second of a pair.
      labels: (n,) the images' classes.
      table: see `relation_table`.

    Raises: ValueError where there are fewer than two images.
    """
    if head == 'argmax':
        return argmax_correct_by_image(*(one.argmax(axis=1) for one in logits), labels, table)
    beliefs = (softmax(one.astype(np.float64), axis=1) for one in logits)
    return probability_correct_by_image(*beliefs, labels, table)


def accuracy_of(counts: np.ndarray) -> float:
    """The accuracy over all n (n - 1) ordered pairs, a fraction, exactly from `correct_by_image`.

    Raises: ValueError where there are fewer than two images.
    """
    return int(counts.sum()) // 2 / _count_pairs(counts)


def argmax_correct_by_image(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, table: np.ndarray
) -> np.ndarray:
    """As `correct_by_image`, decided by the predicted classes.

    Counted exactly, in whole numbers, from the confusion matrices.

    Args:
      first: (n,) predicted classes of the images as the first of a pair.
      second: (n,) the same as the second of a pair; equal to `first` with shared weights.
      labels: (n,) the images' classes.
      table: see `relation_table`.

    Raises: ValueError where there are fewer than two images.
    """
    _count_pairs(labels)
    as_first, as_second = (_confusion(p, labels, len(table)) for p in (first, second))
    # A decision is correct where the relation holds for the labels and for the predictions, or for
    # neither; by the image's class and prediction, summed over its partner's.
    counts = np.zeros(len(labels), np.int64)
    for holds in (table.astype(np.int64), (~table).astype(np.int64)):
        counts += (holds @ as_second @ holds.T)[labels, first]
        counts += (holds.T @ as_first @ holds)[labels, second]
    return counts - 2 * (table[first, second] == table[labels, labels])


def probability_correct_by_image(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, table: np.ndarray
) -> np.ndarray:
    """As `correct_by_image`, decided by P > 1/2.

    P is the probability that the relation holds if the two digits are independent: the sum of
    first[i, a] second[j, b] over the classes a, b for which it does. In float64, in chunks of
    images; 10,000 images of ten classes take about half a second and 100 MB.

    Args:
      first: (n, classes) probabilities of the images' classes as the first of a pair.
      second: (n, classes) the same as the second of a pair.
      labels: (n,) the images' classes.
      table: see `relation_table`.

    Raises: ValueError where there are fewer than two images.
    """
    _count_pairs(labels)
    num_images = len(labels)
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    weights = (first @ table.astype(np.float64), second.T)
    targets = table[:, labels]  # (classes, n)
    step = max(1, _CHUNK_PAIRS // num_images)
    counts = np.zeros(num_images, np.int64)
    for start in range(0, num_images, step):
        rows = slice(start, start + step)
        correct = (weights[0][rows] @ weights[1] > 0.5) == targets[labels[rows]]
        np.fill_diagonal(correct[:, start:], False)
        counts[rows] += np.count_nonzero(correct, axis=1)
        counts += np.count_nonzero(correct, axis=0)
    return counts


def sampled_pairs(num_images: int, num_pairs: int = 10_000, seed: int = 0) -> np.ndarray:
    """Ordered pairs of distinct images, drawn without replacement: (num_pairs, 2) int32.

    The same for every run and config, so that models are compared on the same pairs; all of
    them, in a drawn order, where a pool has no more. At an accuracy of 94 % the standard error
    of 10,000 pairs drawn from a larger pool is 0.24 percentage points.

    Raises: ValueError where there are fewer than two images.
    """
    num_all = _count_pairs(np.empty(num_images))
    codes = np.random.default_rng(seed).choice(num_all, min(num_pairs, num_all), replace=False)
    first, second = np.divmod(codes, num_images - 1)
    second += second >= first
    return np.stack([first, second], axis=1).astype(np.int32)


def _count_pairs(labels: np.ndarray) -> int:
    if len(labels) < 2:
        raise ValueError(f'{len(labels)} images make no pair of distinct images')
    return len(labels) * (len(labels) - 1)


def _confusion(predicted: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(classes, classes) int64: how many images of class a are predicted as b."""
    codes = np.asarray(labels, np.int64) * num_classes + predicted
    return np.bincount(codes, minlength=num_classes**2).reshape(num_classes, num_classes)
