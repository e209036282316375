"""The tables of the HTML report: trials, seeds, config."""

from collections.abc import Mapping
from typing import Any

from pairjax.analysis.results import FINAL, ExperimentResult, TrialResult
from pairjax.config import default_config, flatten
from pairjax.reporting.format import format_statistic
from pairjax.reporting.html.page import Table, TableCell

# Column headings of the accuracies, by their field in summary.json.
HEADINGS = {
    FINAL: 'test %, final epoch',
    'best_epoch_test_accuracy': 'test %, best epoch on test',
    'best_validation_epoch_test_accuracy': 'test %, best epoch on validation',
    'final_validation_accuracy': 'validation %, final epoch',
    'final_train_accuracy': 'train %, final epoch',
    'final_digit_accuracy': 'digit test %, final epoch',
}
TRIAL_HEADINGS = ('trial', 'parameters', 'n', *HEADINGS.values(), 'failed seeds')


def statistic_cell(statistic: Mapping[str, Any] | None) -> TableCell:
    """Mean and std in percent, with the interval on a line below; sorted by the mean."""
    text, *interval = format_statistic(statistic, plus_minus='±').split(' [')
    value = None if statistic is None else statistic['mean']
    return TableCell(text, value, f'[{interval[0]}' if interval else '')


def count_cell(number: int) -> TableCell:
    """An integer with thousands separators."""
    return TableCell(f'{number:,}', number)


def count_values(statistic: Mapping[str, Any]) -> int:
    """The n of a statistic: how many seeds have a value."""
    return sum(value is not None for value in statistic['values'])


def statistic_text(statistic: Mapping[str, Any]) -> str:
    """A statistic on one line: '93.46 ± 0.78 % [92.00, 94.90], n = 10'."""
    cell = statistic_cell(statistic)
    return f'{" ".join(filter(None, (cell.text, "%", cell.detail)))}, n = {count_values(statistic)}'


def trial_row(name: str, trial: TrialResult) -> list[TableCell]:
    """The cells of a trial, one for each of TRIAL_HEADINGS."""
    return [
        TableCell(name),
        count_cell(trial.num_params),
        count_cell(trial.n),
        *(statistic_cell(trial.statistic(measure)) for measure in HEADINGS),
        TableCell(', '.join(map(str, trial.failed_seeds)) or 'none'),
    ]


def trials_table(result: ExperimentResult) -> Table:
    """One row per trial with its accuracies and seconds; the selected trial is highlighted."""
    rows = []
    for trial in result.trials:
        mark = ' (selected)' if trial.index == result.selected else ''
        row = trial_row(f'{trial.index} {trial.name}{mark}', trial)
        seconds = trial.seconds_per_run
        rows.append([*row, TableCell('-' if seconds is None else f'{seconds:.2f}', seconds)])
    return Table('Trials', (*TRIAL_HEADINGS, 's/run'), rows, highlighted=result.selected)


def seeds_table(result: ExperimentResult) -> Table:
    """One row per trial and seed, collapsed."""
    measures = [m for m in HEADINGS if any(trial.statistic(m) for trial in result.trials)]
    rows = []
    for trial in result.trials:
        statistics = [trial.statistic(measure) for measure in measures]
        for index, seed in enumerate(trial.seeds):
            values = [statistic and statistic['values'][index] for statistic in statistics]
            missing = 'failed' if seed in trial.failed_seeds else '-'
            cells = [TableCell(missing if v is None else f'{100 * v:.2f}', v) for v in values]
            rows.append(
                [TableCell(f'{trial.index} {trial.name}'), TableCell(str(seed), seed), *cells]
            )
    headings = ('trial', 'seed', *(HEADINGS[measure] for measure in measures))
    return Table('Per seed', headings, rows, collapsed=True)


def changed_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config, by dotted names, that differ from default_config()."""
    defaults = flatten(default_config())
    return {k: v for k, v in flatten(config).items() if v != defaults.get(k)}


def config_tables(config: Mapping[str, Any]) -> list[Table]:
    """The fields that differ from default_config(), and all fields, collapsed."""
    defaults = flatten(default_config())
    changed = [
        [TableCell(name), TableCell(str(value)), TableCell(str(defaults.get(name, 'none')))]
        for name, value in changed_fields(config).items()
    ]
    fields = [[TableCell(name), TableCell(str(value))] for name, value in flatten(config).items()]
    return [
        Table('Changed from the default config', ('field', 'value', 'default'), changed),
        Table('Full config', ('field', 'value'), fields, collapsed=True),
    ]
