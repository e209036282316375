"""The study's plots."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pairjax.analysis.statistics import describe
from pairjax.reporting.plots.curves import LINE_STYLES, STYLE, LineStyle, new_figure, set_title
from pairjax.studies.factorial.analysis import Effect, main_cells
from pairjax.studies.factorial.design import Design
from pairjax.studies.factorial.parts import full_train_pairs
from pairjax.studies.factorial.results import DesignCell, StudyResults

BRANCHES = {
    'shared': 'one shared branch',
    'separate': 'two branches of the same widths',
    'cut': 'two branches cut to the same number of parameters',
}
LOOK_OF = dict(zip(BRANCHES, LINE_STYLES, strict=False))
TEST_ACCURACY = 'test accuracy, final epoch (%)'
DODGE = 0.26  # Between the arms at one aux weight; the weights stand one apart.
CLOUD = 0.13  # How wide the dots of an arm's seeds spread beside its mean.


@matplotlib.rc_context(STYLE)
def draw_accuracies(design: Design, results: StudyResults) -> Figure:
    """Test accuracy against aux weight: a panel a network, a dot a seed, means with intervals."""
    figure, panels = _panels(len(design.networks))
    for axes, network in zip(panels, design.networks, strict=True):
        cells_of = main_cells(design, network)
        for number, (sharing, cells) in enumerate(cells_of.items()):
            tests = [_tests(results, cell) for cell in cells.values()]
            places = np.arange(len(tests)) + DODGE * (number - (len(cells_of) - 1) / 2)
            for place, values in zip(places, tests, strict=True):
                _draw_dots(axes, place - CLOUD / 3 + CLOUD * _spread(len(values)), values, sharing)
            _draw_test_means(axes, places - 2 * CLOUD / 3, tests, sharing)
        _label_weights(axes, design, f'{network.name}, {network.num_seeds} seeds')
        axes.set_ylabel(TEST_ACCURACY)
        _end_at_100(axes)
    _finish(figure, panels, 'Test accuracy: a dot a seed, and the mean with its 95 % interval')
    return figure


@matplotlib.rc_context(STYLE)
def draw_effects(design: Design, sharing: Sequence[Effect]) -> Figure:
    """Shared minus the others against aux weight: paired mean differences with intervals.

    Args:
      design: what was varied.
      sharing: as in `analysis.Findings`.
    """
    figure, panels = _panels(len(design.networks))
    for axes, network in zip(panels, design.networks, strict=True):
        axes.axhline(0, color='black', linewidth=0.8)
        for shift, other in ((-DODGE / 2, 'separate'), (DODGE / 2, 'cut')):
            rows = [r for r in sharing if (r.a.network, r.b.sharing) == (network.name, other)]
            places = np.array([design.aux_weights.index(row.a.aux_weight) for row in rows])
            means = [100 * row.paired.mean for row in rows]
            bars = [100 * np.ptp(row.paired.ci95 or (0, 0)) / 2 for row in rows]
            if rows:
                label = f'against {BRANCHES[other]}'
                _draw_means(axes, places + shift, means, bars, LOOK_OF[other], label)
        _label_weights(axes, design, f'{network.name}, {network.num_seeds} seeds')
        axes.set_ylabel('shared - other (points)')
    _finish(
        figure, panels, 'Test accuracy of one shared branch: mean paired difference, 95 % interval'
    )
    return figure


@matplotlib.rc_context(STYLE)
def draw_train_pairs(design: Design, results: StudyResults) -> Figure:
    """Test accuracy against train pairs, shared and separate: without and with aux loss."""
    networks = [network for network in design.networks if network.train_pairs]
    weights = (0.0, design.named_weight)
    figure, panels = _panels(len(weights) * len(networks), sharey='row')
    settings = [(network, weight) for network in networks for weight in weights]
    for axes, (network, weight) in zip(panels, settings, strict=True):
        sizes = sorted((*network.train_pairs, full_train_pairs(design, network)))
        for side, sharing in ((-1, 'shared'), (1, 'separate')):
            tests = [
                _tests(results, DesignCell(network.name, sharing, weight, size)) for size in sizes
            ]
            for size, values in zip(sizes, tests, strict=True):
                # Dots stand outside of the lines, which would cover them.
                across = size * 1.05**side * 1.1 ** (side * _spread(len(values)))
                _draw_dots(axes, across, values, sharing)
            _draw_test_means(axes, np.array(sizes) * 1.02**side, tests, sharing, lines=True)
        axes.set_xscale('log')
        axes.minorticks_off()
        axes.set_xticks(sizes, [f'{size:,}' for size in sizes])
        axes.set(xlabel='train pairs', ylabel=TEST_ACCURACY)
        axes.set_title(f'{network.name}, aux weight {weight:g}, {network.num_seeds} seeds')
        _end_at_100(axes)
    _finish(figure, panels, 'Test accuracy: a dot a seed, and the mean with its 95 % interval')
    return figure


def _panels(number: int, sharey: bool | str = False) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, two in a row."""
    num_rows = -(-number // 2)
    figure = new_figure(10, 0.9 + 3.1 * num_rows)
    panels = list(figure.subplots(num_rows, 2, squeeze=False, sharey=sharey).flat)
    for unused in panels[number:]:
        unused.set_axis_off()
    return figure, panels[:number]


def _tests(results: StudyResults, cell: DesignCell) -> list[float]:
    """The test accuracies of a cell in percent; none where it is missing."""
    return (100 * results.test(cell)).tolist() if cell in results.trials else []


def _spread(number: int) -> np.ndarray:
    """Places in [0, 1) that lie evenly and in no order: multiples of the golden ratio."""
    return np.arange(number) * 0.6180339887 % 1


def _draw_dots(axes: Axes, places: np.ndarray, values: Sequence[float], sharing: str) -> None:
    style = {'markersize': 5, 'markeredgewidth': 0, 'alpha': 0.4, 'zorder': 1}
    axes.plot(places, values, '.', color=LOOK_OF[sharing].colour, **style)


def _draw_test_means(
    axes: Axes, places: np.ndarray, tests: Sequence[Sequence[float]], sharing: str, lines=False
) -> None:
    figures = [describe(values) for values in tests]
    means = [np.nan if figure['mean'] is None else figure['mean'] for figure in figures]
    bars = [np.ptp(figure['ci95'] or (0, 0)) / 2 for figure in figures]
    line_style = LOOK_OF[sharing]
    line = line_style.line if lines else 'none'
    _draw_means(axes, places, means, bars, line_style, BRANCHES[sharing], line)


def _draw_means(
    axes: Axes,
    places: np.ndarray,
    means: Sequence[float],
    bars: Sequence[float],
    line_style: LineStyle,
    label: str,
    line: str = 'none',
) -> None:
    style = {
        'color': line_style.colour,
        'marker': line_style.marker,
        'markersize': 5,
        'linestyle': line,
    }
    widths = {'linewidth': 1.2, 'elinewidth': 1.4, 'capsize': 2.5, 'zorder': 3}
    axes.errorbar(places, means, bars, label=label, **style, **widths)


def _label_weights(axes: Axes, design: Design, title: str) -> None:
    labels = [f'{weight:g}' for weight in design.aux_weights]
    axes.set_xticks(range(len(labels)), labels)
    axes.set(xlabel='aux weight', title=title, xlim=(-0.5, len(labels) - 0.5))
    axes.grid(False, axis='x')


def _end_at_100(axes: Axes) -> None:
    # An interval of few seeds may go on where no accuracy lies.
    axes.set_ylim(top=min(axes.get_ylim()[1], 100))


def _finish(figure: Figure, panels: Sequence[Axes], title: str) -> None:
    """One legend for all panels, with what any of them shows."""
    handles = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc='outside lower center', ncols=3)
    set_title(figure, title)
