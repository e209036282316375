"""The plot of a paired comparison."""

import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pairjax.analysis.paired import LEVEL, Comparison, Pair, measure_name
from pairjax.analysis.statistics import describe
from pairjax.reporting.format import p_text
from pairjax.reporting.plots.curves import (
    LINE_STYLES,
    STYLE,
    interval_bars,
    new_figure,
    plot_means,
    set_title,
    statistics_frame,
)

OURS = LINE_STYLES[0]
MEANS = {'markersize': 6, 'capsize': 4, 'zorder': 3}
# Single seeds are grey, behind what they say together.
DOTS = {'color': '#888888', 'markersize': 6, 'alpha': 0.6}
CHARACTERS = 48  # Of a label's line; names that hold a path can be longer than a plot is wide.
ASIDE = 0.22  # From a mean to the dots of its seeds, which its interval would hide.


@matplotlib.rc_context(STYLE)
def draw_comparison(comparison: Comparison) -> Figure:
    """Every seed through all arms on the left, paired differences with intervals on the right."""
    widths = (max(4.0, 1.5 + 0.7 * len(comparison.arms)), 4.5)
    arms = [textwrap.fill(arm.name, CHARACTERS) for arm in comparison.arms]
    pairs = [
        f'{textwrap.fill(f"{pair.a} - {pair.b}", CHARACTERS)}\n(Holm p {p_text(pair.adjusted_p)})'
        for pair in comparison.pairs
    ]
    lines = sum(label.count('\n') + 1 for label in pairs)
    # The labels of the arms are tilted or upright.
    height = max(4.0, 1.6 + 0.1 * len(pairs) + 0.16 * lines) + 0.06 * _longest_line(arms)
    figure = new_figure(sum(widths) + 0.08 * _longest_line(pairs), height)
    left, right = figure.subplots(1, 2, width_ratios=widths)
    _draw_arms(left, comparison, arms)
    _draw_differences(right, comparison, pairs)
    name, n = measure_name(comparison.measure), len(comparison.seeds)
    always = ' valid at every n' if comparison.options.sequential else ''
    set_title(figure, f'{name}, paired over n = {n} seeds: means with 95 % intervals{always}')
    return figure


def _longest_line(labels: list[str]) -> int:
    return max(len(line) for label in labels for line in label.split('\n'))


def _draw_arms(axes: Axes, comparison: Comparison, labels: list[str]) -> None:
    places = np.arange(len(comparison.arms))
    seeds = 100 * np.array(comparison.values)
    axes.plot(places - ASIDE, seeds, '.-', linewidth=0.8, **DOTS)
    frame = statistics_frame(map(describe, comparison.values))
    plot_means(axes, places, frame['mean'], frame.half_width, OURS, **MEANS)
    aslant = not any('\n' in label for label in labels)  # Lines below lines would overlap then.
    tilt = {'rotation': 30, 'ha': 'right'} if aslant else {'rotation': 90}
    axes.set_xticks(places, labels, **tilt)
    axes.set(xlim=(-0.5, len(places) - 0.5), ylabel=f'{measure_name(comparison.measure)} (%)')
    axes.set_title('each line is one seed')
    axes.grid(False, axis='x')


def _draw_margin(axes: Axes, pairs: Sequence[Pair]) -> None:
    """Shades what counts as no difference, and draws the intervals that must be inside."""
    if pairs[0].equivalence is None:
        return
    margin = 100 * pairs[0].equivalence.margin
    axes.axvspan(-margin, margin, color='#dddddd', alpha=0.6, linewidth=0, zorder=0)
    for place, pair in enumerate(pairs):
        if pair.equivalence.interval is not None:
            ends = 100 * np.array(pair.equivalence.interval)
            axes.plot(ends, [place, place], color=OURS.colour, linewidth=4, alpha=0.5, zorder=2)


def _draw_differences(axes: Axes, comparison: Comparison, labels: list[str]) -> None:
    pairs = comparison.pairs
    axes.axvline(0, color='black', linewidth=0.8)
    _draw_margin(axes, pairs)
    for place, pair in enumerate(pairs):
        dots, mean = 100 * np.array(pair.differences), pair.paired.mean
        axes.plot(dots, np.full(len(dots), place - ASIDE), '.', **DOTS)
        bars = interval_bars([pair.paired])
        style = MEANS | {'markerfacecolor': OURS.colour if pair.adjusted_p <= LEVEL else 'white'}
        plot_means(axes, 100 * mean, place, bars, OURS, horizontal=True, **style)
    axes.set_yticks(range(len(pairs)), labels)
    axes.set(ylim=(len(pairs) - 0.5, -0.5), xlabel='paired difference (percentage points)')
    shaded = '' if pairs[0].equivalence is None else '\nshaded: within the margin; thick: 90 %'
    axes.set_title(f'filled: Holm-adjusted p at most {LEVEL:g}\ndots: single seeds{shaded}')
    axes.grid(False, axis='y')
