"""Plots that compare trials: by name, against a swept number, and curves of several models."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from pairjax.analysis.statistics import describe
from pairjax.reporting.plots.curves import (
    LINE_STYLES,
    STYLE,
    LineStyle,
    new_figure,
    plot_band,
    plot_means,
    set_title,
    statistics_frame,
    without_failed_seeds,
)

# One trial: its `label` or `x`; `values`, the accuracy of each seed, None where the seed failed;
# `recorded_mean` and `recorded_std` of a paper, None or missing where it has none. All fractions.
# `tied`: it is the selected trial, or validation accuracy does not tell it from that one.
SweepRow = Mapping[str, Any]

OURS, RECORDED = LINE_STYLES[0], LINE_STYLES[1]
ACCURACY_LABEL = 'test accuracy on pairs (%)'
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
    places, shift = np.arange(len(rows)), 0.06 if _has_recorded(rows) else 0
    longest = max(len(row['label']) for row in rows)
    figure = new_figure(6.2 + 0.075 * longest, 1.5 + 0.28 * len(rows))
    axes = figure.subplots()
    # The dots of the seeds are above the bar, which would hide them.
    shifted = (places - shift - 0.24, places - shift, places + shift + 0.18)
    failed = _plot_rows(axes, rows, shifted, 'std', 'mean ± std', horizontal=True)
    for place in places[failed]:
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
    figure = new_figure(7, 4.5)
    axes = figure.subplots()
    beside = _set_number_axis(axes, x)
    # Dots, ours and recorded are side by side, ours exactly at its number.
    shifted = (beside(-0.012), x, beside(0.012))
    failed = _plot_rows(axes, rows, shifted, 'half_width', 'mean, 95 % interval', horizontal=False)
    for number in x[failed]:
        where = axes.get_xaxis_transform()
        axes.text(number, 0.02, FAILED, rotation=90, ha='center', transform=where, **NOTE)
    axes.set(xlabel=xlabel, ylabel=ACCURACY_LABEL)
    figure.legend(loc='outside lower center', ncols=3)
    set_title(figure, f'{title}: {seeds_text(rows)}')
    return figure


@matplotlib.rc_context(STYLE)
def draw_against(rows: Sequence[SweepRow], title: str) -> Figure:
    """Our accuracy of each cell of a search against the one run that a paper records of it.

    Args:
      rows: one a cell, with `x`, the recorded accuracy as a fraction; at least one.
      title: above the plot; the number of seeds is added.
    """
    recorded = 100 * np.array([row['x'] for row in rows])
    ours = statistics_frame(describe(row['values']) for row in rows)
    figure = new_figure(5.6, 5.6)
    axes = figure.subplots()
    label, style = 'one cell: mean ± std', {'linestyle': 'none', 'elinewidth': 0.8}
    plot_means(axes, recorded, ours['mean'], ours['std'], OURS, label, markersize=4, **style)
    both = np.concatenate([recorded, ours['mean']])
    limits = [both.min() - 2, both.max() + 2]
    axes.plot(limits, limits, color='#888888', linewidth=1, label='equal')
    axes.set(xlabel='recorded, one run (%)', ylabel=f'ours, {ACCURACY_LABEL}', xlim=limits)
    figure.legend(loc='outside lower center', ncols=2)
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


def _has_recorded(rows: Sequence[SweepRow]) -> bool:
    return any(row.get('recorded_mean') is not None for row in rows)


def _plot_rows(
    axes: Axes,
    rows: Sequence[SweepRow],
    places: tuple[np.ndarray, np.ndarray, np.ndarray],
    bars: str,
    label: str,
    horizontal: bool,
) -> np.ndarray:
    """Draws seeds as dots, our means, and recorded means as open markers with dashed bars.

    Args:
      axes: where to.
      rows: what to draw.
      places: of dots, our means and recorded means, each one a row.
      bars: 'std' or 'half_width', what the bars of our means show.
      label: of our means.
      horizontal: whether accuracies are along x.

    Returns: bool, one a row: whether every seed failed.
    """
    prefix = 'ours: ' if _has_recorded(rows) else ''
    ours = statistics_frame(describe(row['values']) for row in rows)
    seeds = pd.DataFrame({'place': places[0], 'value': [row['values'] for row in rows]})
    seeds = seeds.explode('value').dropna().astype(float)
    dots = [seeds.place, 100 * seeds.value]
    style = {'linestyle': 'none', 'marker': 'o', 'markersize': 3, 'markeredgewidth': 0}
    style |= {'color': OURS.colour, 'alpha': 0.5, 'label': f'{prefix}one seed'}
    axes.plot(*(dots[::-1] if horizontal else dots), **style)
    means = [(ours, bars, OURS, f'{prefix}{label}', OURS.colour)]
    if _has_recorded(rows):
        recorded = statistics_frame(
            {'mean': row.get('recorded_mean'), 'std': row.get('recorded_std'), 'ci95': None}
            for row in rows
        )
        means.append((recorded, 'std', RECORDED, 'recorded: mean ± std', 'white'))
    for at, (frame, column, line_style, name, face) in zip(places[1:], means, strict=False):
        x, y = (frame['mean'], at) if horizontal else (at, frame['mean'])
        style = {'linewidth': 1, 'elinewidth': 1.2, 'capsize': 2, 'markerfacecolor': face}
        style |= {'linestyle': 'none' if horizontal else line_style.line}
        drawn = plot_means(axes, x, y, frame[column], line_style, name, horizontal, **style)
        for bar in drawn[2]:
            bar.set_linestyle(line_style.line)
    _ring_tied(axes, rows, ours['mean'].to_numpy(), places[1], horizontal)
    return ours['mean'].isna().to_numpy()


def _ring_tied(
    axes: Axes, rows: Sequence[SweepRow], means: np.ndarray, places: np.ndarray, horizontal: bool
) -> None:
    """Rings around the means of the selected trial and of those tied with it."""
    tied = np.array([bool(row.get('tied')) for row in rows])
    if not tied.any():
        return
    alone = tied.sum() == 1
    label = 'selected on validation' if alone else 'selected on validation, or tied with it'
    points = (means[tied], places[tied]) if horizontal else (places[tied], means[tied])
    style = {'linestyle': 'none', 'marker': 'o', 'markersize': 11, 'fillstyle': 'none'}
    axes.plot(*points, color='black', markeredgewidth=1.1, label=label, **style)


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
