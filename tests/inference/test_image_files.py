"""Files as cameras, phones and scanners write them."""

import io

import numpy as np
import pytest
from PIL import Image

from pairjax.errors import UserError
from pairjax.inference import image_files
from pairjax.inference.image_files import list_images, read_grey


@pytest.fixture
def page():
    """A dark stroke on light paper, 40 x 30 uint8."""
    page = np.full((40, 30), 240, np.uint8)
    page[5:30, 12:16] = 30
    return page


@pytest.mark.parametrize('name', ['photo.heic', 'photo.jpg'])
@pytest.mark.parametrize('brand', [b'heic', b'mif1'])
def test_heic_is_named_with_what_to_do(name, brand, tmp_path):
    path = tmp_path / name
    path.write_bytes(b'\0\0\0\x18ftyp' + brand + b'\0\0\0\0mif1heic')
    with pytest.raises(UserError, match=rf'{name} .*it is HEIC.*save it as JPEG or PNG'):
        read_grey(path)
    assert list_images(tmp_path) == ([name], 0)


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp'])
@pytest.mark.parametrize(
    'block', [b'Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01', b'Exif\0\0MM\0*junk']
)
def test_a_broken_exif_block_costs_the_rotation_alone(suffix, block, page, tmp_path):
    path = tmp_path / f'x.{suffix}'
    Image.fromarray(page).convert('RGB').save(path, quality=95, exif=block)
    grey = read_grey(path)
    assert grey.shape == page.shape and np.abs(grey - page).mean() < 8


@pytest.mark.parametrize('suffix', ['gif', 'png', 'webp', 'tif'])
def test_the_first_frame_with_ink_is_read(suffix, page, tmp_path):
    path, empty = tmp_path / f'x.{suffix}', Image.new('L', (30, 40), 240)
    frames = [empty, Image.fromarray(page), Image.fromarray(page[::-1].copy())]
    options = {'lossless': True} if suffix == 'webp' else {}
    empty.save(path, save_all=True, append_images=frames, **options)
    assert np.abs(read_grey(path) - page).max() < 3
    # Without any ink the first one is.
    empty.save(path, save_all=True, append_images=[empty, empty], **options)
    assert np.abs(read_grey(path) - 240).max() < 3


@pytest.mark.parametrize('bits', [8, 10, 12, 14, 16])
@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_greys_of_any_depth_are_the_same_page(bits, suffix, page, tmp_path):
    path = tmp_path / f'x.{suffix}'
    deep = np.round(page / 240 * (2**bits - 1)).astype(np.uint16)
    Image.fromarray(deep).save(path)
    np.testing.assert_allclose(read_grey(path), page / 240 * 255, atol=0.6)


def test_a_jpeg_is_reduced_while_it_is_decoded(page, monkeypatch, tmp_path):
    large = np.kron(page, np.ones((200, 200), np.uint8))  # 8,000 x 6,000
    path = tmp_path / 'x.jpg'
    image = Image.fromarray(large)
    image.save(path)
    grey = read_grey(path)
    assert max(grey.shape) <= image_files.MAX_SIDE
    expected = np.asarray(Image.fromarray(page).resize(grey.shape[::-1], Image.Resampling.BOX))
    assert np.abs(grey - expected).mean() < 3
    # What counts is the size that is decoded, except for a progressive JPEG.
    monkeypatch.setattr(image_files.Image, 'MAX_IMAGE_PIXELS', 4_000_000)
    read_grey(path)
    image.save(path, progressive=True)
    with pytest.raises(UserError, match='more than 4,000,000 pixels'):
        read_grey(path)


def test_the_first_picture_of_a_phone_s_file_is_read(page, tmp_path):
    """Phones put previews and depth maps behind the photo (MPO)."""
    first, second = (Image.fromarray(array).convert('RGB') for array in (page, 255 - page))
    file = io.BytesIO()
    first.save(file, 'MPO', save_all=True, append_images=[second], quality=95)
    path = tmp_path / 'x.jpg'
    path.write_bytes(file.getvalue())
    assert np.abs(read_grey(path) - page).mean() < 8
