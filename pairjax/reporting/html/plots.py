"""The plots of one experiment in the HTML report."""

from collections.abc import Mapping, Sequence
from typing import Any

from pairjax.analysis.results import FINAL, ExperimentResult
from pairjax.reporting.html.page import Plot, make_plot
from pairjax.reporting.plots.curves import draw_training_curves
from pairjax.reporting.plots.sweeps import draw_sweep, draw_trials

MOST_ROWS = 60


def experiment_plots(result: ExperimentResult) -> list[Plot]:
    """Accuracy over the trials of a sweep, and training curves of the selected trial."""
    plots, selected = [sweep_plot(result)] if len(result.trials) > 1 else [], result.selected_trial
    if selected is not None:
        caption = f'Training curves of the selected trial, {selected.name}.'
        plots.append(make_plot(draw_training_curves(selected.metrics, selected.name), caption))
    return plots


def sweep_plot(result: ExperimentResult) -> Plot:
    """Final test accuracy against the one number that the trials differ in, or else by trial."""
    title, trials = f'{result.name}, final epoch', result.trials
    rows = [{'label': trial.name, 'values': trial.summary[FINAL]['values']} for trial in trials]
    field = swept_number([trial.hyperparameters for trial in trials])
    if field is not None:
        rows = [
            {**row, 'x': trial.hyperparameters[field]}
            for row, trial in zip(rows, trials, strict=True)
        ]
        plot = draw_sweep(rows, field.rpartition('.')[2].replace('_', ' '), title)
        return make_plot(plot, f'Final test accuracy against {field}.')
    if len(rows) <= MOST_ROWS:
        return make_plot(draw_trials(rows, title), 'Final test accuracy of every trial.')
    means = [trial.summary['final_validation_accuracy']['mean'] or 0 for trial in trials]
    best = sorted(range(len(trials)), key=lambda i: -means[i])[:MOST_ROWS]
    return make_plot(
        draw_trials([rows[i] for i in best], title),
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
