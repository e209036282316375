"""Pictures of an experiment. No jax in here."""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pairjax.records import writing

# The colours of Okabe and Ito (2008), told apart by the colour-blind and in grey print.
COLOURS = {'train': '#0072B2', 'validation': '#E69F00', 'test': '#D55E00', 'loss': '#000000'}
STYLES = {'train': '--', 'validation': ':', 'test': '-', 'loss': '-'}


def plot_training_curves(metrics: pd.DataFrame, title: str, path: Path) -> None:
    """Accuracy and loss over epochs, mean and deviation band over seeds, as a picture file.

    Args:
      metrics: the lines of metrics.jsonl of one trial.
      title: above the picture; the number of seeds is added.
      path: where the picture goes; its ending chooses the format.

    Raises: UserError where the file cannot be written.
    """
    failed = metrics[metrics.train_loss.isna()].seed.unique()
    metrics = metrics[~metrics.seed.isin(failed)]
    figure = Figure(figsize=(10, 4), layout='constrained')
    accuracy, loss = figure.subplots(1, 2)
    for name in ('train', 'validation', 'test'):
        _plot_band(accuracy, metrics, f'{name}_accuracy', name, scale=100)
    _plot_band(loss, metrics, 'train_loss', 'loss')
    accuracy.set(xlabel='epoch', ylabel='accuracy on pairs (%)')
    accuracy.legend(loc='lower right', frameon=False)
    loss.set(xlabel='epoch', ylabel='mean training loss')
    loss.set_ylim(bottom=0)
    for axes in (accuracy, loss):
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    figure.suptitle(f'{title}: mean and standard deviation over n = {metrics.seed.nunique()} seeds')
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _plot_band(axes: Axes, metrics: pd.DataFrame, column: str, name: str, scale: float = 1) -> None:
    by_epoch = (
        metrics.dropna(subset=[column])
        .astype({column: float})
        .groupby('epoch')[column]
        .agg(['mean', 'std'])
        .fillna(0)
        * scale
    )
    axes.plot(by_epoch.index, by_epoch['mean'], STYLES[name], color=COLOURS[name], label=name)
    axes.fill_between(
        by_epoch.index,
        by_epoch['mean'] - by_epoch['std'],
        by_epoch['mean'] + by_epoch['std'],
        color=COLOURS[name],
        alpha=0.2,
        linewidth=0,
    )
