"""Paired effects over common seeds: sharing, the auxiliary loss, both together, heads."""

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from pairjax.analysis.results import pair_by_seed
from pairjax.analysis.statistics import PairedComparison, holm, std_ratio
from pairjax.studies.factorial.design import (
    Design,
    DesignCell,
    full_train_pairs,
    head_cells,
    main_cells,
)
from pairjax.studies.factorial.results import StudyResults

CellPair = tuple[DesignCell, DesignCell]


class Effect(NamedTuple):
    """A paired difference between two cells, and its p-value adjusted within its family."""

    a: DesignCell
    b: DesignCell
    paired: PairedComparison
    adjusted_p: float

    @property
    def direction(self) -> str:
        """'above' or 'below' zero, or 'unresolved'.

        A direction needs a 95 % interval that excludes zero and an adjusted p-value below 0.05,
        since an interval alone knows nothing of the other comparisons.
        """
        if self.paired.ci95 is not None and self.adjusted_p < 0.05:
            low, high = self.paired.ci95
            if low > 0 or high < 0:
                return 'above' if low > 0 else 'below'
        return 'unresolved'


class Spread(NamedTuple):
    """The std over seeds of a over that of b, with its interval where n allows one."""

    a: DesignCell
    b: DesignCell
    ratio: float | None
    low: float | None
    high: float | None


class Findings(NamedTuple):
    """Every family of effects.

    Attributes:
      sharing: shared - separate and shared - cut, per network and aux weight.
      aux: each aux weight - 0, per network and sharing.
      interaction: what sharing changes about the auxiliary loss's effect.
      same_size: shared - separate at each number of train pairs.
      doubling: shared - separate with twice the train pairs.
      heads: a head without parameters - a learned one, both at the named aux weight.
      spread: the ratios of stds over seeds of the pairs in `sharing`.
    """

    sharing: list[Effect]
    aux: list[Effect]
    interaction: list[Effect]
    same_size: list[Effect]
    doubling: list[Effect]
    heads: list[Effect]
    spread: list[Spread]


def analyse(design: Design, results: StudyResults) -> Findings:
    """Everything that the study compares."""
    sharing = sharing_pairs(design)
    return Findings(
        sharing=effects(results, sharing),
        aux=effects(results, aux_pairs(design)),
        interaction=interactions(design, results),
        same_size=effects(results, train_size_pairs(design)),
        doubling=effects(results, train_size_pairs(design, factor=2)),
        heads=effects(results, head_pairs(design)),
        spread=spreads(results, sharing),
    )


def sharing_pairs(design: Design) -> list[CellPair]:
    """The main comparisons: shared against separate, and against cut, at every aux weight."""
    return [
        (cells['shared'][weight], cells[against][weight])
        for against in ('separate', 'cut')
        for cells in (main_cells(design, network) for network in design.networks)
        if against in cells
        for weight in design.aux_weights
    ]


def aux_pairs(design: Design) -> list[CellPair]:
    """Each aux weight against 0, in every network however shared."""
    return [
        (cells[weight], cells[0.0])
        for network in design.networks
        for cells in main_cells(design, network).values()
        for weight in design.aux_weights
        if weight
    ]


def train_size_pairs(design: Design, factor: int = 1) -> list[CellPair]:
    """Shared with n train pairs against separate with `factor` times n, where both exist."""
    pairs = []
    for network in (network for network in design.networks if network.train_pairs):
        sizes = (*network.train_pairs, full_train_pairs(design, network))
        for weight, n in itertools.product((0.0, design.named_weight), sizes):
            if factor * n in sizes:
                shared = DesignCell(network.name, 'shared', weight, n)
                pairs.append((shared, shared._replace(sharing='separate', train_pairs=factor * n)))
    return pairs


def head_pairs(design: Design) -> list[CellPair]:
    """Heads without parameters against a learned one, with the same branches."""
    return [
        (cell, cell._replace(head='learned', main_weight=1.0))
        for network in design.networks
        for cell in head_cells(design, network)
    ]


def effects(results: StudyResults, pairs: Iterable[CellPair]) -> list[Effect]:
    """Differences in test accuracy, a - b; all of them together are one family for Holm.

    A pair is left out where a cell is missing or fewer than two seeds are common.
    """
    return _family(
        [
            (a, b, results.test_accuracy(a), results.test_accuracy(b))
            for a, b in _finished(results, pairs)
        ]
    )


def interactions(design: Design, results: StudyResults) -> list[Effect]:
    """What sharing changes about the auxiliary loss's effect, per network and aux weight.

    Per seed (shared with aux - shared without) - (separate with aux - separate without).
    """
    series = []
    for network in design.networks:
        cells = main_cells(design, network)
        for weight in filter(None, design.aux_weights):
            corners = [cells[s][w] for s in ('shared', 'separate') for w in (weight, 0.0)]
            if all(cell in results.trials for cell in corners):
                with_aux, without, *others = map(results.test_accuracy, corners)
                gains = (with_aux - without).dropna(), (others[0] - others[1]).dropna()
                series.append((corners[0], corners[2], *gains))
    return _family(series)


def spreads(results: StudyResults, pairs: Iterable[CellPair]) -> list[Spread]:
    """Ratios of the stds over the seeds that both cells have."""
    rows = []
    for a, b in _finished(results, pairs):
        both = pd.concat(
            [results.test_accuracy(a), results.test_accuracy(b)], axis='columns', join='inner'
        )
        rows.append(Spread(a, b, *std_ratio(*both.to_numpy().T)))
    return rows


def best_weights(design: Design, results: StudyResults) -> dict[tuple[str, str], float]:
    """Per network and sharing the aux weight with the best mean final validation accuracy."""
    best = {}
    for network in design.networks:
        for sharing, cells in main_cells(design, network).items():
            trials = {
                w: results.trials[cell] for w, cell in cells.items() if cell in results.trials
            }
            statistics = {w: t.statistic('final_validation_accuracy') for w, t in trials.items()}
            means = {w: s['mean'] for w, s in statistics.items() if s['mean'] is not None}
            if means:
                best[network.name, sharing] = max(means, key=means.get)
    return best


def _finished(results: StudyResults, pairs: Iterable[CellPair]) -> list[CellPair]:
    return [pair for pair in pairs if all(cell in results.trials for cell in pair)]


def _family(
    series: Iterable[tuple[DesignCell, DesignCell, pd.Series, pd.Series]],
) -> list[Effect]:
    rows = [(a, b, pair_by_seed(test_a, test_b)) for a, b, test_a, test_b in series]
    rows = [row for row in rows if row[2].n > 1]
    adjusted = holm([paired.p_value for *_, paired in rows])
    return [Effect(*row, p) for row, p in zip(rows, adjusted, strict=True)]
