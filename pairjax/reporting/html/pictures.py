"""The pictures of one experiment in a report. No jax in here."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pairjax.reporting.html.page import Picture, make_picture
from pairjax.reporting.html.tables import FINAL
from pairjax.reporting.plots.curves import draw_training_curves
from pairjax.reporting.plots.sweeps import draw_sweep, draw_widths
from pairjax.trials import trial_name, trial_names

MOST_ROWS = 60
NOT_RECORDED = {'recorded_mean': None, 'recorded_std': None}


def experiment_pictures(summary: Mapping[str, Any], metrics: pd.DataFrame) -> list[Picture]:
    """Accuracy over the trials of a sweep, and training curves of the selected trial.

    Args:
      summary: what summary.json holds.
      metrics: the lines of metrics.jsonl.
    """
    trials, selected = summary['trials'], summary['selected_trial']
    pictures = [sweep_picture(summary['name'], trials)] if len(trials) > 1 else []
    if selected is not None:
        name = trial_name(trials[selected])
        figure = draw_training_curves(metrics[metrics.trial == selected], name)
        title = f'Training curves of the selected trial, {trial_names(trials)[selected]}.'
        pictures.append(make_picture(figure, title))
    return pictures


def sweep_picture(name: str, trials: Sequence[Mapping[str, Any]]) -> Picture:
    """Final test accuracy against the one number that the trials differ in, or else by trial."""
    title = f'{name}, final epoch'
    rows = [
        {'label': label, 'values': trial[FINAL]['values'], **NOT_RECORDED}
        for label, trial in zip(trial_names(trials), trials, strict=True)
    ]
    field = swept_number([trial['hyperparameters'] for trial in trials])
    if field is not None:
        numbers = [trial['hyperparameters'][field] for trial in trials]
        rows = [{**row, 'x': x} for row, x in zip(rows, numbers, strict=True)]
        figure = draw_sweep(rows, field.rpartition('.')[2].replace('_', ' '), title)
        return make_picture(figure, f'Final test accuracy against {field}.')
    if len(rows) <= MOST_ROWS:
        return make_picture(draw_widths(rows, title), 'Final test accuracy of every trial.')
    accuracies = [trial['final_validation_accuracy']['mean'] or 0 for trial in trials]
    best = sorted(range(len(trials)), key=lambda i: -accuracies[i])[:MOST_ROWS]
    return make_picture(
        draw_widths([rows[i] for i in best], title),
        f'Final test accuracy of the {MOST_ROWS} of {len(trials)} trials that have the best '
        'validation accuracy.',
    )


def swept_number(settings: Sequence[Mapping[str, Any]]) -> str | None:
    """The field in which the settings differ, where it is one alone and holds numbers."""
    differing = [f for f in settings[0] if any(s[f] != settings[0][f] for s in settings)]
    if len(differing) != 1:
        return None
    values = [setting[differing[0]] for setting in settings]
    # True and False are whole numbers to Python.
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return differing[0] if numbers else None
