"""The study's findings in words that its figures support. No jax in here."""

import itertools
from collections.abc import Callable, Iterable, Sequence

from pairjax.reporting.format import interval, points, points_span
from pairjax.studies.factorial.analysis import Effect, Findings
from pairjax.studies.factorial.design import Design
from pairjax.studies.factorial.parts import full_train_pairs
from pairjax.studies.factorial.results import Results

WAYS = {
    'shared': 'one shared branch',
    'separate': 'two branches of the same widths',
    'cut': 'two branches cut to the same number of parameters',
}


def p_value(p: float) -> str:
    """A p-value as it is shown."""
    return '< 0.001' if p < 0.001 else f'{p:.3f}'


def verdict(effect: Effect, above: str, below: str, unresolved: str) -> str:
    """The words for the side of zero on which an effect lies.

    A side is taken only where the 95 % interval excludes zero and the adjusted p-value is below
    0.05, since an interval alone knows nothing of the other comparisons.
    """
    if effect.paired.ci95 is not None and effect.adjusted_p < 0.05:
        low, high = effect.paired.ci95
        if low > 0:
            return above
        if high < 0:
            return below
    return unresolved


def numbers(effect: Effect) -> str:
    """An effect's figures in brackets."""
    paired, p = effect.paired, p_value(effect.adjusted_p)
    equals = '' if p.startswith('<') else '= '
    return (
        f'({points(paired.mean)} points {points_span(*interval(paired))}, n = {paired.n}, '
        f'adjusted p {equals}{p})'
    )


def tally(rows: Sequence[Effect]) -> str:
    """How many effects of a family lie above zero, below it, or are unresolved."""
    verdicts = [verdict(row, 'above', 'below', 'unresolved') for row in rows]
    return (
        f'{len(rows)} differences, of which {verdicts.count("above")} lie above zero, '
        f'{verdicts.count("below")} below it and {verdicts.count("unresolved")} are unresolved'
    )


def sentences(design: Design, results: Results, findings: Findings) -> list[str]:
    """Three findings to quote: sharing, the auxiliary loss, and the two together.

    They speak of the design's first network, without the auxiliary loss and with it at the named
    weight. A clause whose runs are missing is left out, and so is a sentence without clauses.
    """
    network = design.networks[0]
    where = (
        f'{network.name} ({full_train_pairs(design, network):,} train pairs, '
        f'{results.data["source"]} digits)'
    )
    leads = {
        f'Weight sharing in {where}': _sharing_clauses(findings.sharing, design),
        f'The auxiliary loss in {where}': _aux_clauses(findings.aux, design),
        f'Both together in {where}': _joint_clauses(findings, design),
    }
    return [f'{lead}: {"; ".join(clauses)}.' for lead, clauses in leads.items() if clauses]


def _sharing_clauses(rows: Iterable[Effect], design: Design) -> list[str]:
    named = _named(rows, design)
    return [
        f'against {WAYS[other]} it {_list(mine, _change, _loss)}'
        for other in ('separate', 'cut')
        if (mine := [row for row in named if row.b.sharing == other])
    ]


def _aux_clauses(rows: Iterable[Effect], design: Design) -> list[str]:
    named = _named(rows, design)
    if not named:
        return []
    ways = _list(named, _change, lambda row: f'with {WAYS[row.a.sharing]}')
    return [f'weight {design.named_weight:g} {ways}']


def _joint_clauses(findings: Findings, design: Design) -> list[str]:
    clauses = [
        f'with sharing the effect of weight {row.a.aux_weight:g} '
        f'{verdict(row, "is larger than", "is smaller than", "cannot be told from")} that without '
        f'{numbers(row)}'
        for row in _named(findings.interaction, design)
    ]
    doublings = _named(findings.doubling, design)
    for size in sorted({row.a.train_pairs for row in doublings})[-1:]:
        mine = [row for row in doublings if row.a.train_pairs == size]
        clauses.append(f'sharing with {size:,} train pairs {_list(mine, _comparison, _loss)}')
    return clauses


def _list(
    rows: Sequence[Effect], words: Callable[[Effect], str], place: Callable[[Effect], str]
) -> str:
    """Words, places and numbers of the rows; what neighbours have in common is said once."""
    groups = itertools.groupby(rows, key=words)
    return ', and '.join(
        f'{common} {" and ".join(f"{place(row)} {numbers(row)}" for row in group)}'
        for common, group in groups
    )


def _change(row: Effect) -> str:
    return f'{verdict(row, "raises", "lowers", "has no resolved effect on")} the test accuracy'


def _comparison(row: Effect) -> str:
    relation = verdict(row, 'exceeds', 'falls short of', 'cannot be told from')
    return f'{relation} not sharing with {row.b.train_pairs:,}'


def _loss(row: Effect) -> str:
    weight = row.a.aux_weight
    return f'at auxiliary weight {weight:g}' if weight else 'without the auxiliary loss'


def _named(rows: Iterable[Effect], design: Design) -> list[Effect]:
    network, weights = design.networks[0].name, (0.0, design.named_weight)
    return [row for row in rows if row.a.network == network and row.a.aux_weight in weights]
