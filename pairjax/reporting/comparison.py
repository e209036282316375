"""The console report of a paired comparison: two tables and notes on them."""

from rich.console import Console
from rich.table import Table

from pairjax.analysis.paired import LEVEL, Comparison, Pair, measure_name, seed_list
from pairjax.analysis.statistics import describe
from pairjax.reporting.format import format_difference, format_ratio, format_statistic
from pairjax.trials import trial_names

# Above this no exact number is shown.
MOST_SEEDS = 100_000


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Prints the arms, their paired differences, and notes on the seeds."""
    console.print(arms_table(comparison))
    console.print(pairs_table(comparison))
    for note in comparison_notes(comparison):
        console.print(note, markup=False, soft_wrap=True)


def arms_table(comparison: Comparison) -> Table:
    """One row per arm, in the order given: what it is, and its mean over the common seeds."""
    table = Table(
        title=f'{measure_name(comparison.measure)} in percent, '
        'mean +- std [95 % interval of the mean] over the common seeds'
    )
    table.add_column('arm')
    table.add_column('trial')
    table.add_column('n', justify='right')
    table.add_column('mean +- std [95 %]', justify='right')
    trials = trial_names([arm.trial.summary for arm in comparison.arms])
    for arm, trial, values in zip(comparison.arms, trials, comparison.values, strict=True):
        table.add_row(arm.name, trial, str(len(values)), format_statistic(describe(values)))
    return table


def pairs_table(comparison: Comparison) -> Table:
    """One row per pair of arms."""
    table = Table(title='paired differences in percentage points')
    table.add_column('arms')
    headings = ('n', 'difference [95 %]', 'p', 'Holm p', 'ratio of std [95 %]', 'seeds needed')
    for heading in headings:
        table.add_column(heading, justify='right')
    for pair in comparison.pairs:
        table.add_row(
            f'{pair.a} - {pair.b}',
            str(pair.paired.n),
            format_difference(pair.paired),
            f'{pair.paired.p_value:.2g}',
            f'{pair.adjusted_p:.2g}',
            format_ratio(*pair.std_ratio),
            _seeds_needed(pair),
        )
    return table


def _seeds_needed(pair: Pair) -> str:
    if pair.seeds_needed is None:
        return '-'
    many = pair.seeds_needed > MOST_SEEDS
    return f'over {MOST_SEEDS:,}' if many else f'{pair.seeds_needed:,}'


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
