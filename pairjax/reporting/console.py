"""What a person holds at the end: the results table and the pictures. No jax in here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from pairjax.analysis.statistics import describe
from pairjax.reporting.format import format_statistic
from pairjax.reporting.plots.curves import plot_training_curves
from pairjax.trials import trial_name, trial_names
from pairjax.workdir.workdir import Metrics

format_figure = format_statistic


def results_table(summary: Mapping[str, Any], seconds_per_run: Mapping[int, float]) -> Table:
    """One row per trial; * marks the one that validation accuracy selects.

    Args:
      summary: what summary.json holds.
      seconds_per_run: wall seconds of training and evaluation, by index of the trial.
    """
    table = Table(
        title=f'{summary["name"]}, {summary["data"]["source"]} digits: test accuracy in '
        'percent, mean +- std [95 % interval of the mean] over n seeds'
    )
    # Workdirs of earlier versions lack the figure; models with a learned head have none.
    exact = [trial.get('exact_pair_accuracy') for trial in summary['trials']]
    all_pairs = ('all test pairs',) if any(exact) else ()
    table.add_column('trial')
    accuracies = ('final', 'best on test', 'best on validation', *all_pairs)
    for heading in ('parameters', 'n', *accuracies, 's/run'):
        table.add_column(heading, justify='right')
    for index, name in enumerate(trial_names(summary['trials'])):
        trial = summary['trials'][index]
        mark = '*' if index == summary['selected_trial'] else ''
        n = len(trial['seeds']) - len(trial['failed_seeds'])
        table.add_row(
            f'{index}{mark} {name}',
            f'{trial["num_params"]:,}',
            str(n),
            format_statistic(trial['final_test_accuracy']),
            format_statistic(trial['best_epoch_test_accuracy']),
            format_statistic(trial['best_validation_epoch_test_accuracy']),
            *(format_statistic(exact[index]) for _ in all_pairs),
            f'{seconds_per_run[index]:.2f}' if index in seconds_per_run else '-',
        )
    return table


def seconds_per_run(metrics: pd.DataFrame) -> dict[int, float]:
    """Wall seconds of training and evaluation per run, by index of the trial."""
    by_trial = metrics.groupby('trial')
    return (by_trial.train_seconds.sum() / by_trial.seed.nunique()).to_dict()


def show_results(summary: Mapping[str, Any], workdir: Path, console: Console) -> None:
    """Prints the table and what it cost, and draws the selected trial's curves."""
    metrics = pd.DataFrame.from_records(Metrics(workdir).read())
    console.print(results_table(summary, seconds_per_run(metrics)))
    for trial in summary['trials']:
        if trial.get('failure'):
            console.print(f'{trial_name(trial)} failed: {trial["failure"]}', markup=False)
        if trial['failed_seeds']:
            console.print(
                f'{trial_name(trial)}: the loss of seeds {trial["failed_seeds"]} became '
                'not-a-number; they count in no figure',
                markup=False,
                soft_wrap=True,
            )
    timing = summary['timing']
    console.print(
        f'{timing["seconds_per_run"]:.2f} s per run on {timing["devices"]} devices '
        f'({timing["train_seconds"]:.1f} s of training and evaluation, '
        f'{timing["compile_seconds"]:.1f} s of compilation beside it)',
        markup=False,
        soft_wrap=True,
    )
    where = f'results in {workdir / "summary.json"}'
    selected = summary['selected_trial']
    if selected is not None:
        path = workdir / 'figures' / 'training_curves.png'
        plot_training_curves(
            metrics[metrics.trial == selected], trial_name(summary['trials'][selected]), path
        )
        where += f', curves in {path}'
    console.print(where, markup=False, soft_wrap=True)


def show_evaluation(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Prints accuracies on test pairs per trial and seed, and the mean of each trial.

    Args:
      rows: as `evaluation.evaluate_workdir` returns them.
      console: where to print.
    """
    table = Table(title='accuracy on test pairs in percent')
    for heading in ('trial', 'seed', 'epoch', 'pairs', 'digits'):
        table.add_column(heading, justify='right')
    for row in rows:
        figures = (row['test_accuracy'], row['test_digit_accuracy'])
        texts = ['-' if value is None else f'{100 * value:.2f}' for value in figures]
        table.add_row(*(str(row[name]) for name in ('trial', 'seed', 'epoch')), *texts)
    console.print(table)
    for trial in sorted({row['trial'] for row in rows}):
        mine = [row['test_accuracy'] for row in rows if row['trial'] == trial]
        figure = describe(mine)
        n = sum(value is not None for value in mine)
        console.print(
            f'trial {trial}: {format_statistic(figure)} % over n = {n} seeds', markup=False
        )
