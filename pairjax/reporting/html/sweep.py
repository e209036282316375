"""The plot of a sweep in the HTML report."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from pairjax.analysis.results import FINAL, ExperimentResult
from pairjax.analysis.selection import tied_with_selected
from pairjax.reporting.plots.sweeps import draw_sweep, draw_trials

VALIDATION = 'final_validation_accuracy'
MOST_ROWS = 60


def sweep_plot(result: ExperimentResult) -> tuple[Figure, str]:
    """Final test accuracy against the one number that the trials differ in, or else by trial.

    Returns: the plot, and what it shows.
    """
    title, trials = f'{result.name}, final epoch', result.trials
    group = {result.selected, *tied_with_selected(result)}
    field = swept_number([trial.hyperparameters for trial in trials])
    if field is not None:
        rows = [
            {
                'x': trial.hyperparameters[field],
                'values': trial.summary[FINAL]['values'],
                'tied': trial.index in group,
            }
            for trial in trials
        ]
        plot = draw_sweep(rows, field.rpartition('.')[2].replace('_', ' '), title)
        return plot, f'Final test accuracy against {field}.'
    caption = 'Final test accuracy of every trial.'
    if len(trials) > MOST_ROWS:
        trials = sorted(trials, key=lambda trial: -(trial.statistic(VALIDATION)['mean'] or 0))
        trials = trials[:MOST_ROWS]
        caption = (
            f'Final test accuracy of the {MOST_ROWS} of {len(result.trials)} trials that have the '
            'best validation accuracy.'
        )
    rows = [
        {
            'label': trial.name,
            'values': trial.summary[FINAL]['values'],
            'tied': trial.index in group,
        }
        for trial in trials
    ]
    return draw_trials(rows, title), caption


def swept_number(settings: Sequence[Mapping[str, Any]]) -> str | None:
    """The field in which the settings differ, where it is one alone and holds numbers."""
    differing = [f for f in settings[0] if any(s[f] != settings[0][f] for s in settings)]
    if len(differing) != 1:
        return None
    values = [setting[differing[0]] for setting in settings]
    # True and False are whole numbers to Python.
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return differing[0] if numbers else None
