"""Plots of predictions: accuracy by digit distance, and reliability."""

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pairjax.analysis.error_analysis import EDGES, Bin, Distance
from pairjax.reporting.plots.curves import (
    LINE_STYLES,
    STYLE,
    new_figure,
    plot_means,
    set_title,
    statistics_frame,
)

OURS, OTHER = LINE_STYLES[0], LINE_STYLES[1]
# Beyond this many distances there is no room for the number of pairs below each.
MOST_LABELS = 12


@matplotlib.rc_context(STYLE)
def draw_distances(distances: Sequence[Distance], title: str) -> Figure:
    """Accuracy against |a - b|, beside the majority-class baseline at that distance.

    Args:
      distances: as `accuracy_by_distance` gives them.
      title: above the plot.
    """
    figure = new_figure(8, 3.8)
    axes = figure.subplots()
    places = [row.distance for row in distances]
    majority = [100 * max(row.holds, 1 - row.holds) for row in distances]
    dashes = {'linestyle': '', 'marker': '_', 'markersize': 16, 'markeredgewidth': 2}
    name = 'majority-class baseline at that distance'
    axes.plot(places, majority, color=OTHER.colour, label=name, **dashes)
    _plot_accuracies(axes, places, distances)
    if len(places) <= MOST_LABELS:
        axes.set_xticks(places, [f'{row.distance}\n({row.n:,})' for row in distances])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel='|a - b|, the distance of the two digits (pairs)', ylabel='accuracy (%)')
    figure.legend(loc='outside lower center', ncols=2)
    set_title(figure, title)
    return figure


@matplotlib.rc_context(STYLE)
def draw_reliability(bins: Sequence[Bin], title: str) -> Figure:
    """Accuracy against confidence above, the share of all predictions in each bin below.

    Args:
      bins: as `reliability` gives them.
      title: above the plot.
    """
    figure = new_figure(8, 5.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    above.plot([50, 100], [50, 100], color='#000000', linestyle=':', label='calibrated')
    places = [100 * row.confidence['mean'] for row in bins]
    _plot_accuracies(above, places, bins)
    total = sum(row.n for row in bins)
    width = 100 * (EDGES[1] - EDGES[0])
    middles = [50 * (row.low + row.high) for row in bins]
    shares = [100 * row.n / total for row in bins]
    below.bar(middles, shares, width=0.9 * width, color=OURS.colour, alpha=0.6)
    for middle, share, row in zip(middles, shares, bins, strict=True):
        place = {'xytext': (0, 2), 'textcoords': 'offset points', 'ha': 'center'}
        below.annotate(f'{row.n:,}', (middle, share), size=8, **place)
    below.margins(y=0.2)
    above.set(ylabel='accuracy (%)', xlim=(49, 101))
    below.set(ylabel='share of\npredictions (%)', xlabel='confidence of the prediction (%)')
    below.set_xticks(100 * EDGES)
    above.legend(loc='lower right')
    set_title(figure, title)
    return figure


def _plot_accuracies(axes: Axes, places: Sequence[float], rows: Sequence[Distance | Bin]) -> None:
    """Mean accuracies in percent with their 95 % intervals, where n allows them."""
    frame = statistics_frame(row.accuracy for row in rows)
    label = 'the networks: mean and its 95 % interval'
    plot_means(axes, places, frame['mean'], frame.half_width, OURS, label, linestyle=OURS.line)
