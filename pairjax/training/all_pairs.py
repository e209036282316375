"""Accuracy over all ordered pairs of a pool, counted from what is read in each image alone.

A pool of n images has n (n - 1) ordered pairs of distinct images, 99,990,000 for MNIST's 10,000
test images; the n pairs of an image with itself are left out. None of them is ever built.
"""

import numpy as np

# Probabilities of pairs held at a time: 32 MB of float64.
_CHUNK_PAIRS = 2**22


def exact_argmax_accuracy(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, table: np.ndarray
) -> float:
    """Accuracy over all ordered pairs of distinct images, decided by the classes read in them.

    Counted exactly, in whole numbers, from how often each class is read as each.

    Args:
      first: (n,) classes read in the images where they come first in a pair.
      second: (n,) the same where they come second; equal to `first` with shared weights.
      labels: (n,) the images' classes.
      table: see `relation_table`.

    Returns: the share of right answers among n (n - 1) pairs, a fraction.
    Raises: ValueError where there are fewer than two images.
    """
    num_pairs = _count_pairs(labels)
    as_first, as_second = (_confusion(read, labels, len(table)) for read in (first, second))
    right = 0
    # An answer is right where the relation holds for the labels and for what is read, or for
    # neither; summed over the label of the second image and the class read in the first.
    for holds in (table.astype(np.int64), (~table).astype(np.int64)):
        right += int(((as_first @ holds) * (holds @ as_second)).sum())
    with_itself = int((table[first, second] == table[labels, labels]).sum())
    return (right - with_itself) / num_pairs


def exact_probability_accuracy(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, table: np.ndarray
) -> float:
    """Accuracy over all ordered pairs of distinct images, decided by P > 1/2.

    P is the probability that the relation holds if the two digits are independent: the sum of
    first[i, a] second[j, b] over the classes a, b for which it does. In float64, in chunks of
    images; 10,000 images of ten classes take about half a second and 100 MB.

    Args:
      first: (n, classes) probabilities of the images' classes where they come first in a pair.
      second: (n, classes) the same where they come second.
      labels: (n,) the images' classes.
      table: see `relation_table`.

    Returns: the share of right answers among n (n - 1) pairs, a fraction.
    Raises: ValueError where there are fewer than two images.
    """
    num_pairs, num_images = _count_pairs(labels), len(labels)
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    weights = (first @ table.astype(np.float64), second.T)
    targets = table[:, labels]  # (classes, n), whole rows of answers
    step = max(1, _CHUNK_PAIRS // num_images)
    right = 0
    for start in range(0, num_images, step):
        rows = slice(start, start + step)
        decided = weights[0][rows] @ weights[1] > 0.5
        answers = decided == targets[labels[rows]]
        right += int(np.count_nonzero(answers)) - int(np.trace(answers[:, rows]))
    return right / num_pairs


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


def _confusion(read: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(classes, classes) int64: how many images of class [a] are read as [b]."""
    codes = np.asarray(labels, np.int64) * num_classes + read
    return np.bincount(codes, minlength=num_classes**2).reshape(num_classes, num_classes)
