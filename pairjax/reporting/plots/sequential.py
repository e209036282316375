"""The plot of a paired difference while seeds are added."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from pairjax.analysis.sequential import sequential_interval
from pairjax.analysis.verdicts import t_intervals
from pairjax.reporting.plots.curves import LINE_STYLES, STYLE, new_figure, set_title

FIXED = {'color': '#555555', 'linestyle': ':', 'linewidth': 1.2}


@matplotlib.rc_context(STYLE)
def draw_sequence(differences: Sequence[float], name: str, margin: float | None = None) -> Figure:
    """The interval that is valid at every n, narrowing with n, around the running mean.

    Args:
      differences: by seed, in the order in which they were added; two or more, fractions.
      name: of the difference, such as 'auxnet2 - auxnet3'.
      margin: within it a difference counts as none, a fraction.
    """
    style, sizes = LINE_STYLES[0], np.arange(2, len(differences) + 1)
    values = np.array(differences, float)
    means = [100 * values[:n].mean() for n in sizes]
    always = _ends([sequential_interval(values[:n]) for n in sizes])
    fixed = _ends([t_intervals(values[:n], 0.05) for n in sizes])
    figure = new_figure(7.0, 4.2)
    axes = figure.subplots()
    axes.axhline(0, color='black', linewidth=0.8)
    if margin is not None:
        label = f'within {100 * margin:g} points'
        axes.axhspan(-100 * margin, 100 * margin, color='#dddddd', alpha=0.6, lw=0, label=label)
    axes.plot(np.arange(1, len(values) + 1), 100 * values, '.', color='#888888', label='one seed')
    axes.fill_between(
        sizes, *always, color=style.colour, alpha=0.2, label='95 % at every n at once'
    )
    axes.plot(sizes, means, color=style.colour, label='mean')
    for end, label in zip(fixed, ('95 % at one n, fixed beforehand', None), strict=True):
        axes.plot(sizes, end, label=label, **FIXED)
    # Intervals of the first seeds are wider than all that follows.
    shown = np.concatenate([100 * values, *(end[np.isfinite(end)][2:] for end in always), [0]])
    room = 0.1 * np.ptp(shown)
    axes.set(ylim=(shown.min() - room, shown.max() + room), xlabel='seeds', ylabel='points')
    figure.legend(loc='outside lower center', ncols=3, fontsize='small')
    set_title(figure, f'{name}: paired difference while seeds are added')
    return figure


def _ends(intervals: Sequence[tuple[float, float] | None]) -> np.ndarray:
    """(2, n) percentage points, NaN where an interval is unbounded."""
    return 100 * np.array([i or (np.nan, np.nan) for i in intervals]).T
