"""Answers made by hand or at random, for the tests of what is said about them."""

import numpy as np

from pairjax.analysis.error_analysis import Answers, DigitPredictions

RELATIONS = {'less_equal': np.less_equal, 'equal': np.equal}


def make_answers(classes, log_odds, read=None, pairs=None, relation='less_equal', num_classes=10):
    """Answers about pairs of these classes (runs, n, 2).

    read: as the classes by default, with probability 0.9 where right and 0.6 against 0.3 elsewhere;
      False for none. pairs: every pair has images of its own by default.
    """
    classes, log_odds = np.array(classes, np.int32), np.array(log_odds, np.float32)
    if pairs is None:
        pairs = np.arange(classes.size).reshape(classes.shape)
    pairs = np.array(pairs, np.int32)
    images = np.zeros((pairs.max() + 1, 14, 14), np.float32)
    images[np.arange(len(images)), np.arange(len(images)) % 14, 3] = 255  # Each its own row.
    readings = None
    if read is not False:
        read = classes if read is None else np.array(read, np.int32)
        chances = np.where(read == classes, 0.9, 0.6), np.where(read == classes, 0.9, 0.3)
        readings = DigitPredictions(read, *chances)
    targets = RELATIONS[relation](classes[..., 0], classes[..., 1])
    seeds = [2 * run + 1 for run in range(len(classes))]
    return Answers(
        seeds, 4, relation, num_classes, images, pairs, classes, targets, log_odds, readings
    )


def random_answers(seed=0, num_runs=3, num_pairs=200, num_classes=10, **fields):
    """Answers at random, right more often than not; about a tenth of the digits are misread."""
    generator = np.random.default_rng(seed)
    classes = generator.integers(0, num_classes, (num_runs, num_pairs, 2))
    towards = np.where(classes[..., 0] <= classes[..., 1], 1, -1)
    log_odds = towards + generator.normal(0, 2, towards.shape)
    shift = generator.integers(1, num_classes, classes.shape)
    read = (classes + shift * (generator.random(classes.shape) < 0.1)) % num_classes
    return make_answers(classes, log_odds, read, num_classes=num_classes, **fields)
