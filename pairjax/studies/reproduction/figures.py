"""The pictures of a reproduction, each drawn into a directory and linked. No jax in here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pairjax.reporting.plots.sweeps import plot_models, plot_sweep, plot_widths
from pairjax.studies.reproduction.recorded import Recorded
from pairjax.studies.reproduction.results import (
    BATCH_SIZE,
    EPOCH_NAMES,
    LEARNING_RATE,
    Experiment,
    Results,
)
from pairjax.studies.reproduction.tables import Row

# Each function draws one picture into `figures` and returns a link to it from a document beside
# that directory.


def draw_curves(results: Results, names: Mapping[str, str], title: str, figures: Path) -> list[str]:
    """Learning curves of the experiments without a sweep, by the name to show; none, no link."""
    finished = {model: name for model, name in names.items() if name in results.experiments}
    if not finished:
        return []
    curves = {model: results.only_trial(name).metrics for model, name in finished.items()}
    path = _path(figures, title.lower().replace(' ', '_'))
    plot_models(curves, title, path)
    return [_link(path, title)]


def draw_widths(rows: Sequence[Row], model: str, name: str, figures: Path) -> str:
    """Accuracy by layer widths, recorded beside ours."""
    path = _path(figures, name)
    drawn = [{'label': row.label, **_numbers(row.values.tolist(), row.recorded)} for row in rows]
    plot_widths(drawn, f'{model}, best epoch on test', path)
    return _link(path, f'{model} by layer widths')


def draw_learning_rates(rows: Sequence[Row], name: str, figures: Path) -> str:
    """Accuracy of AuxNet2 by learning rate, recorded beside ours."""
    path = _path(figures, name)
    drawn = [
        {
            'x': row.trial.hyperparameters[LEARNING_RATE],
            **_numbers(row.values.tolist(), row.recorded),
        }
        for row in rows
    ]
    plot_sweep(drawn, 'learning rate', 'AuxNet2 (32, 32, 64, 256), best epoch on test', path)
    return _link(path, 'AuxNet2 by learning rate')


def draw_batch_sizes(
    experiment: Experiment, figure: str, recorded: Recorded | None, model: str, figures: Path
) -> str:
    """Accuracy by batch size; the one recorded figure stands at every size."""
    path = _path(figures, experiment.name)
    drawn = [
        {
            'x': trial.hyperparameters[BATCH_SIZE],
            **_numbers(trial.accuracy(figure).tolist(), recorded),
        }
        for trial in experiment.trials
    ]
    plot_sweep(drawn, 'batch size', f'{model}, {EPOCH_NAMES[figure]}', path)
    return _link(path, f'{model} by batch size')


def _numbers(values: list[float], recorded: Recorded | None) -> dict[str, Any]:
    recorded = recorded or {'mean': None, 'std': None}
    return {
        'values': values,
        'recorded_mean': recorded['mean'],
        'recorded_std': recorded['std'],
    }


def _path(figures: Path, name: str) -> Path:
    return figures / f'reproduction_{name}.png'


def _link(path: Path, text: str) -> str:
    return f'![{text}]({path.parent.name}/{path.name})'
