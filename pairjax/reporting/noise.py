"""The noise floor of a config in the console and as a plot."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from pairjax.analysis.noise import SEEDS_A_SIDE, TRUE_DIFFERENCES, NoiseFloor
from pairjax.reporting.format import format_statistic, span
from pairjax.reporting.plots.curves import LINE_STYLES, STYLE, new_figure, set_title
from pairjax.reporting.tables import Cell, Columns, console_table


def show_noise(floor: NoiseFloor, name: str, console: Console) -> None:
    """Prints how far runs differ by their seed alone, and how often the wrong arm wins."""
    n = sum(value is not None for value in floor.statistic['values'])
    low, high = (100 * end for end in floor.std_interval)
    lines = [
        f'{name}: {format_statistic(floor.statistic)} % over n = {n} runs; std between seeds '
        f'{100 * floor.statistic["std"]:.2f} {span(low, high, ".2f")} points',
        f'two single runs differ by {100 * floor.typical:.2f} points in the median, one pair in '
        f'twenty by more than {100 * floor.large:.2f}',
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    console.print(console_table('how often the wrong winner is named, in percent', columns(floor)))
    notes = [
        'higher mean: the worse arm has it; at a true difference of 0 whichever wins is luck',
        "Welch: Welch's t test at 5 % names the worse / the better arm; else it names none",
        'the two arms have different seeds; over common seeds compare.py does better where the '
        'arms rise and fall together',
    ]
    for note in notes:
        console.print(note, markup=False, soft_wrap=True)


def columns(floor: NoiseFloor) -> Columns:
    """One row per number of seeds a side."""
    table = {
        'seeds a side': list(SEEDS_A_SIDE),
        'luck alone, 95 % below': [Cell(f'{100 * f:.2f}', f) for f in floor.floors.values()],
    }
    for true in TRUE_DIFFERENCES:
        rows = [row for row in floor.winners if row.true_difference == true]
        heading = f'{100 * true:g} points:'
        table[f'{heading} higher mean'] = [Cell(f'{100 * row.wrong_mean:.1f}') for row in rows]
        table[f'{heading} Welch'] = [
            Cell(
                '-'
                if row.wrong_test is None
                else f'{100 * row.wrong_test:.1f} / {100 * row.right_test:.1f}'
            )
            for row in rows
        ]
    return table


@matplotlib.rc_context(STYLE)
def draw_noise(floor: NoiseFloor, name: str) -> Figure:
    """How far two runs differ on the left, how often the wrong arm has the higher mean right."""
    figure = new_figure(9.0, 4.0)
    left, right = figure.subplots(1, 2)
    values = np.array([v for v in floor.statistic['values'] if v is not None])
    first, second = np.triu_indices(len(values), k=1)
    apart = 100 * np.abs(values[first] - values[second])
    counts, _, _ = left.hist(apart, _bins(apart), color=LINE_STYLES[0].colour)
    left.set_ylim(0, 1.15 * counts.max())  # Room for the words above the bars.
    for place, label in ((floor.typical, 'median'), (floor.large, '95 %')):
        left.axvline(100 * place, color='black', linewidth=0.8, linestyle='--')
        left.annotate(
            f' {label}', (100 * place, 0.98), xycoords=('data', 'axes fraction'), va='top'
        )
    left.set(xlabel='points between two single runs', ylabel='pairs of runs')
    left.set_title('by their seeds alone')
    for style, seeds in zip(LINE_STYLES, SEEDS_A_SIDE, strict=False):
        rows = [row for row in floor.winners if row.seeds == seeds]
        right.plot(
            [100 * row.true_difference for row in rows],
            [100 * row.wrong_mean for row in rows],
            color=style.colour, marker=style.marker, label=f'{seeds} a side',
        )  # fmt: skip
    right.axhline(5, color='black', linewidth=0.8, linestyle=':')
    right.set(xlabel='true difference (points)', ylabel='wrong winner (%)', ylim=(0, 55))
    right.set_title('the higher mean is the wrong one')
    right.legend(title='seeds', fontsize='small')
    set_title(figure, f'{name}: the noise floor, n = {len(values)} runs')
    return figure


def _bins(apart: np.ndarray, most: int = 30) -> np.ndarray:
    """Edges of equally many attainable values a bin: accuracies of n pairs lie 1 / n apart."""
    distinct = np.unique(apart.round(9))
    step = np.diff(distinct, prepend=0.0)
    step = step[step > 0].min()
    width = step * np.ceil(distinct[-1] / step / most)
    return np.arange(-step / 2, distinct[-1] + width, width)
