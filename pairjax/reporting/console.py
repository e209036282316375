"""The console report of an experiment and of an evaluation: tables, sentences, and the plot."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pairjax.analysis.results import ExperimentResult
from pairjax.analysis.selection import (
    gain_of_best_epoch,
    gain_of_selection,
    tied_with_selected,
)
from pairjax.analysis.statistics import describe
from pairjax.reporting.format import format_statistic, points, points_span
from pairjax.reporting.plots.curves import draw_training_curves, save_figure
from pairjax.reporting.tables import Cell, console_table, percent

ACCURACIES = {
    'final_test_accuracy': 'final',
    'best_epoch_test_accuracy': 'best on test',
    'best_validation_epoch_test_accuracy': 'best on validation',
}
# With fewer seeds, what choosing adds has an interval that says nothing.
FEWEST_FOR_GAIN = 5
# Models with a learned head and workdirs of earlier versions have none.
ALL_PAIRS = 'exact_pair_accuracy'


def accuracy_table(result: ExperimentResult) -> Table:
    """One row per trial; * marks the one that validation selects, ~ those tied with it."""
    has_all_pairs = any(trial.statistic(ALL_PAIRS) for trial in result.trials)
    measures = ACCURACIES | ({ALL_PAIRS: 'all test pairs'} if has_all_pairs else {})
    trials, tied = result.trials, tied_with_selected(result)
    marks = {result.selected: '*', **dict.fromkeys(tied, '~')}
    columns = {
        'trial': [f'{t.index}{marks.get(t.index, "")} {t.name}' for t in trials],
        'parameters': [trial.num_params for trial in trials],
        'n': [trial.n for trial in trials],
        **{heading: [t.statistic(name) for t in trials] for name, heading in measures.items()},
        's/run': [trial.seconds_per_run for trial in trials],
    }
    title = 'test accuracy in percent, mean +- std [95 % interval of the mean] over n seeds'
    return console_table(f'{result.name}, {result.data["source"]} digits: {title}', columns)


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
    for note in selection_notes(result):
        say(note)
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


def selection_notes(result: ExperimentResult) -> list[str]:
    """What choosing the best of several adds by luck alone, and which trials are tied."""
    notes, trial = [], result.selected_trial
    if trial is None:
        return notes
    epochs, trials = gain_of_best_epoch(trial), gain_of_selection(result)
    if epochs and 0 < trial.n < FEWEST_FOR_GAIN:
        notes.append(
            f'best on test is optimistic, and n = {trial.n} seed{"s" if trial.n > 1 else ""} '
            'cannot say by how much'
        )
    elif epochs and epochs['ci95']:
        notes.append(
            f'best on test reads {points(epochs["mean"])} points {points_span(*epochs["ci95"])} '
            'above what the same epochs reach with other seeds: luck of the choice'
        )
    if trials and trials['ci95'] and trial.n >= FEWEST_FOR_GAIN:
        notes.append(
            'the selected trial (*) has the best validation accuracy, which reads '
            f'{points(trials["mean"])} points {points_span(*trials["ci95"])} too high where one '
            f'seed chooses the best of {len(result.trials)} trials'
        )
    if tied_with_selected(result):
        notes.append(
            'tied with the selected trial (~): a paired difference in validation accuracy that '
            'Holm-adjusted p does not resolve at 0.05'
        )
    return notes


def show_evaluation(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Prints accuracies on test pairs per trial and seed, and the mean of each trial.

    Args:
      rows: one per trial and seed: trial, seed, epoch, test_accuracy and test_digit_accuracy as
        fractions, None for a seed that failed or a model without digit heads.
      console: where to print.
    """
    columns = {
        'trial': [row['trial'] for row in rows],
        'seed': [Cell(str(row['seed']), row['seed']) for row in rows],
        'epoch': [row['epoch'] for row in rows],
        'pairs': [percent(row['test_accuracy']) for row in rows],
        'digits': [percent(row['test_digit_accuracy']) for row in rows],
    }
    console.print(console_table('accuracy on test pairs in percent', columns))
    for trial in sorted({row['trial'] for row in rows}):
        statistic = describe([row['test_accuracy'] for row in rows if row['trial'] == trial])
        n = sum(value is not None for value in statistic['values'])
        text = f'trial {trial}: {format_statistic(statistic)} % over n = {n} seeds'
        console.print(text, markup=False)
