"""Columns of the tables of the HTML report, by heading."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pairjax.analysis.arms import ComparedTrial
from pairjax.analysis.error_analysis import PairPredictions, count_confusions
from pairjax.analysis.results import FINAL, ExperimentResult, TrialResult
from pairjax.analysis.selection import tied_with_selected
from pairjax.config import default_config, flatten
from pairjax.reporting.tables import Cell, Columns, percent

# Column headings of the accuracies, by their field in summary.json.
HEADINGS = {
    FINAL: 'test %, final epoch',
    'best_epoch_test_accuracy': 'test %, best epoch on test',
    'best_validation_epoch_test_accuracy': 'test %, best epoch on validation',
    'final_validation_accuracy': 'validation %, final epoch',
    'final_train_accuracy': 'train %, final epoch',
    'final_digit_accuracy': 'digit test %, final epoch',
}
SHADES = 4


def trial_columns(trials: Sequence[TrialResult]) -> Columns:
    """What each trial is, and its statistics."""
    return {
        'trial': [trial.name for trial in trials],
        'parameters': [trial.num_params for trial in trials],
        'n': [trial.n for trial in trials],
        **{heading: [t.statistic(name) for t in trials] for name, heading in HEADINGS.items()},
        'failed seeds': [', '.join(map(str, trial.failed_seeds)) or 'none' for trial in trials],
    }


def sweep_columns(result: ExperimentResult) -> Columns:
    """The trials of an experiment, numbered, with their seconds."""
    trials = result.trials
    marks = dict.fromkeys(tied_with_selected(result), ' (tied)') | {result.selected: ' (selected)'}
    return {
        **trial_columns(trials),
        'trial': [f'{trial.index} {trial.name}{marks.get(trial.index, "")}' for trial in trials],
        's/run': [trial.seconds_per_run for trial in trials],
    }


def arm_columns(arms: Sequence[ComparedTrial]) -> Columns:
    """The selected trial of each experiment."""
    return {
        'experiment': [arm.name for arm in arms],
        **trial_columns([arm.trial for arm in arms]),
        'digits from': [arm.experiment.data['source'] for arm in arms],
    }


def seed_columns(trials: Sequence[TrialResult]) -> Columns:
    """Each seed of each trial, with the measures that any trial has."""
    runs = [(trial, place, seed) for trial in trials for place, seed in enumerate(trial.seeds)]

    def value(trial: TrialResult, place: int, measure: str) -> Cell | str:
        statistic = trial.statistic(measure)
        if statistic is not None and statistic['values'][place] is not None:
            return percent(statistic['values'][place])
        return 'failed' if trial.seeds[place] in trial.failed_seeds else '-'

    return {
        'trial': [f'{trial.index} {trial.name}' for trial, _, _ in runs],
        'seed': [Cell(str(seed), seed) for _, _, seed in runs],
        **{
            heading: [value(trial, place, measure) for trial, place, _ in runs]
            for measure, heading in HEADINGS.items()
            if any(trial.statistic(measure) for trial in trials)
        },
    }


def changed_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config, by dotted names, that differ from default_config()."""
    defaults = flatten(default_config())
    return {k: v for k, v in flatten(config).items() if v != defaults.get(k)}


def changed_columns(config: Mapping[str, Any]) -> Columns:
    """The changed fields beside their defaults."""
    defaults, changed = flatten(default_config()), changed_fields(config)
    return {
        'field': changed,
        'value': map(str, changed.values()),
        'default': [str(defaults.get(name, 'none')) for name in changed],
    }


def confusion_columns(predictions: PairPredictions) -> Columns:
    """Every class by its prediction: percent of its images, and how many; mistakes shaded."""
    classes = range(predictions.num_classes)
    counts = count_confusions(predictions).unstack(fill_value=0)
    counts = counts.reindex(index=classes, columns=classes, fill_value=0).to_numpy()
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]
    mistakes = shares * (1 - np.eye(len(classes)))
    shades = np.ceil(SHADES * mistakes / (mistakes.max() or 1)).astype(int)

    def share(*place: int) -> Cell:
        text, detail = f'{100 * shares[place]:.1f}', f'{counts[place]:,}'
        if not counts[place]:
            text, detail = '0', ''
        return Cell(text, shares[place], detail, shades[place])

    return {
        'class': predictions.class_names,
        **{
            f'as {name}': [share(digit, predicted) for digit in classes]
            for predicted, name in enumerate(predictions.class_names)
        },
        'images': totals,
    }


def commonest_confusions(predictions: PairPredictions) -> pd.DataFrame:
    """Columns class, predicted (names), count and share of that class, the commonest first."""
    frame = count_confusions(predictions).reset_index(name='count')
    frame['share'] = frame['count'] / frame.groupby('class')['count'].transform('sum')
    wrong = frame[frame['class'] != frame.predicted]
    names = dict(enumerate(predictions.class_names))
    wrong = wrong.assign(**{one: wrong[one].map(names) for one in ('class', 'predicted')})
    return wrong.sort_values('count', ascending=False, kind='stable')


def count_values(statistic: Mapping[str, Any]) -> int:
    """The n of a statistic: how many seeds have a value."""
    return sum(value is not None for value in statistic['values'])
