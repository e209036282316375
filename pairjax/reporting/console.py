"""The console report of an experiment and of an evaluation: tables, sentences, and the plot."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pairjax.analysis.results import ExperimentResult
from pairjax.analysis.statistics import describe
from pairjax.reporting.format import format_statistic
from pairjax.reporting.plots.curves import draw_training_curves, save_figure

format_figure = format_statistic
ACCURACIES = {
    'final_test_accuracy': 'final',
    'best_epoch_test_accuracy': 'best on test',
    'best_validation_epoch_test_accuracy': 'best on validation',
}
# Models with a learned head and workdirs of earlier versions have none.
ALL_PAIRS = 'exact_pair_accuracy'


def accuracy_table(result: ExperimentResult) -> Table:
    """One row per trial: accuracies and seconds; * marks the one that validation selects."""
    table = Table(
        title=f'{result.name}, {result.data["source"]} digits: test accuracy in '
        'percent, mean +- std [95 % interval of the mean] over n seeds'
    )
    has_all_pairs = any(trial.statistic(ALL_PAIRS) for trial in result.trials)
    measures = ACCURACIES | ({ALL_PAIRS: 'all test pairs'} if has_all_pairs else {})
    table.add_column('trial')
    for heading in ('parameters', 'n', *measures.values(), 's/run'):
        table.add_column(heading, justify='right')
    for trial in result.trials:
        mark, seconds = '*' if trial.index == result.selected else '', trial.seconds_per_run
        table.add_row(
            f'{trial.index}{mark} {trial.name}',
            f'{trial.num_params:,}',
            str(trial.n),
            *(format_statistic(trial.statistic(measure)) for measure in measures),
            '-' if seconds is None else f'{seconds:.2f}',
        )
    return table


def show_results(result: ExperimentResult, console: Console) -> None:
    """Prints the table, failures and the time, and plots the selected trial's curves."""

    def say(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    console.print(accuracy_table(result))
    for trial in result.trials:
        if trial.failure:
            say(f'{trial.name} failed: {trial.failure}')
        if trial.failed_seeds:
            say(
                f'{trial.name}: the loss of seeds {trial.failed_seeds} became NaN; no statistic '
                'counts them'
            )
    timing = result.timing
    say(
        f'{timing["seconds_per_run"]:.2f} s per run on {timing["devices"]} devices '
        f'({timing["train_seconds"]:.1f} s of training and evaluation, '
        f'{timing.get("all_pairs_seconds", 0.0):.1f} s of evaluation on all test pairs, '
        f'{timing["compile_seconds"]:.1f} s of compilation beside it)'
    )
    where, selected = f'results in {result.workdir / "summary.json"}', result.selected_trial
    if selected is not None:
        path = result.workdir / 'figures' / 'training_curves.png'
        save_figure(draw_training_curves(selected.metrics, selected.name), path)
        where += f', curves in {path}'
    say(where)


def show_evaluation(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Prints accuracies on test pairs per trial and seed, and the mean of each trial.

    Args:
      rows: one per trial and seed: trial, seed, epoch, test_accuracy and test_digit_accuracy as
        fractions, None for a seed that failed or a model without digit heads.
      console: where to print.
    """
    table = Table(title='accuracy on test pairs in percent')
    for heading in ('trial', 'seed', 'epoch', 'pairs', 'digits'):
        table.add_column(heading, justify='right')
    for row in rows:
        accuracies = (row['test_accuracy'], row['test_digit_accuracy'])
        texts = ['-' if value is None else f'{100 * value:.2f}' for value in accuracies]
        table.add_row(*(str(row[name]) for name in ('trial', 'seed', 'epoch')), *texts)
    console.print(table)
    for trial in sorted({row['trial'] for row in rows}):
        statistic = describe([row['test_accuracy'] for row in rows if row['trial'] == trial])
        n = sum(value is not None for value in statistic['values'])
        text = f'trial {trial}: {format_statistic(statistic)} % over n = {n} seeds'
        console.print(text, markup=False)
