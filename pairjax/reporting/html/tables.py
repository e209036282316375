"""The tables of a report: trials, seeds, config. No jax in here."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pairjax.config import default_config, flatten
from pairjax.reporting.console import seconds_per_run
from pairjax.reporting.format import format_statistic
from pairjax.reporting.html.page import Cell, Table
from pairjax.trials import trial_names

FINAL = 'final_test_accuracy'
# The figures of a trial, as summary.json and as a heading has them.
FIGURES = {
    FINAL: 'final test %',
    'best_epoch_test_accuracy': 'best epoch on test %',
    'best_validation_epoch_test_accuracy': 'best validation epoch, test %',
    'final_validation_accuracy': 'final validation %',
    'final_train_accuracy': 'final train %',
    'final_digit_accuracy': 'digits, final test %',
}
TRIAL_HEADINGS = ('trial', 'parameters', 'n', *FIGURES.values(), 'failed seeds')


def accuracy_cell(figure: Mapping[str, Any] | None) -> Cell:
    """A figure of summary.json in percent, sorted by its mean."""
    text, bracket, interval = format_statistic(figure, plus_minus='±').partition(' [')
    value = None if figure is None else figure['mean']
    return Cell(text, value, bracket.strip() + interval)


def count(figure: Mapping[str, Any]) -> int:
    """How many values a figure is a mean of."""
    return sum(value is not None for value in figure['values'])


def figure_text(figure: Mapping[str, Any]) -> str:
    """A figure in one line, with its n."""
    cell = accuracy_cell(figure)
    return f'{" ".join(filter(None, (cell.text, "%", cell.detail)))}, n = {count(figure)}'


def trial_row(name: str, trial: Mapping[str, Any]) -> list[Cell]:
    """A trial of summary.json under TRIAL_HEADINGS."""
    n = len(trial['seeds']) - len(trial['failed_seeds'])
    return [
        Cell(name),
        Cell(f'{trial["num_params"]:,}', trial['num_params']),
        Cell(str(n), n),
        *(accuracy_cell(trial[measure]) for measure in FIGURES),
        Cell(', '.join(map(str, trial['failed_seeds'])) or 'none'),
    ]


def trials_table(summary: Mapping[str, Any], metrics: pd.DataFrame) -> Table:
    """One row per trial with its figures and seconds; the selected one is marked."""
    seconds = seconds_per_run(metrics)
    rows = []
    for index, name in enumerate(trial_names(summary['trials'])):
        mark = ' (selected)' if index == summary['selected_trial'] else ''
        row = trial_row(f'{index} {name}{mark}', summary['trials'][index])
        one_run = seconds.get(index)
        rows.append([*row, Cell('-' if one_run is None else f'{one_run:.2f}', one_run)])
    return Table('Trials', (*TRIAL_HEADINGS, 's/run'), rows, marked=summary['selected_trial'])


def seeds_table(trials: Sequence[Mapping[str, Any]]) -> Table:
    """One row per trial and seed, folded."""
    measures = {name: text for name, text in FIGURES.items() if any(t[name] for t in trials)}
    rows = []
    for index, (name, trial) in enumerate(zip(trial_names(trials), trials, strict=True)):
        figures = [trial[measure] for measure in measures]
        for place, seed in enumerate(trial['seeds']):
            values = [figure and figure['values'][place] for figure in figures]
            missing = 'failed' if seed in trial['failed_seeds'] else '-'
            cells = [Cell(missing if v is None else f'{100 * v:.2f}', v) for v in values]
            rows.append([Cell(f'{index} {name}'), Cell(str(seed), seed), *cells])
    return Table('Each seed', ('trial', 'seed', *measures.values()), rows, folded=True)


def changed_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config, by dotted names, that differ from default_config()."""
    defaults = flatten(default_config())
    return {k: v for k, v in flatten(config).items() if v != defaults.get(k)}


def config_tables(config: Mapping[str, Any]) -> list[Table]:
    """The fields that differ from default_config(), and all of them, folded."""
    defaults = flatten(default_config())
    changed = [
        [Cell(name), Cell(str(value)), Cell(str(defaults.get(name, 'none')))]
        for name, value in changed_fields(config).items()
    ]
    every = [[Cell(name), Cell(str(value))] for name, value in flatten(config).items()]
    return [
        Table('What differs from the default config', ('field', 'value', 'default'), changed),
        Table('The whole config', ('field', 'value'), every, folded=True),
    ]
