"""The console report of a paired comparison: two tables and notes on them."""

from rich.console import Console
from rich.table import Table

from pairjax.analysis.paired import LEVEL, Comparison, Pair, measure_name, seed_list
from pairjax.analysis.seeds_and_images import CrossedInterval
from pairjax.analysis.statistics import FEWEST_FOR_T, describe
from pairjax.analysis.verdicts import UNRESOLVED, is_within
from pairjax.reporting.format import (
    UNBOUNDED,
    format_difference,
    format_ratio,
    is_unbounded,
    p_text,
    points,
    points_span,
)
from pairjax.reporting.tables import Cell, Columns, console_table
from pairjax.trials import trial_names

# Above this no exact number is shown.
MOST_SEEDS = 100_000


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Prints the arms, their paired differences, and notes on the seeds."""
    console.print(arms_table(comparison))
    columns = difference_columns(comparison)
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


def difference_columns(comparison: Comparison) -> Columns:
    """One row per pair of arms, differences in percentage points."""
    pairs = comparison.pairs
    sequential = pairs[0].paired.method == 'sequential'
    always = ', at every n' if sequential else ''
    columns = {
        'arms': [f'{pair.a} - {pair.b}' for pair in pairs],
        'n': [pair.paired.n for pair in pairs],
        f'difference [95 %{always}]': [
            Cell(format_difference(p.paired), p.paired.mean) for p in pairs
        ],
        f'p{always}': [_p_cell(pair.paired.p_value) for pair in pairs],
        'Holm p': [_p_cell(pair.adjusted_p) for pair in pairs],
    }
    if comparison.crossed:
        columns['other test digits too [95 %]'] = map(_crossed_cell, comparison.crossed)
    if pairs[0].equivalence:
        heading = f'within {100 * pairs[0].equivalence.margin:g}?'
        columns |= {
            f'{heading} [90 %{always}]': [Cell(_equivalence_interval(pair)) for pair in pairs],
            f'{heading} Holm p': [_p_cell(pair.equivalence.adjusted_p) for pair in pairs],
        }
    columns['verdict'] = [verdict_text(pair) for pair in pairs]
    if not sequential and pairs[0].paired.n < FEWEST_FOR_T:
        columns['t interval, if normal'] = [
            Cell(points_span(*(pair.paired.t_ci95 or (None, None)))) for pair in pairs
        ]
    return columns | {
        'ratio of std [95 %]': [Cell(format_ratio(*p.std_ratio), p.std_ratio[0]) for p in pairs],
        'seeds needed': [_seeds_needed(pair.seeds_needed) for pair in pairs],
    }


def _crossed_cell(crossed: CrossedInterval | None) -> Cell | None:
    if crossed is None:
        return None
    span = points_span(*crossed.ci95) if crossed.ci95 else UNBOUNDED
    return Cell(f'{points(crossed.mean)} {span}', crossed.mean)


def _equivalence_interval(pair: Pair) -> str:
    if pair.equivalence.interval is None and pair.paired.std:
        return UNBOUNDED
    return points_span(*(pair.equivalence.interval or (None, None)))


def _p_cell(p_value: float) -> Cell:
    return Cell(p_text(p_value), p_value)


def verdict_text(pair: Pair) -> str:
    """What may be said of a pair's first arm: 'better', 'better, within 0.5', 'unresolved'."""
    if pair.verdict in ('better', 'worse') and is_within(pair.equivalence):
        return f'{pair.verdict}, within {100 * pair.equivalence.margin:g}'
    return pair.verdict


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
    lines += _test_notes(comparison)
    if floor * number > LEVEL:
        lines.append(
            f'no p can be small enough for a Holm p of {LEVEL:g} at this n and number of '
            'comparisons: take more seeds or fewer arms'
        )
    if any(pair.seeds_needed for pair in comparison.pairs):
        lines.append(_seeds_note(comparison))
    return lines


def _seeds_note(comparison: Comparison) -> str:
    number = len(comparison.pairs)
    if comparison.options.sequential:
        return (
            'seeds needed: common seeds after which it would be resolved, if further ones repeat '
            f'these differences, at the level {LEVEL:g} / {number}'
        )
    return (
        'seeds needed: common seeds that would resolve the difference, if it is as large as seen, '
        f'with 80 % power at the level {LEVEL:g} / {number}; fix their number before you train '
        'them, or look after each with --sequential'
    )


def _test_notes(comparison: Comparison) -> list[str]:
    """Which tests and intervals these are, and what they cannot say."""
    number, options = len(comparison.pairs), comparison.options
    n, floor = len(comparison.seeds), comparison.pairs[0].paired.p_floor
    family = f'adjusted for {number} comparison{"s" if number > 1 else ""}'
    if options.sequential:
        lines = [
            'intervals and p are valid at every n at once, so look after each seed and stop when '
            'you like; they assume what the sign-flip test does, differences symmetric about their '
            'mean (test of symmetry by betting, Vovk and Wang 2024); the first two seeds only set '
            f'the scale; with n = {n} p is never below {floor:.2g}; Holm p: {family}'
        ]
    else:
        lines = [f'p: sign-flip test, with n = {n} never below {floor:.2g}; Holm p: {family}']
        if n < FEWEST_FOR_T:
            lines.append(
                'interval: the differences that the sign-flip test does not reject at 5 %; the t '
                'interval beside it rests on normal differences and may disagree with p'
            )
    if any(is_unbounded(pair.paired) for pair in comparison.pairs):
        lines.append(f'unbounded: n = {n} seeds allow no bounded 95 % interval by this test')
    for pair in comparison.pairs:
        if pair.paired.std == 0:
            which = 'are zero' if pair.paired.mean == 0 else f'are {points(pair.paired.mean)}'
            lines.append(
                f'{pair.a} - {pair.b}: all {n} differences {which}, which says nothing of their '
                'spread: there is no interval, and neither equality nor equivalence is shown'
            )
    return lines + _image_notes(comparison) + _verdict_notes(comparison)


def _image_notes(comparison: Comparison) -> list[str]:
    crossed = next(filter(None, comparison.crossed or ()), None)
    if crossed is None:
        return [comparison.crossed_note] if comparison.crossed_note else []
    lines = [
        f'other test digits too: seeds and the {crossed.num_images:,} test images as crossed '
        f'random effects, over {crossed.pairs}; the other intervals are of other seeds on the '
        'same images'
    ]
    if crossed.pairs.startswith('all '):
        lines.append(
            'p and verdict are of the test pairs that each seed drew, of which all pairs are the '
            'less noisy version: they may differ'
        )
    return lines


def _verdict_notes(comparison: Comparison) -> list[str]:
    options, lines = comparison.options, []
    if len(comparison.pairs) > 1:
        lines.append('verdicts go by Holm p; each interval is of its comparison alone')
    if options.margin is not None:
        lines.append(
            f'equivalent: the 90 % interval is within +-{100 * options.margin:g} points '
            "(two one-sided tests at 5 %), after Holm's correction over these tests; better or "
            'worse: Holm p at most 0.05'
        )
    elif any(pair.verdict == UNRESOLVED for pair in comparison.pairs):
        lines.append(
            'unresolved does not mean equal: --margin=0.5 tests whether a difference is smaller '
            'than 0.5 points'
        )
    return lines
