"""What the page of launch/demo.py answers for drawings, without a browser."""

import re

import numpy as np
import pytest
from drawn_strokes import drawing

from pairjax.errors import UserError
from pairjax.inference.drawn_digits import answer_drawings
from pairjax.inference.networks import find_networks
from pairjax.inference.predictor import Predictor


@pytest.fixture(scope='module')
def predictor():
    return Predictor(find_networks('pairnet', ensemble=True), 1)


def digits_of(page):
    return re.findall(r'class="digit">(\d)<', page)


def test_two_drawings_are_read_and_compared(predictor):
    page = answer_drawings(predictor, [drawing(3), drawing(7, ink='white', paper='black')])
    assert digits_of(page) == ['3', '7']
    assert '<span>a ≤ b?</span> <strong>yes</strong>' in page
    assert 'all 5 seeds read 3' in page and 'all 5 seeds say yes' in page
    assert page.count('data:image/png;base64,') == 2
    page = answer_drawings(predictor, [drawing(7), drawing(3)])
    assert '<strong>no</strong>' in page and 'all 5 seeds say no' in page


def test_one_drawing_is_read_while_the_other_square_is_empty(predictor):
    page = answer_drawings(predictor, [drawing(), drawing(3)])
    assert digits_of(page) == ['3'] and 'The first square has no ink' in page
    assert 'verdict' not in page
    blank = drawing(3, ink='white')
    page = answer_drawings(predictor, [blank, blank])
    assert 'The first square has no ink' in page and 'The second square has no ink' in page
    assert digits_of(page) == []


def test_doubts_and_seeds_that_disagree_are_shown(predictor):
    page = answer_drawings(predictor, [drawing(1, 7), drawing(3)])
    assert 'two digits?' in page

    class Divided:
        restored = predictor.restored

        def with_seeds(self, pixels):
            mean, seeds = predictor.with_seeds(pixels)
            other = seeds[0]._replace(digits_a=np.eye(10)[[8]], holds=~seeds[0].holds)
            return mean, [other, *seeds[1:]]

    page = answer_drawings(Divided(), [drawing(3), drawing(7)])
    assert 'of 5 seeds 4 read 3, 1 reads 8' in page and 'of 5 seeds 4 say yes, 1 says no' in page


def test_a_single_seed_is_not_counted(predictor):
    class Alone:
        restored = predictor.restored

        def with_seeds(self, pixels):
            mean, seeds = predictor.with_seeds(pixels)
            return mean, seeds[:1]

    assert 'seeds' not in answer_drawings(Alone(), [drawing(3), drawing(7)])


@pytest.mark.parametrize(
    ('drawings', 'part'),
    [
        (None, 'two drawings'),
        ([drawing(3)], 'two drawings'),
        ([drawing(3), 7], 'must be a PNG'),
        ([drawing(3), 'data:image/png;base64,AAAA'], 'cannot be read'),
        ([drawing(3), 'data:image/png;base64,?'], 'cannot be read'),
        ([drawing(3), drawing(3)[:-40]], 'cannot be read'),
        ([drawing(3), drawing(3, side=281)], '281 x 281 pixels instead of 280'),
        ([drawing(3), drawing(3) + 'A' * 400_000], 'more than 400,000'),
    ],
)
def test_what_is_no_drawing_is_refused(predictor, drawings, part):
    with pytest.raises(UserError, match=part):
        answer_drawings(predictor, drawings)
