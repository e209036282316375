"""Draws the README's pictures from recorded data: python docs/draw_readme.py

The question from bundled digits, the two plots from the tables of study.md and performance.md.
"""

import re
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from pairjax.data.sources import load_digits
from pairjax.reporting.plots.curves import LINE_STYLES, STYLE, figure_bytes, new_figure

DOCS = Path(__file__).parent
BLUE, ORANGE, GREEN = (style.colour for style in LINE_STYLES[:3])
# One clear digit of each: the first three and the first seven of the test pool.
DIGITS = (3, 7)


def sharing_effects() -> dict[str, list[tuple[float, float, float, float]]]:
    """Of AuxNet2 in study.md: (auxiliary weight, difference, low, high) by what it is against."""
    row = re.compile(
        r'\| AuxNet2 \| (separate|cut) \| ([\d.]+) \|.*?\| ([+-][\d.]+) \[(.*?), (.*?)\]'
    )
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    section = (DOCS / 'study.md').read_text().split('\n## Weight sharing\n')[1].split('\n## ')[0]
    for against, *numbers in row.findall(section):
        found.setdefault(against, []).append(tuple(map(float, numbers)))
    return found


def speed_ratios() -> dict[str, dict[str, tuple[float, float, float]]]:
    """Of performance.md: (min, median, max) of PyTorch's seconds over ours, by case and program."""
    text = (DOCS / 'performance.md').read_text()
    three = r'(\d[\d.]*\d) / (\d[\d.]*\d) / (\d[\d.]*\d)'
    found = {}
    for seeds in (10, 50):
        both = re.search(rf'^\| {seeds} \|.*\| {three} \| {three} \|$', text, re.M)
        found[f'{seeds} seeds'] = both
    found['batches of 1'] = re.search(
        rf'Batch size 1,.*?eager / ours\s+{three}, strongest / ours\s+{three}', text, re.S
    )
    cases = {}
    for name, match in found.items():
        numbers = tuple(map(float, match.groups()))
        cases[name] = {'eager': numbers[:3], 'strongest': numbers[3:]}
    whole = re.search(rf'of the\s+strongest, {three}', text)
    cases['whole command'] = {'strongest': tuple(map(float, whole.groups()))}
    return cases


def draw_question() -> Figure:
    """Two digits, the shared branch, and what is asked of it."""
    digits = load_digits('bundled')
    figure = new_figure(7.2, 2.5)
    axes = figure.add_subplot()
    axes.set(xlim=(0, 9.6), ylim=(0, 3.2), aspect='equal')
    axes.axis('off')
    for digit, name, y in zip(DIGITS, 'ab', (2.35, 0.85), strict=True):
        image = digits.test_images[np.flatnonzero(digits.test_labels == digit)[0]]
        axes.imshow(image, cmap='gray_r', extent=(0.6, 1.9, y - 0.65, y + 0.65), zorder=2)
        axes.add_patch(_box(0.6, y - 0.65, 1.3, 1.3, '#777777'))
        axes.text(0.3, y, name, ha='center', va='center', fontsize=13, style='italic')
        axes.add_patch(_box(3.1, y - 0.45, 1.5, 0.9, BLUE, BLUE + '18'))
        axes.text(3.85, y, 'branch', ha='center', va='center', color=BLUE)
        axes.add_patch(_arrow((2.0, y), (3.0, y)))
        axes.add_patch(_arrow((4.7, y), (6.9, 1.6 + 0.35 * np.sign(y - 1.6))))
        away = y + 0.55 * np.sign(y - 1.6)
        axes.add_patch(_arrow((4.7, y + 0.25 * np.sign(y - 1.6)), (5.6, away)))
        axes.text(5.7, away, f'{name} is {digit}', ha='left', va='center', color=ORANGE)
        axes.text(6.6, away, 'auxiliary loss', ha='left', va='center', color=ORANGE, fontsize=9)
    axes.plot([3.85, 3.85], [1.35, 1.85], color=BLUE, linestyle=':', linewidth=2)
    axes.text(4.0, 1.6, 'shared?', ha='left', va='center', color=BLUE, fontsize=9)
    axes.add_patch(_box(7.0, 1.1, 2.3, 1.0, GREEN, GREEN + '18'))
    axes.text(8.15, 1.6, 'a ≤ b?  yes', ha='center', va='center', color=GREEN, fontsize=13)
    axes.text(8.15, 0.85, 'main loss', ha='center', va='center', color=GREEN, fontsize=9)
    return figure


def _box(x: float, y: float, width: float, height: float, edge: str, face: str = 'none'):
    style = {'boxstyle': 'round,pad=0,rounding_size=0.08', 'linewidth': 1.2}
    return FancyBboxPatch((x, y), width, height, edgecolor=edge, facecolor=face, zorder=3, **style)


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> FancyArrowPatch:
    return FancyArrowPatch(start, end, arrowstyle='-|>', mutation_scale=11, color='#555555')


def draw_effects() -> Figure:
    """What sharing is worth by auxiliary weight, with intervals."""
    figure = new_figure(5.2, 3.3)
    axes = figure.add_subplot()
    names = {
        'separate': 'two branches of the same widths',
        'cut': 'two branches, as many parameters',
    }
    for offset, (against, rows), style in zip(
        (-0.1, 0.1), sharing_effects().items(), LINE_STYLES[1:], strict=False
    ):
        weights, means, lows, highs = map(np.array, zip(*rows, strict=True))
        places = np.arange(len(rows)) + offset
        axes.errorbar(
            *(places, means, [means - lows, highs - means]),
            **{'fmt': style.marker, 'color': style.colour, 'capsize': 3, 'label': names[against]},
        )
    axes.set_xticks(range(len(weights)), [f'{weight:g}' for weight in weights])
    axes.axhline(0, color='black', linewidth=1)
    axes.set(
        xlabel='weight of the auxiliary loss', ylabel='shared - other (points)', ylim=(-0.4, 7)
    )
    axes.legend(loc='upper right', title='one shared branch against')
    axes.set_title('Does sharing help? AuxNet2, 50 paired seeds, 95 % intervals')
    return figure


def draw_speed() -> Figure:
    """How many times longer PyTorch takes."""
    figure, cases = new_figure(5.2, 3.3), speed_ratios()
    axes = figure.add_subplot()
    for offset, program, style in ((-0.16, 'eager', 1), (0.16, 'strongest', 0)):
        rows = {
            place: case[program] for place, case in enumerate(cases.values()) if program in case
        }
        low, middle, high = map(np.array, zip(*rows.values(), strict=True))
        places = np.array(list(rows)) + offset
        colour = LINE_STYLES[style].colour
        axes.barh(places, middle, height=0.3, color=colour + 'aa', label=_PROGRAMS[program])
        axes.errorbar(
            middle, places, xerr=[middle - low, high - middle], fmt='none', color='black', capsize=3
        )
        _number(axes, places, high, middle)
    axes.set_yticks(range(len(cases)), list(cases))
    axes.axvline(1, color='black', linewidth=1)
    axes.set(xlabel='times the seconds of pairjax (median, min to max)', xlim=(0, 12.5))
    axes.legend(loc='lower right')
    axes.set_title('How much longer does PyTorch take? AuxNet2, 2 CPU cores', loc='right')
    axes.invert_yaxis()
    return figure


_PROGRAMS = {'eager': 'eager PyTorch', 'strongest': 'the strongest of several'}


def _number(axes: Axes, places: np.ndarray, ends: np.ndarray, values: np.ndarray) -> None:
    for place, end, value in zip(places, ends, values, strict=True):
        axes.text(end + 0.15, place, f'{value:.1f}', va='center', fontsize=9)


PICTURES = {
    'readme_question': draw_question,
    'readme_sharing': draw_effects,
    'readme_speed': draw_speed,
}


def main() -> None:
    """Writes every picture."""
    for name, draw in PICTURES.items():
        with matplotlib.rc_context(STYLE):
            figure = draw()
        (DOCS / 'figures' / f'{name}.png').write_bytes(figure_bytes(figure, 'png'))


if __name__ == '__main__':
    main()
