"""The digits of the plot: each distortion does its own, and nothing that is off is shown."""

import numpy as np

from pairjax.data.augmentation import Strengths
from pairjax.data.sources import load_digits
from pairjax.studies.pairnet.augmentation_examples import distorted_examples, one_of_each_class

DIGITS = load_digits('bundled')
WHITE = DIGITS.train_images.max()


def test_one_image_of_each_class_in_order():
    images = one_of_each_class(DIGITS, most=4)
    assert images.shape == (4, 14, 14) and images.dtype == np.float32
    for label, image in enumerate(images):
        same = (DIGITS.train_images == image).all(axis=(1, 2))
        assert label in DIGITS.train_labels[same]


def test_each_distortion_alone_and_then_all_together():
    images = one_of_each_class(DIGITS)
    strengths = Strengths(rotation=20.0, shift=2.0, gamma=0.6)
    columns = distorted_examples(images, WHITE, strengths, num_draws=2)
    assert list(columns) == ['rotation 20', 'shift 2', 'gamma 0.6', 'all, 1', 'all, 2']
    for changed in columns.values():
        assert changed.shape == images.shape and (changed != images).any(axis=(1, 2)).all()
    # A power of brightness moves no pixel, the others move all.
    np.testing.assert_array_equal(columns['gamma 0.6'] > 0, images > 0)
    for title in ('rotation 20', 'shift 2'):
        assert ((columns[title] > 0) != (images > 0)).any()
    assert (columns['all, 1'] != columns['all, 2']).any()
    again = distorted_examples(images, WHITE, strengths, num_draws=2)
    for title, changed in columns.items():
        np.testing.assert_array_equal(again[title], changed)
