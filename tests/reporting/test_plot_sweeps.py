"""What the plots of sweeps show, read back from the figure."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairjax.reporting.plots.curves import figure_bytes
from pairjax.reporting.plots.sweeps import (
    draw_against,
    draw_models,
    draw_sweep,
    draw_trials,
    line_style_of,
    seeds_text,
)

# Student's t with 1 and 2 degrees of freedom, 97.5 % point, from a printed table.
T1, T2 = 12.7062, 4.30265
ROWS = [
    {'label': '(16, 16)', 'values': [0.6, 0.7], 'recorded_mean': 0.62, 'recorded_std': 0.04},
    {'label': '(32, 64)', 'values': [0.8, None, 0.9, 1.0], 'recorded_mean': 0.85},
    {'label': '(64, 16)', 'values': [None, None], 'recorded_mean': None},
    {'label': '(64, 32)', 'values': [0.95], 'recorded_mean': None},
]
ROWS = [{'recorded_std': None, **row} for row in ROWS]
UNRECORDED = [{**row, 'recorded_mean': None, 'recorded_std': None} for row in ROWS]


def means_and_bars(container, direction):
    """Per mean that is drawn: x, y, and the ends of its bar along `direction` (0: x, 1: y)."""
    line, _, (bars,) = container
    points = np.column_stack([np.asarray(part, float) for part in line.get_data()])
    nothing = np.full((2, 2), np.nan)
    ends = [segment if len(segment) else nothing for segment in bars.get_segments()]
    return [
        (*point, *end[:, direction])
        for point, end in zip(points, ends, strict=True)
        if not np.isnan(point).any()
    ]


def assert_drawn(container, direction, expected):
    np.testing.assert_allclose(means_and_bars(container, direction), expected, atol=1e-3)


def texts_of(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def assert_nothing_is_clipped_or_overlaps(figure):
    """Every text lies within the picture, and tick labels lie apart."""
    figure.draw_without_rendering()
    axes = figure.axes[0]
    # Labels beyond the ends of an axis exist and are not drawn.
    labels = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        places = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        labels.append([text for place, text in places if low <= place <= high])
    for text in [*labels[0], *labels[1], axes.xaxis.label, axes.yaxis.label, figure._suptitle]:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height, text
    for some in labels:
        boxes = [text.get_window_extent() for text in some]
        assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:], strict=False))
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


# ------------------------------------------------------------------ architectures


def test_architectures_are_sorted_by_our_mean_and_failed_ones_come_last():
    (axes,) = draw_trials(ROWS, 'title').axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ['(64, 32)', '(32, 64)', '(16, 16)', '(64, 16)']
    np.testing.assert_array_equal(axes.get_yticks(), [0, 1, 2, 3])
    assert axes.yaxis_inverted()  # Row 0 is on top.
    assert axes.get_xlabel().endswith('(%)')


def test_each_architecture_shows_mean_deviation_and_seeds():
    (axes,) = draw_trials(UNRECORDED, 'title').axes
    (ours,) = axes.containers
    # One seed has no deviation, and a row without seeds no mean.
    expected = [(95, 0, np.nan, np.nan), (90, 1, 80, 100), (65, 2, 65 - 50**0.5, 65 + 50**0.5)]
    assert_drawn(ours, 0, expected)
    seeds = axes.lines[0]
    np.testing.assert_allclose(seeds.get_xdata(), [95, 80, 90, 100, 60, 70])
    rows = [0, 1, 1, 1, 2, 2]
    assert all(0 < row - y < 0.5 for row, y in zip(rows, seeds.get_ydata(), strict=True))


def test_recorded_values_stand_beside_ours_in_the_same_row():
    figure = draw_trials(ROWS, 'title')
    (axes,) = figure.axes
    ours, recorded = axes.containers
    assert [round(y) for _, y, *_ in means_and_bars(ours, 0)] == [0, 1, 2]
    drawn = means_and_bars(recorded, 0)
    assert [round(y) for _, y, *_ in drawn] == [1, 2]
    assert all(y > round(y) for _, y, *_ in drawn)
    np.testing.assert_allclose([x for x, *_ in drawn], [85, 62])
    np.testing.assert_allclose(drawn[1][2:], [58, 66])
    assert np.isnan(drawn[0][2:]).all()  # A mean was recorded and no deviation.
    assert ours[0].get_marker() != recorded[0].get_marker()
    assert ours[0].get_markerfacecolor() != recorded[0].get_markerfacecolor() == 'white'
    expected = ['ours: mean ± std', 'ours: one seed', 'recorded: mean ± std']
    assert sorted(legend_of(figure)) == expected
    assert sorted(legend_of(draw_trials(UNRECORDED, 'title'))) == ['mean ± std', 'one seed']


def test_failures_are_named():
    for figure in (draw_trials(ROWS, 't'), draw_sweep(numbered(ROWS, (1, 2, 4, 8)), 'x', 't')):
        assert texts_of(figure) == ['every seed failed']
    assert figure.axes[0].texts[0].get_position()[0] == 4  # At the number of the third row.
    assert texts_of(draw_trials(ROWS[:2], 't')) == []
    nothing = draw_trials(UNRECORDED[2:3], 't')
    assert texts_of(nothing) == ['every seed failed']
    assert means_and_bars(nothing.axes[0].containers[0], 0) == []


def test_the_title_says_how_many_seeds_count():
    assert draw_trials(ROWS[:2], 'AuxNet2').get_suptitle() == 'AuxNet2: n = 2 to 3 seeds'
    assert seeds_text(ROWS) == 'n = 0 to 3 seeds'
    assert seeds_text(ROWS[:1] * 3) == 'n = 2 seeds'


def test_31_architectures_fit_on_a_page():
    widths = [(256, 128, 512, size) for size in range(101, 132)]
    rows = [
        {'label': str(w), 'values': [0.9, 0.8], 'recorded_mean': 0.7, 'recorded_std': 0.1}
        for w in widths
    ]
    figure = draw_trials(rows, 'AuxNet2 on full MNIST, best epoch on test')
    assert figure.get_figheight() < 11 and figure.get_figwidth() < 8.3  # Inches of A4.
    assert_nothing_is_clipped_or_overlaps(figure)
    long = [{**ROWS[0], 'label': 'optimizer.learning_rate=0.001 loss.aux_weight=2.0'}] * 2
    assert_nothing_is_clipped_or_overlaps(draw_trials(long, 'title ' * 30))


# --------------------------------------------------------------------- numbers


def numbered(rows, numbers):
    return [{**row, 'x': x} for row, x in zip(rows, numbers, strict=True)]


def test_a_sweep_shows_mean_interval_and_seeds_at_each_number():
    figure = draw_sweep(numbered(ROWS, (0.01, 0.0001, 0.1, 0.001)), 'learning rate', 'title')
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_xlabel()) == ('log', 'learning rate')
    assert axes.get_ylabel().endswith('(%)')
    assert figure.get_suptitle() == 'title: n = 0 to 3 seeds'
    ours, recorded = axes.containers
    half_2, half_3 = T1 * 50**0.5 / 2**0.5, T2 * 10 / 3**0.5
    expected = [
        (0.0001, 90, 90 - half_3, 90 + half_3),
        (0.001, 95, np.nan, np.nan),
        (0.01, 65, 65 - half_2, 65 + half_2),
    ]
    assert_drawn(ours, 1, expected)
    drawn = means_and_bars(recorded, 1)
    np.testing.assert_allclose([y for _, y, *_ in drawn], [85, 62])
    np.testing.assert_allclose([x for x, *_ in drawn], [0.0001, 0.01], rtol=0.15)
    assert all(x > number for (x, *_), number in zip(drawn, (0.0001, 0.01), strict=True))
    np.testing.assert_allclose(drawn[1][2:], [58, 66])
    seeds = axes.lines[0]
    np.testing.assert_allclose(seeds.get_ydata(), [80, 90, 100, 95, 60, 70])
    numbers = [0.0001] * 3 + [0.001] + [0.01] * 2
    np.testing.assert_allclose(seeds.get_xdata(), numbers, rtol=0.15)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ['0.0001', '0.001', '0.01', '0.1']
    assert_nothing_is_clipped_or_overlaps(figure)


def test_what_was_drawn_lies_within_the_axes():
    (axes,) = draw_sweep(numbered(ROWS[:2], (1, 100)), 'batch size', 'title').axes
    low, high = axes.get_ylim()
    ours, recorded = axes.containers
    ends = np.array([row for c in (ours, recorded) for row in means_and_bars(c, 1)])
    assert low <= np.nanmin(ends[:, 1:]) and np.nanmax(ends[:, 1:]) <= high
    left, right = axes.get_xlim()
    assert left < min(axes.lines[0].get_xdata()) and max(ends[:, 0]) < right


def test_a_sweep_through_zero_has_a_linear_axis():
    (axes,) = draw_sweep(numbered(UNRECORDED[:2], (0.0, 2.0)), 'auxiliary weight', 'title').axes
    assert axes.get_xscale() == 'linear' and axes.get_xlim()[0] < 0
    assert [label.get_text() for label in axes.get_xticklabels()] == ['0', '2']
    np.testing.assert_array_equal(axes.containers[0][0].get_xdata(), [0, 2])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=20, unique=True))
def test_ticks_never_overlap_whatever_is_swept(numbers):
    numbers = sorted({float(f'{number:.1g}') for number in numbers})
    rows = [{**UNRECORDED[0], 'x': x} for x in numbers]
    figure = draw_sweep(rows, 'x', 'title')
    assert_nothing_is_clipped_or_overlaps(figure)
    ticks = figure.axes[0].get_xticks()
    assert ticks[0] == numbers[0] and set(ticks) <= set(numbers)


# ---------------------------------------------------------------------- models


def lines_of(num_seeds, accuracies, losses):
    """Seeds around each mean, 0.1 apart; null where the mean is None."""
    return [
        {
            'seed': seed,
            'epoch': epoch,
            'test_accuracy': None if accuracy is None else accuracy + seed / 10,
            'train_loss': loss + seed / 10,
        }
        for seed in range(num_seeds)
        for epoch, (accuracy, loss) in enumerate(zip(accuracies, losses, strict=True), 1)
    ]


def test_cells_are_drawn_against_what_is_recorded_of_them():
    cells = [{'x': 0.5, 'values': [0.6, 0.7]}, {'x': 0.9, 'values': [0.8]}]
    figure = draw_against(cells, 'title')
    (axes,) = figure.axes
    expected = [(50, 65, 65 - 50**0.5, 65 + 50**0.5), (90, 80, np.nan, np.nan)]
    assert_drawn(axes.containers[0], 1, expected)
    # The line on which both are equal holds every cell between its ends.
    (line,) = [line for line in axes.lines if line.get_label() == 'equal']
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert min(line.get_xdata()) < 50 and max(line.get_xdata()) > 90
    assert 'n = 1 to 2 seeds' in figure.get_suptitle()
    assert_nothing_is_clipped_or_overlaps(figure)


def test_models_are_drawn_with_their_own_n_and_without_failed_seeds():
    failing = lines_of(3, (0.5, None, 0.6), (3, 2, 1))
    failing[-2]['train_loss'] = None  # Seed 2 fails in its second epoch.
    curves = {'DeepModel': lines_of(3, (0.1, 0.2, 0.3), (0.9, 0.8, 0.7)), 'AuxNet2': failing}
    figure = draw_models({k: pd.DataFrame.from_records(v) for k, v in curves.items()}, 'title')
    accuracy, loss = figure.axes
    assert legend_of(figure) == ['DeepModel (n = 3)', 'AuxNet2 (n = 2)']
    deep, aux = accuracy.lines
    np.testing.assert_allclose(np.column_stack(deep.get_data()), [(1, 20), (2, 30), (3, 40)])
    np.testing.assert_allclose(np.column_stack(aux.get_data()), [(1, 55), (3, 65)])
    deep, aux = loss.lines
    np.testing.assert_allclose(deep.get_ydata(), [1.0, 0.9, 0.8])
    np.testing.assert_allclose(aux.get_ydata(), [3.05, 2.05, 1.05])
    band = accuracy.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose([band[:, 1].min(), band[:, 1].max()], [10, 50])  # 20 - 10, 40 + 10.
    assert accuracy.get_ylabel().endswith('(%)') and loss.get_xlabel() == 'epoch'
    assert_nothing_is_clipped_or_overlaps(figure)


def test_no_two_models_look_alike():
    looks = [line_style_of(number) for number in range(20)]
    assert len(set(looks)) == 20
    assert len({look.colour for look in looks[:7]}) == 7


# ----------------------------------------------------------------------- files


@pytest.mark.parametrize('name', ['trials', 'sweep', 'models'])
def test_pictures_are_the_same_every_time(name):
    frame = pd.DataFrame.from_records(lines_of(2, (0.1, 0.2), (2, 1)))
    draw, *arguments = {
        'trials': (draw_trials, ROWS, 'title'),
        'sweep': (draw_sweep, numbered(ROWS, (1, 2, 3, 4)), 'batch size', 'title'),
        'models': (draw_models, {'AuxNet2': frame}, 'title'),
    }[name]
    for kind, start in (('png', b'\x89PNG'), ('pdf', b'%PDF')):
        first, second = (figure_bytes(draw(*arguments), kind) for _ in range(2))
        assert first == second and first.startswith(start)


@pytest.mark.parametrize('tied', [(1,), (0, 3)])
def test_rings_are_around_the_selected_trial_and_those_tied_with_it(tied):
    rows = [{**row, 'x': x, 'tied': x in tied} for x, row in enumerate(UNRECORDED)]
    means = {0: 65, 1: 90, 3: 95}
    drawn = ((draw_sweep(rows, 'x', 'made up'), 1), (draw_trials(rows, 'made up'), 0))
    for figure, along in drawn:
        (ring,) = [line for line in figure.axes[0].lines if line.get_fillstyle() == 'none']
        assert sorted(ring.get_data()[along]) == pytest.approx(sorted(means[x] for x in tied))
        label = 'selected on validation' + (', or tied with it' if len(tied) > 1 else '')
        assert label in legend_of(figure)
    assert not any('selected' in text for text in legend_of(draw_trials(UNRECORDED, 'made up')))
