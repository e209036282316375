"""The study's plots."""

from collections.abc import Callable, Iterable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pairjax.analysis.statistics import describe
from pairjax.reporting.plots.curves import (
    LINE_STYLES,
    STYLE,
    new_figure,
    plot_means,
    set_title,
    statistics_frame,
)
from pairjax.studies.factorial.analysis import Effect
from pairjax.studies.factorial.design import Design, DesignCell, full_train_pairs, main_cells
from pairjax.studies.factorial.results import StudyResults

BRANCHES = {
    'shared': 'one shared branch',
    'separate': 'two branches of the same widths',
    'cut': 'two branches cut to the same number of parameters',
}
LINE_STYLE_OF = dict(zip(BRANCHES, LINE_STYLES, strict=False))
TEST_ACCURACY = 'test accuracy, final epoch (%)'
SEEDS_AND_MEANS = 'Test accuracy: a dot a seed, and the mean with its 95 % interval'
MEANS = {'linewidth': 1.2, 'elinewidth': 1.4, 'capsize': 2.5, 'zorder': 3}
DOTS = {'markersize': 5, 'markeredgewidth': 0, 'alpha': 0.4, 'zorder': 1}
DODGE = 0.26  # Between the arms at one aux weight; the weights are one apart.
CLOUD = 0.13  # How wide the dots of an arm's seeds spread beside its mean.


@matplotlib.rc_context(STYLE)
def draw_accuracies(design: Design, results: StudyResults) -> Figure:
    """Test accuracy against aux weight: a panel a network, a dot a seed, means with intervals."""
    figure, panels = _panels(len(design.networks))
    for axes, network in zip(panels, design.networks, strict=True):
        cells_of = main_cells(design, network)
        for number, (sharing, cells) in enumerate(cells_of.items()):
            places = np.arange(len(cells)) + DODGE * (number - (len(cells_of) - 1) / 2)
            means, dots = places - 2 * CLOUD / 3, places - CLOUD / 3

            def scatter(number, spread, dots=dots):
                return dots[number] + CLOUD * spread

            _draw_arm(axes, results, cells.values(), sharing, means, scatter)
        _label_weights(axes, design, f'{network.name}, {network.num_seeds} seeds')
        _label_accuracy(axes)
    _finish(figure, panels, SEEDS_AND_MEANS)
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
            places = [design.aux_weights.index(row.a.aux_weight) + shift for row in rows]
            means = [100 * row.paired.mean for row in rows]
            bars = [50 * np.ptp(row.paired.ci95 or (0, 0)) for row in rows]
            if rows:
                label = f'against {BRANCHES[other]}'
                plot_means(axes, places, means, bars, LINE_STYLE_OF[other], label, **MEANS)
        _label_weights(axes, design, f'{network.name}, {network.num_seeds} seeds')
        axes.set_ylabel('shared - other (points)')
    _finish(
        figure, panels, 'Test accuracy of one shared branch: mean paired difference, 95 % interval'
    )
    return figure


@matplotlib.rc_context(STYLE)
def draw_train_pairs(design: Design, results: StudyResults) -> Figure:
    """Test accuracy against train pairs, shared and separate: without and with aux loss."""
    settings = [
        (network, weight)
        for network in design.networks
        if network.train_pairs
        for weight in (0.0, design.named_weight)
    ]
    figure, panels = _panels(len(settings), sharey='row')
    for axes, (network, weight) in zip(panels, settings, strict=True):
        sizes = np.array(sorted((*network.train_pairs, full_train_pairs(design, network))))
        for side, sharing in ((-1, 'shared'), (1, 'separate')):
            cells = [DesignCell(network.name, sharing, weight, int(size)) for size in sizes]

            def scatter(number, spread, side=side, sizes=sizes):
                # Dots are outside of the lines, which would cover them.
                return sizes[number] * 1.05**side * 1.1 ** (side * spread)

            line = LINE_STYLE_OF[sharing].line
            _draw_arm(axes, results, cells, sharing, sizes * 1.02**side, scatter, line)
        axes.set_xscale('log')
        axes.minorticks_off()
        axes.set_xticks(sizes, [f'{size:,}' for size in sizes])
        axes.set_xlabel('train pairs')
        axes.set_title(f'{network.name}, aux weight {weight:g}, {network.num_seeds} seeds')
        _label_accuracy(axes)
    _finish(figure, panels, SEEDS_AND_MEANS)
    return figure


def _panels(number: int, sharey: bool | str = False) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, two in a row."""
    num_rows = -(-number // 2)
    figure = new_figure(10, 0.9 + 3.1 * num_rows)
    panels = list(figure.subplots(num_rows, 2, squeeze=False, sharey=sharey).flat)
    for unused in panels[number:]:
        unused.set_axis_off()
    return figure, panels[:number]


def _draw_arm(
    axes: Axes,
    results: StudyResults,
    cells: Iterable[DesignCell],
    sharing: str,
    places: np.ndarray,
    scatter: Callable[[int, np.ndarray], np.ndarray],
    line: str = 'none',
) -> None:
    """Draws a dot a seed, and the means with their intervals.

    Args:
      axes: where to.
      results: what the runs reached.
      cells: those that were not run leave room.
      sharing: of the cells.
      places: of the means.
      scatter: takes the number of a cell and, per seed, a value in [0, 1), and returns the
        places of the dots.
      line: between the means.
    """
    line_style, statistics = LINE_STYLE_OF[sharing], []
    for number, cell in enumerate(cells):
        test = results.test_accuracy(cell).tolist() if cell in results.trials else []
        # Multiples of the golden ratio are even in [0, 1) and in no order.
        dots = scatter(number, np.arange(len(test)) * 0.6180339887 % 1)
        axes.plot(dots, 100 * np.array(test), '.', color=line_style.colour, **DOTS)
        statistics.append(describe(test))
    frame = statistics_frame(statistics)
    means, bars, label = frame['mean'], frame.half_width.fillna(0), BRANCHES[sharing]
    plot_means(axes, places, means, bars, line_style, label, linestyle=line, **MEANS)


def _label_weights(axes: Axes, design: Design, title: str) -> None:
    labels = [f'{weight:g}' for weight in design.aux_weights]
    axes.set_xticks(range(len(labels)), labels)
    axes.set(xlabel='aux weight', title=title, xlim=(-0.5, len(labels) - 0.5))
    axes.grid(False, axis='x')


def _label_accuracy(axes: Axes) -> None:
    # An interval of few seeds may go on beyond 100 %.
    axes.set(ylabel=TEST_ACCURACY, ylim=(None, min(axes.get_ylim()[1], 100)))


def _finish(figure: Figure, panels: Sequence[Axes], title: str) -> None:
    """One legend for all panels, with what any of them shows."""
    handles = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc='outside lower center', ncols=3)
    set_title(figure, title)
