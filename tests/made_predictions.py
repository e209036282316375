"""Predictions made by hand or at random, for the tests of what is said about them."""

import numpy as np

from pairjax.analysis.error_analysis import DigitPredictions, PairPredictions

DIGITS = tuple('0123456789')
RELATIONS = {'less_equal': np.less_equal, 'equal': np.equal}


def make_predictions(
    classes, log_odds, digits=None, pairs=None, relation='less_equal', class_names=DIGITS
):
    """Predictions of pairs of these classes (runs, n, 2).

    digits: predicted by the digit heads, as the classes by default, with probability 0.9 where
      right and 0.6 against 0.3 elsewhere; False for none. pairs: every pair has images of its own
      by default.
    """
    classes, log_odds = np.array(classes, np.int32), np.array(log_odds, np.float32)
    if pairs is None:
        pairs = np.arange(classes.size).reshape(classes.shape)
    pairs = np.array(pairs, np.int32)
    images = np.zeros((pairs.max() + 1, 14, 14), np.float32)
    images[np.arange(len(images)), np.arange(len(images)) % 14, 3] = 255  # Each its own row.
    heads = None
    if digits is not False:
        digits = classes if digits is None else np.array(digits, np.int32)
        right = digits == classes
        heads = DigitPredictions(digits, np.where(right, 0.9, 0.6), np.where(right, 0.9, 0.3))
    targets = RELATIONS[relation](classes[..., 0], classes[..., 1])
    seeds = [2 * run + 1 for run in range(len(classes))]
    return PairPredictions(
        seeds, 4, relation, class_names, images, pairs, classes, targets, log_odds, heads
    )


def random_predictions(seed=0, num_runs=3, num_pairs=200, num_classes=10, **fields):
    """Predictions at random, right more often than not; about a tenth of the digits are wrong."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, num_classes, (num_runs, num_pairs, 2))
    towards = np.where(classes[..., 0] <= classes[..., 1], 1, -1)
    log_odds = towards + generator.normal(0, 2, towards.shape)
    shift = generator.integers(1, num_classes, classes.shape)
    digits = (classes + shift * (generator.random(classes.shape) < 0.1)) % num_classes
    fields.setdefault('class_names', [str(i) for i in range(num_classes)])
    return make_predictions(classes, log_odds, digits, **fields)
