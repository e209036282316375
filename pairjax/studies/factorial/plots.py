"""The study's plots."""

import itertools
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pairjax.analysis.statistics import describe
from pairjax.reporting.plots.curves import (
    LINE_STYLES,
    STYLE,
    interval_bars,
    new_figure,
    plot_means,
    set_title,
    statistics_frame,
)
from pairjax.studies.factorial.analysis import Effect, StudyResults
from pairjax.studies.factorial.design import (
    Design,
    DesignCell,
    full_train_pairs,
    sharings,
    sized_cells,
)

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
        full, ways = full_train_pairs(design, network), sharings(network)
        for number, sharing in enumerate(ways):
            cells = [DesignCell(network.name, sharing, w, full) for w in design.aux_weights]
            places = np.arange(len(cells)) + DODGE * (number - (len(ways) - 1) / 2)
            dots = places[:, None] - CLOUD / 3 + CLOUD * _spread(network.num_seeds)
            _draw_arm(axes, results, cells, places - 2 * CLOUD / 3, dots)
        _label_weights(axes, design, f'{network.name}, {network.num_seeds} seeds')
        _label_accuracy(axes)
    _finish(figure, panels, SEEDS_AND_MEANS)
    return figure


@matplotlib.rc_context(STYLE)
def draw_effects(design: Design, sharing: Sequence[Effect]) -> Figure:
    """Shared minus the others against aux weight: paired mean differences with intervals.

    Args:
      design: what was varied.
      sharing: the family of that name, see `analyse`.
    """
    figure, panels = _panels(len(design.networks))
    for axes, network in zip(panels, design.networks, strict=True):
        axes.axhline(0, color='black', linewidth=0.8)
        for shift, other in ((-DODGE / 2, 'separate'), (DODGE / 2, 'cut')):
            rows = [r for r in sharing if (r.a.network, r.b.sharing) == (network.name, other)]
            places = [design.aux_weights.index(row.a.aux_weight) + shift for row in rows]
            means = [100 * row.paired.mean for row in rows]
            bars = interval_bars([row.paired for row in rows])
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
        (network, list(cells))
        for network in design.networks
        for _, cells in itertools.groupby(sized_cells(design, network), lambda c: c.aux_weight)
    ]
    figure, panels = _panels(len(settings), sharey='row')
    for axes, (network, cells) in zip(panels, settings, strict=True):
        sizes = np.array([cell.train_pairs for cell in cells])
        for side, sharing in ((-1, 'shared'), (1, 'separate')):
            arm = [cell._replace(sharing=sharing) for cell in cells]
            # Dots are outside of the lines, which would cover them.
            dots = sizes[:, None] * 1.05**side * 1.1 ** (side * _spread(network.num_seeds))
            _draw_arm(axes, results, arm, sizes * 1.02**side, dots, LINE_STYLE_OF[sharing].line)
        axes.set_xscale('log')
        axes.minorticks_off()
        axes.set_xticks(sizes, [f'{size:,}' for size in sizes])
        axes.set_xlabel('train pairs')
        axes.set_title(
            f'{network.name}, aux weight {cells[0].aux_weight:g}, {network.num_seeds} seeds'
        )
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


def _spread(num_seeds: int) -> np.ndarray:
    """A number in [0, 1) a seed: multiples of the golden ratio are even in it and in no order."""
    return np.arange(num_seeds) * 0.6180339887 % 1


def _draw_arm(
    axes: Axes,
    results: StudyResults,
    cells: Sequence[DesignCell],
    places: np.ndarray,
    dots: np.ndarray,
    line: str = 'none',
) -> None:
    """Draws a dot a seed, and the means with their intervals.

    Args:
      axes: where to.
      results: what the runs reached.
      cells: of one sharing; those that were not run leave room.
      places: of the means.
      dots: places of the dots, (cells, seeds); failed seeds leave the last of them free.
      line: between the means.
    """
    tests = [100 * results.test_accuracy(cell).to_numpy() for cell in cells]
    line_style = LINE_STYLE_OF[cells[0].sharing]
    for row, test in zip(dots, tests, strict=True):
        axes.plot(row[: len(test)], test, '.', color=line_style.colour, **DOTS)
    frame = statistics_frame([describe(results.test_accuracy(cell).tolist()) for cell in cells])
    means, bars, label = frame['mean'], frame.half_width.fillna(0), BRANCHES[cells[0].sharing]
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
    shown = [axes.get_legend_handles_labels() for axes in panels]
    handles = {label: one for each in shown for one, label in zip(*each, strict=True)}
    figure.legend(handles.values(), handles.keys(), loc='outside lower center', ncols=3)
    set_title(figure, title)
