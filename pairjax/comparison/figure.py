"""The picture of a paired comparison. No jax in here."""

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pairjax.comparison.paired import LEVEL, Comparison, measure_name
from pairjax.figures import LOOKS, STYLE, new_figure, save_figure, set_title
from pairjax.statistics import describe

SEEDS = '#888888'  # Grey beside LOOKS: what single seeds did stays behind what they say together.
ASIDE = 0.22  # From a mean to the dots of its seeds, which its interval would hide.


@matplotlib.rc_context(STYLE)
def draw_comparison(comparison: Comparison) -> Figure:
    """Every seed through all arms on the left, paired differences with intervals on the right."""
    widths = (max(4.0, 1.5 + 0.7 * len(comparison.arms)), 4.5)
    names = max(len(pair.a) + len(pair.b) for pair in comparison.pairs)
    height = max(4.0, 1.6 + 0.42 * len(comparison.pairs))
    figure = new_figure(sum(widths) + 0.08 * names, height)
    left, right = figure.subplots(1, 2, width_ratios=widths)
    _draw_arms(left, comparison)
    _draw_differences(right, comparison)
    name, n = measure_name(comparison.measure), len(comparison.seeds)
    set_title(figure, f'{name}, paired over n = {n} seeds: means with 95 % intervals')
    return figure


def plot_comparison(comparison: Comparison, path: Path) -> None:
    """Saves `draw_comparison` at `path` (.png, with a .pdf beside it).

    Raises: UserError where the files cannot be written.
    """
    save_figure(draw_comparison(comparison), path)


def _draw_arms(axes: Axes, comparison: Comparison) -> None:
    places = np.arange(len(comparison.arms))
    values, look = 100 * np.array(comparison.values), LOOKS[0]
    axes.plot(places - ASIDE, values, '.-', color=SEEDS, linewidth=0.8, markersize=6, alpha=0.6)
    figures = [describe(row) for row in values]
    means = [figure['mean'] for figure in figures]
    half_widths = [np.ptp(figure['ci95']) / 2 for figure in figures]
    style = {'color': look.colour, 'marker': look.marker, 'markersize': 6, 'linestyle': 'none'}
    axes.errorbar(places, means, half_widths, capsize=4, zorder=3, **style)
    axes.set_xticks(places, [arm.name for arm in comparison.arms], rotation=30, ha='right')
    axes.set(xlim=(-0.5, len(places) - 0.5), ylabel=f'{measure_name(comparison.measure)} (%)')
    axes.set_title('each line is one seed')
    axes.grid(False, axis='x')


def _draw_differences(axes: Axes, comparison: Comparison) -> None:
    pairs, look = comparison.pairs, LOOKS[0]
    axes.axvline(0, color='black', linewidth=0.8)
    for place, pair in enumerate(pairs):
        dots = 100 * np.array(pair.differences)
        axes.plot(
            dots, np.full(len(dots), place - ASIDE), '.', color=SEEDS, markersize=6, alpha=0.6
        )
        mean, ci95 = 100 * pair.paired.mean, pair.paired.ci95
        half_width = 0 if ci95 is None else 100 * np.ptp(ci95) / 2
        inside = look.colour if pair.adjusted_p <= LEVEL else 'white'
        style = {'color': look.colour, 'marker': look.marker, 'markersize': 6, 'capsize': 4}
        axes.errorbar(mean, place, xerr=half_width, zorder=3, markerfacecolor=inside, **style)
    labels = [f'{pair.a} - {pair.b}\n(Holm p {pair.adjusted_p:.2g})' for pair in pairs]
    axes.set_yticks(range(len(pairs)), labels)
    axes.set(ylim=(len(pairs) - 0.5, -0.5), xlabel='paired difference (percentage points)')
    axes.set_title(f'filled: Holm-adjusted p at most {LEVEL:g}; dots: single seeds')
    axes.grid(False, axis='y')
