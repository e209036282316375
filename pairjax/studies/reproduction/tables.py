"""The tables of a reproduction, recorded figures beside ours. No jax in here."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from pairjax.analysis.statistics import compare_recorded, describe, std_ratio
from pairjax.reporting.console import format_figure
from pairjax.reporting.format import interval, points, points_span, span
from pairjax.reporting.markdown import table
from pairjax.studies.reproduction.claims import Verdict, recorded_difference
from pairjax.studies.reproduction.recorded import Recorded
from pairjax.studies.reproduction.results import (
    AUX_WEIGHT,
    BATCH_SIZE,
    BEST,
    FINAL,
    LEARNING_RATE,
    Experiment,
    Trial,
    compare,
    epoch_seconds,
)

NEAR = 3.0  # standard errors


class Row(NamedTuple):
    """One trial beside what was recorded of it.

    Attributes:
      label: what tells it from the others.
      trial: ours.
      values: its figure per seed.
      recorded: None where nothing was.
      comparison: as `compare_recorded` gives it.
    """

    label: str
    trial: Trial
    values: pd.Series
    recorded: Recorded | None
    comparison: dict[str, float | None]

    @property
    def is_near(self) -> bool | None:
        """Whether both differ by at most three standard errors; None where that cannot be said."""
        z = self.comparison['z']
        return None if z is None else abs(z) <= NEAR


def recorded_rows(
    trials: Iterable[Trial],
    key: Callable[[Trial], Any],
    recorded: Mapping[Any, Recorded],
    figure: str = BEST,
) -> list[Row]:
    """Each trial with what was recorded of it.

    Args:
      trials: ours.
      key: what a trial is recorded under.
      recorded: by key.
      figure: of ours, of the kind that was recorded.
    """
    rows = []
    for trial in trials:
        values, theirs = trial.accuracy(figure), recorded.get(key(trial))
        ours = describe(values)
        numbers = (theirs['mean'], theirs['std'], theirs['n']) if theirs else (None, None, 0)
        comparison = compare_recorded(ours['mean'], ours['std'], len(values), *numbers)
        rows.append(Row(_label(key(trial)), trial, values, theirs, comparison))
    return rows


def _label(key: Any) -> str:
    return ', '.join(map(str, key)) if isinstance(key, tuple) else f'{key:g}'


def by_mean(rows: Iterable[Row]) -> list[Row]:
    """The rows with the highest of our means first; those without any last."""
    return sorted(rows, key=lambda row: -row.values.mean() if len(row.values) else 1.0)


def recorded_text(recorded: Recorded | None) -> str:
    """A recorded figure in percent with what is known of it."""
    if recorded is None:
        return '-'
    deviation = '' if recorded['std'] is None else f' +- {100 * recorded["std"]:.2f}'
    return f'{100 * recorded["mean"]:.2f}{deviation} (n = {recorded["n"]})'


def ours_text(values: pd.Series) -> str:
    """Mean +- deviation [95 % interval] (n) in percent."""
    return f'{format_figure(describe(values))} (n = {len(values)})' if len(values) else '-'


def comparison_table(rows: Sequence[Row], heading: str) -> str:
    """Recorded and ours, their difference in points, and how many standard errors that is.

    Where nothing was recorded, ours at the best epoch on test and at the final epoch.
    """
    if all(row.recorded is None for row in rows):
        lines = [
            [*_start(row), ours_text(row.values), ours_text(row.trial.accuracy(FINAL))]
            for row in rows
        ]
        return table((heading, 'parameters', 'ours, best epoch', 'ours, final epoch'), lines)
    lines = []
    for row in rows:
        error, z = row.comparison['standard_error'], row.comparison['z']
        lines.append(
            [
                *_start(row),
                recorded_text(row.recorded),
                ours_text(row.values),
                points(row.comparison['difference']),
                '-' if error is None else f'{100 * error:.2f}',
                '-' if z is None else f'{z:+z.1f}',
                {None: '-', True: 'yes', False: '**no**'}[row.is_near],
            ]
        )
    ends = ('recorded', 'ours', 'difference', 'standard error', 'z', 'within 3')
    return table((heading, 'parameters', *ends), lines)


def _start(row: Row) -> list[str]:
    return [row.label, f'{row.trial.num_params:,}']


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    """Every sentence with its verdict and evidence."""
    lines = [[v.sentence, f'**{v.verdict}**', v.evidence] for v in verdicts]
    return table(('sentence', 'verdict', 'evidence'), lines)


def batch_time_table(experiment: Experiment) -> str:
    """Accuracy and time by batch size."""
    lines = []
    for trial in experiment.trials:
        epochs, seconds = trial.hyperparameters['train.num_epochs'], epoch_seconds(trial)
        figures = [ours_text(trial.accuracy(figure)) for figure in (BEST, FINAL)]
        time = '-' if seconds is None else f'{epochs * seconds:.2f}'
        lines.append([str(trial.hyperparameters[BATCH_SIZE]), *figures, time])
    return table(('batch size', 'best epoch', 'final epoch', 'seconds a run'), lines)


def grid_table(experiment: Experiment, reported: Trial | None) -> str:
    """Final accuracy by hidden size and learning rate, and by w where there are digit heads."""
    has_digits = any(trial.summary['final_digit_accuracy'] for trial in experiment.trials)
    rates = sorted({trial.hyperparameters[LEARNING_RATE] for trial in experiment.trials})
    cells: dict[tuple, dict[float, str]] = {}
    for trial in experiment.trials:
        weight = trial.hyperparameters[AUX_WEIGHT]
        values = trial.accuracy(FINAL)
        text = '-' if values.empty else format_figure(describe(values)).partition(' [')[0]
        text = f'**{text}**' if trial is reported else text
        start = (f'{weight:g}', str(trial.widths[0])) if has_digits else (str(trial.widths[0]),)
        cells.setdefault(start, {})[trial.hyperparameters[LEARNING_RATE]] = text
    headings = ('w', 'hidden size') if has_digits else ('hidden size',)
    lines = [[*start, *(row.get(rate, '-') for rate in rates)] for start, row in cells.items()]
    return table((*headings, *(f'learning rate {rate:g}' for rate in rates)), lines)


def batch_size_table(experiment: Experiment, recorded: Recorded) -> str:
    """Accuracy by batch size and its difference from the one recorded figure."""
    lines = []
    for trial in experiment.trials:
        line = [str(trial.hyperparameters[BATCH_SIZE])]
        for figure in (FINAL, BEST):
            values = trial.accuracy(figure)
            difference = recorded_difference(values, recorded)
            low_high = points_span(difference.low, difference.high)
            line += [ours_text(values), f'{points(difference.mean)} {low_high}']
        lines.append(line)
    minus = 'minus recorded [95 %]'
    return table(('batch size', 'final epoch', minus, 'best epoch on test', minus), lines)


def sharing_table(shared: Experiment, separate: Experiment) -> str:
    """What weight sharing gains, and does to deviations, at each batch size that both have."""
    others = {trial.hyperparameters[BATCH_SIZE]: trial for trial in separate.trials}
    lines = []
    for trial in shared.trials:
        other = others.get(trial.hyperparameters[BATCH_SIZE])
        if other is None:
            continue
        a, b = trial.accuracy(FINAL), other.accuracy(FINAL)
        common = a.index.intersection(b.index)
        ratio, low, high = std_ratio(a[common], b[common])
        line = [str(trial.hyperparameters[BATCH_SIZE]), str(len(common))]
        for figure in (FINAL, BEST):
            paired = compare(trial.accuracy(figure), other.accuracy(figure))
            line.append(f'{points(paired.mean)} {points_span(*interval(paired))}')
        line.append('-' if ratio is None else f'{ratio:.2f} {span(low, high, ".2f")}')
        lines.append(line)
    gains = ('gain at the final epoch [95 %]', 'gain at the best epoch [95 %]')
    return table(('batch size', 'n', *gains, 'deviation, shared over separate [95 %]'), lines)


def ran_table(experiments: Mapping[str, Experiment]) -> str:
    """What ran and how long it took, with the total."""
    lines, totals = [], [0, 0, 0.0, 0.0]
    for name, experiment in experiments.items():
        runs = sum(len(trial.summary['seeds']) for trial in experiment.trials)
        seconds = [experiment.timing[f'{what}_seconds'] for what in ('train', 'compile')]
        numbers = [len(experiment.trials), runs, *seconds]
        totals = [total + number for total, number in zip(totals, numbers, strict=True)]
        lines.append([name, *_counts(numbers)])
    lines.append(['all', *_counts(totals)])
    return table(('experiment', 'trials', 'runs', 'seconds of training', 'of compilation'), lines)


def _counts(numbers: Sequence[float]) -> list[str]:
    trials, runs, *seconds = numbers
    return [f'{trials:,}', f'{runs:,}', *(f'{value:,.1f}' for value in seconds)]
