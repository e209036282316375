"""The page of --show, from predictions to HTML."""

import re

import numpy as np
import pytest
from PIL import Image

from pairjax.errors import UserError
from pairjax.inference.batch_predict import PredictedPairs
from pairjax.inference.image_preprocessing import UNSURE_BELOW, image_note, read_image
from pairjax.inference.shown_pictures import PictureCollector


@pytest.fixture
def pictures(tmp_path):
    """Two pictures of 60 x 60, one of them of two strokes side by side, and a broken file."""
    page = np.full((60, 60), 240, np.uint8)
    page[10:50, 15:20] = 20
    Image.fromarray(page).save(tmp_path / 'one.png')
    page[10:50, 40:45] = 20
    Image.fromarray(page).save(tmp_path / 'two & a half.png')
    (tmp_path / 'broken.png').write_bytes(b'')
    return tmp_path


def test_the_page_shows_each_picture_once_with_its_prediction(pictures):
    names = 'one.png', 'two & a half.png'
    images = [read_image(pictures / name) for name in names]
    collector = PictureCollector(pictures / 'page.html', pictures, as_it_is=False)
    row = ('yes', '0.900000', 1, 7, '', '')
    broken = ('', '', '', '', 'broken.png is empty', '')
    collector.add(
        PredictedPairs([names, names[::-1]], [images, images[::-1]], [row] * 2, [(0.9, 0.3)] * 2)
    )
    collector.add(
        PredictedPairs([('broken.png', names[0])], [['it is empty', images[0]]], [broken], [None])
    )
    collector.write('a network')
    page = (pictures / 'page.html').read_text()
    assert len(re.findall(r'<img src="data:image/png;base64,', page)) == 2 * 3
    assert page.count('alt="read of one.png"') == page.count('alt="cut out of one.png"') == 1
    assert 'two &amp; a half.png' in page and 'two digits?' in page and 'it is empty' in page
    assert '3 of 3 pictures' in page and '3 of 3 pairs' in page and 'a network' in page


def test_a_page_that_cannot_be_written_is_named(pictures):
    with pytest.raises(UserError, match=r'--show=.*page\.csv must be the name of an HTML page'):
        PictureCollector(pictures / 'page.csv', pictures, as_it_is=False)
    collector = PictureCollector(pictures / 'none' / 'page.html', pictures, as_it_is=False)
    with pytest.raises(UserError, match=r'--show=.*cannot be written \(No such file'):
        collector.write('a network')


def test_a_picture_is_unsure_below_the_threshold(pictures):
    one, two = (read_image(pictures / name) for name in ('one.png', 'two & a half.png'))
    assert image_note(one, UNSURE_BELOW) == image_note(one, None) == ''
    assert image_note(one, UNSURE_BELOW - 0.01) == 'unsure'
    assert image_note(two, 0.1) == 'two digits?, unsure'
