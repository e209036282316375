"""What the study's results say: paired effects over common seeds. No jax in here."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from pairjax.analysis.statistics import PairedComparison, compare_paired, holm, std_ratio
from pairjax.studies.factorial.design import Design, Network, head_arms, sharings
from pairjax.studies.factorial.parts import full_train_pairs
from pairjax.studies.factorial.results import Cell, Results


class Effect(NamedTuple):
    """A paired difference between two cells, and its p-value adjusted within its family."""

    a: Cell
    b: Cell
    paired: PairedComparison
    adjusted_p: float


class Spread(NamedTuple):
    """The deviation between seeds of a over that of b, with its interval where n allows one."""

    a: Cell
    b: Cell
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
      heads: comparing without parameters - a learned head, both at the named aux weight.
      spread: the deviations between seeds of the pairs in `sharing`.
    """

    sharing: list[Effect]
    aux: list[Effect]
    interaction: list[Effect]
    same_size: list[Effect]
    doubling: list[Effect]
    heads: list[Effect]
    spread: list[Spread]


def analyse(design: Design, results: Results) -> Findings:
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


def main_cells(design: Design, network: Network) -> dict[str, dict[float, Cell]]:
    """The network's cells at the full number of train pairs, by sharing and aux weight."""
    full = full_train_pairs(design, network)
    return {
        sharing: {
            weight: Cell(network.name, sharing, weight, full) for weight in design.aux_weights
        }
        for sharing in sharings(network)
    }


def sharing_pairs(design: Design) -> list[tuple[Cell, Cell]]:
    """The main comparisons: shared against separate, and against cut, at every aux weight."""
    pairs = []
    for against in ('separate', 'cut'):
        for network in design.networks:
            cells = main_cells(design, network)
            if against in cells:
                pairs += [(cells['shared'][w], cells[against][w]) for w in design.aux_weights]
    return pairs


def aux_pairs(design: Design) -> list[tuple[Cell, Cell]]:
    """Each aux weight against 0, in every network however shared."""
    return [
        (cells[weight], cells[0.0])
        for network in design.networks
        for cells in main_cells(design, network).values()
        for weight in design.aux_weights
        if weight
    ]


def train_size_pairs(design: Design, factor: int = 1) -> list[tuple[Cell, Cell]]:
    """Shared with n train pairs against separate with `factor` times n, where both exist."""
    pairs = []
    for network in design.networks:
        sizes = (*network.train_pairs, full_train_pairs(design, network))
        if network.train_pairs:
            pairs += [
                (Cell(network.name, 'shared', w, n), Cell(network.name, 'separate', w, factor * n))
                for w in (0.0, design.named_weight)
                for n in sizes
                if factor * n in sizes
            ]
    return pairs


def head_pairs(design: Design) -> list[tuple[Cell, Cell]]:
    """What compares without parameters against a learned head, with the same branches."""
    pairs = []
    for network in design.networks:
        cells = main_cells(design, network)
        for arm in head_arms(design, network):
            learned = cells[arm.sharing][arm.aux_weight]
            pairs.append((learned._replace(head=arm.head, main_weight=arm.main_weight), learned))
    return pairs


def effects(results: Results, pairs: Iterable[tuple[Cell, Cell]]) -> list[Effect]:
    """Differences in test accuracy, a - b; all of them together are one family for Holm.

    A pair is left out where a cell is missing or fewer than two seeds are common.
    """
    series = [
        (a, b, results.cells[a].test, results.cells[b].test)
        for a, b in pairs
        if a in results.cells and b in results.cells
    ]
    return _compare(series)


def interactions(design: Design, results: Results) -> list[Effect]:
    """What sharing changes about the auxiliary loss's effect, per network and aux weight.

    Per seed (shared with aux - shared without) - (separate with aux - separate without).
    """
    series = []
    for network in design.networks:
        cells = main_cells(design, network)
        for weight in design.aux_weights:
            corners = [cells[s][w] for s in ('shared', 'separate') for w in (weight, 0.0)]
            if weight and all(cell in results.cells for cell in corners):
                tests = [results.cells[cell].test for cell in corners]
                series.append((corners[0], corners[2], tests[0] - tests[1], tests[2] - tests[3]))
    return _compare(series)


def _compare(series: Iterable[tuple[Cell, Cell, pd.Series, pd.Series]]) -> list[Effect]:
    rows = []
    for a, b, test_a, test_b in series:
        paired = compare_paired(*common_seeds(test_a, test_b))
        if paired.n > 1:
            rows.append((a, b, paired))
    adjusted = holm([paired.p_value for _, _, paired in rows])
    return [Effect(*row, p) for row, p in zip(rows, adjusted, strict=True)]


def common_seeds(a: pd.Series, b: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The values of the seeds that both have, in one order; missing values are dropped."""
    both = pd.concat([a, b], axis='columns', join='inner').dropna().sort_index()
    return both.iloc[:, 0].to_numpy(), both.iloc[:, 1].to_numpy()


def spreads(results: Results, pairs: Iterable[tuple[Cell, Cell]]) -> list[Spread]:
    """Ratios of the deviations between seeds, over the seeds that both cells have."""
    return [
        Spread(a, b, *std_ratio(*common_seeds(results.cells[a].test, results.cells[b].test)))
        for a, b in pairs
        if a in results.cells and b in results.cells
    ]


def best_weights(design: Design, results: Results) -> dict[tuple[str, str], float]:
    """Per network and sharing the aux weight with the best mean final validation accuracy."""
    best = {}
    for network in design.networks:
        for sharing, cells in main_cells(design, network).items():
            means = {
                weight: results.cells[cell].validation.mean()
                for weight, cell in cells.items()
                if cell in results.cells and len(results.cells[cell].validation)
            }
            if means:
                best[network.name, sharing] = max(means, key=means.get)
    return best
