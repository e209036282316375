"""The console report of a paired comparison: two tables and notes on them."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pairjax.analysis.paired import LEVEL, Comparison, Pair, measure_name, seed_list
from pairjax.analysis.statistics import describe
from pairjax.reporting.format import format_difference, format_ratio
from pairjax.reporting.tables import Cell, Columns, console_table
from pairjax.trials import trial_names

# Above this no exact number is shown.
MOST_SEEDS = 100_000


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Prints the arms, their paired differences, and notes on the seeds."""
    console.print(arms_table(comparison))
    columns = difference_columns(comparison.pairs)
    console.print(console_table('paired differences in percentage points', columns))
    for note in comparison_notes(comparison):
        console.print(note, markup=False, soft_wrap=True)


def arms_table(comparison: Comparison) -> Table:
    """One row per arm, in the order given: what it is, and its mean over the common seeds."""
    columns = {
        'arm': [arm.name for arm in comparison.arms],
        'trial': trial_names([arm.trial.summary for arm in comparison.arms]),
        'n': map(len, comparison.values),
        'mean +- std [95 %]': map(describe, comparison.values),
    }
    title = 'in percent, mean +- std [95 % interval of the mean] over the common seeds'
    return console_table(f'{measure_name(comparison.measure)} {title}', columns)


def difference_columns(pairs: Sequence[Pair]) -> Columns:
    """One row per pair of arms, differences in percentage points."""
    return {
        'arms': [f'{pair.a} - {pair.b}' for pair in pairs],
        'n': [pair.paired.n for pair in pairs],
        'difference [95 %]': [Cell(format_difference(p.paired), p.paired.mean) for p in pairs],
        'p': [Cell(f'{pair.paired.p_value:.2g}', pair.paired.p_value) for pair in pairs],
        'Holm p': [Cell(f'{pair.adjusted_p:.2g}', pair.adjusted_p) for pair in pairs],
        'ratio of std [95 %]': [Cell(format_ratio(*p.std_ratio), p.std_ratio[0]) for p in pairs],
        'seeds needed': [_seeds_needed(pair.seeds_needed) for pair in pairs],
    }


def _seeds_needed(number: int | None) -> int | Cell | None:
    many = number is not None and number > MOST_SEEDS
    return Cell(f'over {MOST_SEEDS:,}', number) if many else number


def comparison_notes(comparison: Comparison) -> list[str]:
    """Which seeds were compared and left out, the smallest possible p, and what columns mean."""
    n, floor = len(comparison.seeds), comparison.pairs[0].paired.p_floor
    number = len(comparison.pairs)
    lines = [f'compared over the n = {n} common seeds {seed_list(comparison.seeds)}']
    for arm in comparison.arms:
        failed = set(arm.trial.failed_seeds)
        others = set(arm.trial.seeds) - set(comparison.seeds) - failed
        if others:
            lines.append(f'{arm.name}: seeds {seed_list(others)} left out, not common to all arms')
        if failed:
            lines.append(f'{arm.name}: seeds {seed_list(failed)} left out, they failed')
    if comparison.measure.startswith('best_epoch'):
        lines.append('optimistic: each seed is shown at its best epoch on test')
    lines.append(
        f'p: sign-flip test, with n = {n} never below {floor:.2g}; Holm p: adjusted for '
        f'{number} comparison{"s" if number > 1 else ""}'
    )
    if floor * number > LEVEL:
        lines.append(
            f'no p can be small enough for a Holm p of {LEVEL:g} at this n and number of '
            'comparisons: take more seeds or fewer arms'
        )
    if any(pair.seeds_needed for pair in comparison.pairs):
        lines.append(
            'seeds needed: common seeds that would resolve the difference, if it is as large as '
            f'seen, with 80 % power at the level {LEVEL:g} / {number}'
        )
    return lines
