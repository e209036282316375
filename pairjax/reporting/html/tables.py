"""The tables of the HTML report: trials, seeds, config."""

from collections.abc import Mapping
from typing import Any

from pairjax.analysis.results import FINAL, ExperimentResult, TrialResult
from pairjax.config import default_config, flatten
from pairjax.reporting.format import format_statistic
from pairjax.reporting.html.page import Table, TableCell

# The statistics of a trial by their name in summary.json, and their headings.
MEASURES = {
    FINAL: 'final test %',
    'best_epoch_test_accuracy': 'best epoch on test %',
    'best_validation_epoch_test_accuracy': 'best validation epoch, test %',
    'final_validation_accuracy': 'final validation %',
    'final_train_accuracy': 'final train %',
    'final_digit_accuracy': 'digits, final test %',
}
TRIAL_HEADINGS = ('trial', 'parameters', 'n', *MEASURES.values(), 'failed seeds')


def statistic_cell(statistic: Mapping[str, Any] | None) -> TableCell:
    """A statistic in percent, sorted by its mean; its interval is below it."""
    text, bracket, interval = format_statistic(statistic, plus_minus='±').partition(' [')
    value = None if statistic is None else statistic['mean']
    return TableCell(text, value, bracket.strip() + interval)


def count_cell(number: int) -> TableCell:
    """A whole number."""
    return TableCell(f'{number:,}', number)


def count_values(statistic: Mapping[str, Any]) -> int:
    """How many values a statistic is the mean of."""
    return sum(value is not None for value in statistic['values'])


def statistic_text(statistic: Mapping[str, Any]) -> str:
    """A statistic in one line: '93.46 ± 0.78 % [92.00, 94.90], n = 10'."""
    cell = statistic_cell(statistic)
    return f'{" ".join(filter(None, (cell.text, "%", cell.detail)))}, n = {count_values(statistic)}'


def trial_row(name: str, trial: TrialResult) -> list[TableCell]:
    """A trial under TRIAL_HEADINGS."""
    return [
        TableCell(name),
        count_cell(trial.num_params),
        count_cell(trial.n),
        *(statistic_cell(trial.statistic(measure)) for measure in MEASURES),
        TableCell(', '.join(map(str, trial.failed_seeds)) or 'none'),
    ]


def trials_table(result: ExperimentResult) -> Table:
    """One row per trial with its statistics and seconds; the selected one is marked."""
    rows = []
    for trial in result.trials:
        mark = ' (selected)' if trial.index == result.selected else ''
        row = trial_row(f'{trial.index} {trial.name}{mark}', trial)
        seconds = trial.seconds_per_run
        rows.append([*row, TableCell('-' if seconds is None else f'{seconds:.2f}', seconds)])
    return Table('Trials', (*TRIAL_HEADINGS, 's/run'), rows, marked=result.selected)


def seeds_table(result: ExperimentResult) -> Table:
    """One row per trial and seed, folded."""
    measures = [m for m in MEASURES if any(trial.statistic(m) for trial in result.trials)]
    rows = []
    for trial in result.trials:
        statistics = [trial.statistic(measure) for measure in measures]
        for place, seed in enumerate(trial.seeds):
            values = [statistic and statistic['values'][place] for statistic in statistics]
            missing = 'failed' if seed in trial.failed_seeds else '-'
            cells = [TableCell(missing if v is None else f'{100 * v:.2f}', v) for v in values]
            rows.append(
                [TableCell(f'{trial.index} {trial.name}'), TableCell(str(seed), seed), *cells]
            )
    headings = ('trial', 'seed', *(MEASURES[measure] for measure in measures))
    return Table('Each seed', headings, rows, folded=True)


def changed_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config, by dotted names, that differ from default_config()."""
    defaults = flatten(default_config())
    return {k: v for k, v in flatten(config).items() if v != defaults.get(k)}


def config_tables(config: Mapping[str, Any]) -> list[Table]:
    """The fields that differ from default_config(), and all of them, folded."""
    defaults = flatten(default_config())
    changed = [
        [TableCell(name), TableCell(str(value)), TableCell(str(defaults.get(name, 'none')))]
        for name, value in changed_fields(config).items()
    ]
    every = [[TableCell(name), TableCell(str(value))] for name, value in flatten(config).items()]
    return [
        Table('What differs from the default config', ('field', 'value', 'default'), changed),
        Table('The whole config', ('field', 'value'), every, folded=True),
    ]
