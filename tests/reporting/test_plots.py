"""The style and the files of pictures; what training curves show is in test_report.py."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from pairjax.errors import UserError
from pairjax.reporting.plots.curves import (
    LINE_STYLES,
    draw_training_curves,
    new_figure,
    save_figure,
    set_title,
)

ACCURACIES = ('train_accuracy', 'validation_accuracy', 'test_accuracy')


def metrics_frame(num_epochs=3, num_seeds=2):
    lines = [
        {'seed': seed, 'epoch': epoch, 'train_loss': 1 / epoch, **dict.fromkeys(ACCURACIES, 0.5)}
        for seed in range(num_seeds)
        for epoch in range(1, num_epochs + 1)
    ]
    return pd.DataFrame.from_records(lines)


def drawn_figure():
    figure = new_figure(3, 2)
    figure.subplots().plot([1, 2, 3], [3, 1, 2], label='a curve')
    set_title(figure, 'a title')
    return figure


def test_a_figure_is_saved_as_png_and_pdf_in_folders_that_are_made(tmp_path):
    save_figure(drawn_figure(), tmp_path / 'new' / 'folder' / 'curve.png')
    png, pdf = (tmp_path / 'new' / 'folder' / f'curve.{kind}' for kind in ('png', 'pdf'))
    with Image.open(png) as image:
        assert (image.format, image.size) == ('PNG', (3 * 150, 2 * 150))
        assert np.ptp(np.asarray(image.convert('L'))) > 200  # Something is drawn on it.
    # 72 points an inch.
    assert pdf.read_bytes().startswith(b'%PDF') and b'/MediaBox [ 0 0 216 144 ]' in pdf.read_bytes()
    assert sorted(path.name for path in png.parent.iterdir()) == ['curve.pdf', 'curve.png']


def test_files_are_the_same_bytes_on_another_day(tmp_path, monkeypatch):
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '0')
    save_figure(drawn_figure(), tmp_path / 'first.png')
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '1000000000')
    save_figure(drawn_figure(), tmp_path / 'second.png')
    for kind in ('png', 'pdf'):
        first, second = ((tmp_path / f'{name}.{kind}').read_bytes() for name in ('first', 'second'))
        assert first == second
        assert b'Date' not in first


def test_text_in_the_pdf_stays_text(tmp_path):
    save_figure(drawn_figure(), tmp_path / 'curve.png')
    content = (tmp_path / 'curve.pdf').read_bytes()
    assert b'/CIDFontType2' in content and b'/Type3' not in content


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match=r'curve\.png cannot be written'):
        save_figure(drawn_figure(), tmp_path / 'file' / 'curve.png')


def test_series_differ_in_colour_line_and_marker():
    for looks in zip(*LINE_STYLES, strict=True):
        assert len(set(looks)) == len(LINE_STYLES) == 7
    # Okabe and Ito (2008), from the RGB values that they print; yellow is too pale for lines.
    published = [
        (0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0),
        (86, 180, 233), (0, 0, 0),
    ]  # fmt: skip
    assert [tuple(round(255 * c) for c in to_rgb(look.colour)) for look in LINE_STYLES] == published


def test_a_long_title_is_broken_into_lines_that_fit():
    figure = new_figure(5, 3)
    set_title(figure, ' '.join(['word'] * 40))
    figure.draw_without_rendering()
    assert '\n' in figure.get_suptitle()
    box = figure._suptitle.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


@pytest.mark.parametrize('num_epochs', [2, 25, 300])
def test_epochs_are_whole_numbers(num_epochs):
    figure = draw_training_curves(metrics_frame(num_epochs), 'title')
    for axes in figure.axes:
        assert axes.get_xlabel() == 'epoch'
        assert 2 <= len(axes.get_xticks()) <= 14
        assert all(tick == round(tick) for tick in axes.get_xticks())


def test_accuracies_of_one_epoch_alone_are_seen_at_that_epoch():
    metrics = metrics_frame(5)
    metrics.loc[metrics.epoch < 5, list(ACCURACIES)] = None
    accuracy, loss = draw_training_curves(metrics, 'title').axes
    for line in accuracy.lines:
        np.testing.assert_array_equal(line.get_xdata(), [5])
        assert line.get_marker() == 'o'
    assert accuracy.get_xlim() == loss.get_xlim()
    assert not any(line.get_marker() for line in loss.lines)
