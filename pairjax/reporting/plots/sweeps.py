"""Plots that compare trials: by name, against a swept number, and curves of several models."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import ArrayLike

from pairjax.analysis.statistics import describe
from pairjax.reporting.plots.curves import (
    LINE_STYLES,
    STYLE,
    LineStyle,
    new_figure,
    plot_band,
    plot_means,
    save_figure,
    set_title,
    statistics_frame,
    without_failed_seeds,
)

# One trial: its `label` or `x`; `values`, the accuracy of each seed, None where the seed failed;
# `recorded_mean` and `recorded_std` of a paper, None or missing where it has none. All fractions.
SweepRow = Mapping[str, Any]

OURS, RECORDED = LINE_STYLES[0], LINE_STYLES[1]
ACCURACY_LABEL = 'test accuracy on pairs (%)'
RECORDED_LABEL = 'recorded: mean ± std'
FAILED = 'every seed failed'
NOTE = {'size': 8, 'bbox': {'facecolor': 'white', 'edgecolor': 'none', 'pad': 1}}


@matplotlib.rc_context(STYLE)
def draw_trials(rows: Sequence[SweepRow], title: str) -> Figure:
    """Accuracy of each trial, as in Figure 1 of the first paper: best mean on top.

    Args:
      rows: one a trial, with `label`.
      title: above the plot; the number of seeds is added.
    """
    rows = sorted(rows, key=lambda row: -(describe(row['values'])['mean'] or 0))
    ours = statistics_frame(describe(row['values']) for row in rows)
    recorded = _recorded(rows)
    places, has_recorded = np.arange(len(rows)), recorded['mean'].notna().any()
    shift, ours_are = (0.06, 'ours: ') if has_recorded else (0, '')
    longest = max(len(row['label']) for row in rows)
    figure = new_figure(6.2 + 0.075 * longest, 1.5 + 0.28 * len(rows))
    axes = figure.subplots()
    # The dots of the seeds are above the bar, which would hide them.
    axes.plot(*_seed_dots(rows, places - shift - 0.24), **_dots(f'{ours_are}one seed'))
    label = f'{ours_are}mean ± std'
    y, across = places - shift, {'horizontal': True}
    _plot_row_means(axes, ours['mean'], y, ours['std'], OURS, label, **across)
    if has_recorded:
        y, x, bars = places + shift + 0.18, recorded['mean'], recorded['std']
        _plot_row_means(axes, x, y, bars, RECORDED, RECORDED_LABEL, **across)
    for place in places[ours['mean'].isna()]:
        where = axes.get_yaxis_transform()
        axes.text(0.01, place, FAILED, va='center', transform=where, **NOTE)
    axes.set_yticks(places, [row['label'] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel(ACCURACY_LABEL)
    axes.tick_params(axis='y', length=0)
    figure.legend(loc='outside lower center', ncols=3)
    set_title(figure, f'{title}: {seeds_text(rows)}')
    return figure


@matplotlib.rc_context(STYLE)
def draw_sweep(rows: Sequence[SweepRow], xlabel: str, title: str) -> Figure:
    """Accuracy against a swept number, as in Figure 2 of the first paper.

    The axis is logarithmic unless the sweep holds a number that is not positive.

    Args:
      rows: one a number, with `x`, in any order.
      xlabel: what was swept.
      title: above the plot; the number of seeds is added.
    """
    rows = sorted(rows, key=lambda row: row['x'])
    x = np.array([row['x'] for row in rows], float)
    ours = statistics_frame(describe(row['values']) for row in rows)
    recorded = _recorded(rows)
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    beside = _set_number_axis(axes, x)
    has_recorded = recorded['mean'].notna().any()
    ours_are = 'ours: ' if has_recorded else ''
    # Dots, ours and recorded are side by side, ours exactly at its number.
    axes.plot(*reversed(_seed_dots(rows, beside(-0.012))), **_dots(f'{ours_are}one seed'))
    label, bars = f'{ours_are}mean, 95 % interval', ours['half_width']
    _plot_row_means(axes, x, ours['mean'], bars, OURS, label, linestyle='-')
    if has_recorded:
        x, y, bars = beside(0.012), recorded['mean'], recorded['std']
        _plot_row_means(axes, x, y, bars, RECORDED, RECORDED_LABEL, linestyle='--')
    for failed in x[ours['mean'].isna()]:
        where = axes.get_xaxis_transform()
        axes.text(failed, 0.02, FAILED, rotation=90, ha='center', transform=where, **NOTE)
    axes.set(xlabel=xlabel, ylabel=ACCURACY_LABEL)
    figure.legend(loc='outside lower center', ncols=3)
    set_title(figure, f'{title}: {seeds_text(rows)}')
    return figure


@matplotlib.rc_context(STYLE)
def draw_models(curves: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """Test accuracy and training loss over epochs of several models, with the n of each.

    Args:
      curves: by the name of each model, the lines of metrics.jsonl of one trial; failed seeds
        and epochs without evaluation are left out.
      title: above the plot.
    """
    figure = new_figure(10, 4.6)
    accuracy, loss = figure.subplots(1, 2, sharex=True)
    for number, (name, metrics) in enumerate(curves.items()):
        metrics, line_style = without_failed_seeds(metrics), line_style_of(number)
        label = f'{name} (n = {metrics.seed.nunique()})'
        plot_band(accuracy, metrics, 'test_accuracy', line_style, label, scale=100)
        plot_band(loss, metrics, 'train_loss', line_style, label)
    accuracy.set(ylabel=ACCURACY_LABEL)
    loss.set(ylabel='mean training loss', ylim=(0, None))
    figure.legend(*accuracy.get_legend_handles_labels(), loc='outside lower center', ncols=3)
    set_title(figure, f'{title}: mean and standard deviation over n seeds')
    return figure


def plot_widths(rows: Sequence[SweepRow], title: str, path: Path) -> None:
    """Saves `draw_trials` at `path` (.png, with a .pdf beside it); UserError where it cannot."""
    save_figure(draw_trials(rows, title), path)


def plot_sweep(rows: Sequence[SweepRow], xlabel: str, title: str, path: Path) -> None:
    """Saves `draw_sweep` at `path` (.png, with a .pdf beside it); UserError where it cannot."""
    save_figure(draw_sweep(rows, xlabel, title), path)


def plot_models(curves: Mapping[str, pd.DataFrame], title: str, path: Path) -> None:
    """Saves `draw_models` at `path` (.png, with a .pdf beside it); UserError where it cannot."""
    save_figure(draw_models(curves, title), path)


def line_style_of(number: int) -> LineStyle:
    """The style of series `number`; after seven, colours recur with other lines and markers."""
    colour = LINE_STYLES[number % len(LINE_STYLES)].colour
    other = LINE_STYLES[(number + number // len(LINE_STYLES)) % len(LINE_STYLES)]
    return LineStyle(colour, other.line, other.marker)


def seeds_text(rows: Sequence[SweepRow]) -> str:
    """How many seeds count in the rows, such as n = 5 seeds or n = 4 to 5 seeds."""
    counts = [sum(value is not None for value in row['values']) for row in rows]
    low, high = min(counts), max(counts)
    return f'n = {low} seeds' if low == high else f'n = {low} to {high} seeds'


def _recorded(rows: Sequence[SweepRow]) -> pd.DataFrame:
    """The recorded mean and std of each row in percent."""
    values = [(row.get('recorded_mean'), row.get('recorded_std')) for row in rows]
    return 100 * pd.DataFrame(values, columns=['mean', 'std'], dtype=float)


def _seed_dots(rows: Sequence[SweepRow], places: np.ndarray) -> tuple[list[float], list[float]]:
    """The accuracy in percent of every seed that did not fail, and the place of its row."""
    pairs = zip(rows, places, strict=True)
    dots = [(100 * v, place) for row, place in pairs for v in row['values'] if v is not None]
    accuracies, at = zip(*dots, strict=True) if dots else ((), ())
    return list(accuracies), list(at)


def _dots(label: str) -> dict[str, Any]:
    style = {'linestyle': 'none', 'marker': 'o', 'markersize': 3, 'markeredgewidth': 0}
    return {**style, 'color': OURS.colour, 'alpha': 0.5, 'label': label}


def _plot_row_means(
    axes: Axes,
    x: ArrayLike,
    y: ArrayLike,
    bars: ArrayLike,
    line_style: LineStyle,
    label: str,
    **style: Any,
) -> None:
    """`plot_means`; recorded means are open markers with dashed bars."""
    face = line_style.colour if line_style is OURS else 'white'
    common = {'linewidth': 1, 'elinewidth': 1.2, 'capsize': 2, 'markerfacecolor': face}
    container = plot_means(axes, x, y, bars, line_style, label, **common | style)
    for bar in container[2]:
        bar.set_linestyle(line_style.line)


def _set_number_axis(axes: Axes, x: np.ndarray) -> Callable[[float], np.ndarray]:
    """Fixes the horizontal axis and puts a tick at each number that is not too near the last.

    Returns: a function that gives the numbers shifted by a fraction of the axis.
    """
    there, back = (np.log, np.exp) if min(x) > 0 else (np.asarray, np.asarray)
    along = there(x)
    length = 1.14 * np.ptp(along) or 1.0
    margin = (length - np.ptp(along)) / 2
    axes.set_xscale('log' if min(x) > 0 else 'linear')
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(back(along[0] - margin), back(along[-1] + margin))
    ticks = [0]
    for number in range(1, len(x)):
        if along[number] - along[ticks[-1]] > 0.07 * length:
            ticks.append(number)
    axes.set_xticks(x[ticks], [f'{number:g}' for number in x[ticks]])
    return lambda fraction: back(along + fraction * length)
