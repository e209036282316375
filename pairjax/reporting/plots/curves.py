"""Training curves, and what all plots share: style, bands, error bars, files."""

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from pairjax.analysis.statistics import PairedComparison
from pairjax.system import writing


class LineStyle(NamedTuple):
    """How one series is drawn; its colour, line and marker are each distinct from the others'."""

    colour: str
    line: str
    marker: str


# The colour-blind safe palette of Okabe and Ito (2008); lines and markers differ too, for grey
# print.
LINE_STYLES = (
    LineStyle('#0072B2', '-', 'o'),
    LineStyle('#D55E00', '--', 's'),
    LineStyle('#009E73', '-.', '^'),
    LineStyle('#CC79A7', ':', 'D'),
    LineStyle('#E69F00', (0, (7, 2)), 'v'),
    LineStyle('#56B4E9', (0, (3, 1, 1, 1, 1, 1)), 'P'),
    LineStyle('#000000', (0, (1, 1)), 'X'),
)
CURVES = {
    'train': LineStyle('#0072B2', '--', ''),
    'validation': LineStyle('#E69F00', ':', ''),
    'test': LineStyle('#D55E00', '-', ''),
    'loss': LineStyle('#000000', '-', ''),
}
STYLE = {
    'font.size': 10,
    'axes.titlesize': 10,
    'figure.titlesize': 11,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'axes.axisbelow': True,
    'grid.color': '#d9d9d9',
    'grid.linewidth': 0.6,
    'legend.frameon': False,
    'legend.fontsize': 9,
    'legend.handlelength': 2.8,
    'figure.constrained_layout.h_pad': 0.08,
    'figure.constrained_layout.w_pad': 0.08,
    'text.parse_math': False,  # A dollar sign in the name of a workdir is not math.
    'pdf.fonttype': 42,  # Text stays text, which can be searched and edited.
}


class NotebookFigure(Figure):
    """A figure that a notebook shows also where nobody imported pyplot."""

    def _repr_png_(self) -> bytes:
        return figure_bytes(self, 'png')


def new_figure(width: float, height: float) -> Figure:
    """An empty figure with the common layout, width x height in inches."""
    return NotebookFigure(figsize=(width, height), layout='constrained')


def set_title(figure: Figure, title: str) -> None:
    """Puts a title above all axes, wrapped to the width of the figure."""
    figure.suptitle(textwrap.fill(title, int(10 * figure.get_figwidth())))


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """The bytes of a 'png' (150 dpi) or 'pdf' file, without dates: equal figures, equal bytes."""
    undated = {'png': {'Software': None}, 'pdf': {'CreationDate': None}}
    file = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(file, format=kind, dpi=150, metadata=undated[kind])
    return file.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG and as PDF side by side, creating missing folders.

    Args:
      figure: the figure to write.
      path: path of the PNG; the PDF gets the suffix .pdf.

    Raises: UserError where the files cannot be written.
    """
    for kind in ('png', 'pdf'):
        target = path.with_suffix(f'.{kind}')
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(figure_bytes(figure, kind))


def statistics_frame(statistics: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns mean, std and half_width of the 95 % interval in percent, NaN where n is too small.

    Args:
      statistics: results of `describe`, as fractions, one per row.
    """
    rows = [(s['mean'], s['std'], *(s['ci95'] or (None, None))) for s in statistics]
    frame = pd.DataFrame(rows, columns=['mean', 'std', 'low', 'high'], dtype=float) * 100
    frame['half_width'] = (frame.pop('high') - frame.pop('low')) / 2
    return frame


def interval_bars(comparisons: Sequence[PairedComparison]) -> np.ndarray:
    """From each mean difference to the ends of its 95 % interval, (2, n) percentage points.

    Zero where there is no interval.
    """
    ends = [(c.mean - c.ci95[0], c.ci95[1] - c.mean) if c.ci95 else (0, 0) for c in comparisons]
    return 100 * np.array(ends, float).reshape(-1, 2).T


def plot_means(
    axes: Axes,
    x: ArrayLike,
    y: ArrayLike,
    half_widths: ArrayLike,
    line_style: LineStyle,
    label: str | None = None,
    horizontal: bool = False,
    **style: Any,
) -> ErrorbarContainer:
    """Draws means as markers with error bars.

    Args:
      axes: where to draw.
      x, y: positions of the means.
      half_widths: from the mean to an end of its bar, (n,), or (2, n) to both; NaN for no bar.
      line_style: its colour and marker are used; for a line, pass `linestyle`.
      label: text in the legend.
      horizontal: whether the bars are along x.
      **style: arguments of `Axes.errorbar` that override the defaults.
    """
    bars = {'xerr' if horizontal else 'yerr': half_widths}
    common = {'linestyle': 'none', 'markersize': 5, 'capsize': 3}
    common |= {'color': line_style.colour, 'marker': line_style.marker, 'label': label}
    return axes.errorbar(x, y, **bars, **common | style)


def without_failed_seeds(metrics: pd.DataFrame) -> pd.DataFrame:
    """The records of the seeds whose training loss is never NaN."""
    failed = metrics[metrics.train_loss.isna()].seed.unique()
    return metrics[~metrics.seed.isin(failed)]


def plot_band(
    axes: Axes,
    metrics: pd.DataFrame,
    column: str,
    line_style: LineStyle,
    label: str,
    scale: float = 1,
) -> None:
    """Draws one column over epochs: the mean over seeds and a band of one std.

    Args:
      axes: where to draw.
      metrics: records of metrics.jsonl of one trial; epochs without the column's value are skipped.
      column: the column to draw.
      line_style: style of the line; the band has its colour.
      label: text in the legend.
      scale: factor on the values, 100 for percent.
    """
    by_epoch = (
        metrics.dropna(subset=[column])
        .astype({column: float})
        .groupby('epoch')[column]
        .agg(['mean', 'std'])
        .fillna(0)
        * scale
    )
    epochs, mean, std = by_epoch.index, by_epoch['mean'], by_epoch['std']
    # A line through one point is invisible.
    marker = line_style.marker or ('o' if len(epochs) == 1 else '')
    # About eight markers per line, for any number of epochs.
    every = max(1, len(epochs) // 8)
    style = {'linestyle': line_style.line, 'marker': marker, 'markersize': 4, 'markevery': every}
    axes.plot(epochs, mean, color=line_style.colour, label=label, **style)
    axes.fill_between(
        epochs, mean - std, mean + std, color=line_style.colour, alpha=0.15, linewidth=0
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel('epoch')


@matplotlib.rc_context(STYLE)
def draw_training_curves(metrics: pd.DataFrame, title: str) -> Figure:
    """Accuracy and loss over epochs of one trial, mean and std band over seeds.

    Args:
      metrics: the records of metrics.jsonl of one trial; failed seeds are left out.
      title: title above the plot; the number of seeds is appended.
    """
    metrics = without_failed_seeds(metrics)
    figure = new_figure(10, 4)
    accuracy, loss = figure.subplots(1, 2, sharex=True)
    for name in ('train', 'validation', 'test'):
        plot_band(accuracy, metrics, f'{name}_accuracy', CURVES[name], name, scale=100)
    plot_band(loss, metrics, 'train_loss', CURVES['loss'], 'loss')
    accuracy.set(ylabel='accuracy on pairs (%)')
    accuracy.legend(loc='lower right')
    loss.set(ylabel='mean training loss', ylim=(0, None))
    n = metrics.seed.nunique()
    set_title(figure, f'{title}: mean and standard deviation over n = {n} seeds')
    return figure
