"""What the picture of the distortions shows, read back from it."""

import numpy as np
import pytest

from pairjax.reporting.plots.augmentation import draw_augmentations
from pairjax.reporting.plots.curves import figure_bytes

RNG = np.random.default_rng(0)
ORIGINALS = RNG.uniform(0, 200, (3, 14, 14)).astype(np.float32)
COLUMNS = {name: RNG.uniform(0, 200, (3, 14, 14)) for name in ('rotation', 'shift', 'all', 'all 2')}


def test_each_row_is_a_digit_and_each_column_what_became_of_it():
    figure = draw_augmentations(ORIGINALS, COLUMNS)
    grid = np.array(figure.axes).reshape(3, 5)
    assert [axes.get_title() for axes in grid[0]] == ['original', *COLUMNS]
    assert not any(axes.get_title() for axes in grid[1:].ravel())
    for column, images in zip(grid.T, [ORIGINALS, *COLUMNS.values()], strict=True):
        for axes, image in zip(column, images, strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), image)


def test_brightness_means_the_same_everywhere():
    figure = draw_augmentations(ORIGINALS, {'dark': ORIGINALS / 10})
    limits = {axes.images[0].get_clim() for axes in figure.axes}
    assert limits == {(0, ORIGINALS.max())}
    assert {axes.images[0].get_cmap().name for axes in figure.axes} == {'gray'}


def test_the_first_column_is_above_the_first_and_left_of_the_second():
    figure = draw_augmentations(ORIGINALS, COLUMNS)
    figure.draw_without_rendering()
    grid = np.array(figure.axes).reshape(3, 5)
    boxes = [[axes.get_position() for axes in row] for row in grid]
    for row in boxes:
        assert all(a.x1 < b.x0 for a, b in zip(row, row[1:], strict=False))
    for column in zip(*boxes, strict=True):
        assert all(a.y0 > b.y1 for a, b in zip(column, column[1:], strict=False))


def test_titles_are_not_clipped_and_do_not_overlap():
    names = ['rotation', 'scale', 'shear', 'shift', 'gamma', 'together', 'again']
    figure = draw_augmentations(ORIGINALS[:1], dict.fromkeys(names, ORIGINALS[:1]))
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False))
    for box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height


def test_a_column_with_too_few_digits_is_refused():
    with pytest.raises(ValueError, match='shorter'):
        draw_augmentations(ORIGINALS, {'all': ORIGINALS[:2]})


def test_the_picture_is_the_same_every_time():
    first, second = (figure_bytes(draw_augmentations(ORIGINALS, COLUMNS), 'png') for _ in range(2))
    assert first == second and first.startswith(b'\x89PNG')
