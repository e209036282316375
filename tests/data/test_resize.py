"""Images of any size and colour as 14 x 14 grey ones."""

import numpy as np
import pytest
from PIL import Image

from pairjax.data import resize
from pairjax.data.resize import describe_loss, shrink


@pytest.mark.parametrize('side', [4, 8, 13, 14, 15, 27, 28, 32, 64])
def test_each_pixel_is_the_average_over_its_area(side):
    images = np.random.default_rng(side).integers(0, 256, (3, side, side))
    fine = np.kron(images, np.ones((1, 14, 14)))
    expected = fine.reshape(3, 14, side, 14, side).mean((2, 4))
    small = shrink(images.astype(np.uint8))
    assert small.shape == (3, 14, 14)
    np.testing.assert_allclose(small, expected, rtol=1e-5)


@pytest.mark.parametrize('side', [28, 42])
def test_whole_factors_agree_with_pillow(side):
    image = np.random.default_rng(side).uniform(0, 255, (side, side)).astype(np.float32)
    expected = np.asarray(Image.fromarray(image).resize((14, 14), Image.Resampling.BOX))
    np.testing.assert_allclose(shrink(image[None])[0], expected, rtol=1e-5)


def test_chunks_do_not_show():
    images = np.random.default_rng(0).integers(0, 256, (70, 256, 256), dtype=np.uint8)
    assert images.size > resize._CHUNK_VALUES
    expected = np.concatenate([shrink(images[start : start + 1]) for start in range(70)])
    np.testing.assert_array_equal(shrink(images), expected)


@pytest.mark.parametrize('channels', [3, 4])
def test_colour_becomes_luminance(channels):
    colours = np.random.default_rng(1).integers(0, 256, (14, 14, channels), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(colours[..., :3]).convert('L'), np.float32)
    # Pillow rounds to whole numbers.
    np.testing.assert_allclose(shrink(colours[None])[0], expected, atol=0.51)


def test_what_14_by_14_grey_pixels_lose_is_said():
    grey = np.random.default_rng(0).integers(0, 256, (3, 28, 28), dtype=np.uint8)
    colour = np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    assert describe_loss(grey) == describe_loss(np.stack([grey] * 3, axis=-1)) == ''
    assert describe_loss(colour).startswith('32x32 colour images become 14x14 grey ones')
    assert describe_loss(np.zeros((3, 64, 64))).startswith('64x64 images become 14x14 grey ones')
