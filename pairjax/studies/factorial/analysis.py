"""Paired comparisons of the cells of the factorial design over common seeds."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pairjax.analysis.results import TrialResult, check_same_data, pair_by_seed, read_experiment
from pairjax.analysis.statistics import PairedComparison, holm, std_ratio
from pairjax.errors import UserError
from pairjax.studies.factorial.design import (
    Design,
    DesignCell,
    cell_of,
    full_train_pairs,
    sized_cells,
)
from pairjax.studies.factorial.parts import (
    FINALISTS,
    HEADS,
    PILOT,
    TRAIN_PAIRS,
    PilotRuns,
    pool_pilots,
)
from pairjax.studies.factorial.picks import PickedArm, interval_with_picks

# Seeds that scipy's skewtest needs.
FEWEST_FOR_SKEWNESS = 8


@dataclass(frozen=True)
class StudyResults:
    """The results that study.md is written from.

    Attributes:
      trials: the trained trial of each cell; pilot trials are left out.
      num_pilot_runs: number of pilot runs, which select the learning rates.
      data: source, pool sizes and fingerprint of the images.
      pilots: the pilot runs of each cell that a pilot picked a learning rate for.
    """

    trials: Mapping[DesignCell, TrialResult]
    num_pilot_runs: int
    data: Mapping[str, Any]
    pilots: Mapping[DesignCell, Mapping[float, PilotRuns]] = field(default_factory=dict)

    def test_accuracy(self, cell: DesignCell) -> pd.Series:
        """Final test accuracies as fractions, by seed, without failed seeds; empty if not run."""
        if cell not in self.trials:
            return pd.Series(dtype=float)
        return self.trials[cell].values('final_test_accuracy')

    def aux_gain(self, cell: DesignCell) -> pd.Series:
        """Test accuracy minus that of the same cell with aux weight 0, by seed."""
        return (
            self.test_accuracy(cell) - self.test_accuracy(cell._replace(aux_weight=0.0))
        ).dropna()


def read_study(design: Design, workdirs: Mapping[str, Path]) -> StudyResults:
    """Reads the finished parts of the study.

    Args:
      design: the factorial design.
      workdirs: the workdirs of the finished parts by name, see `running.run_study`.

    Raises: UserError if no part is finished, or parts were trained on different images.
    """
    parts = {name: read_experiment(path) for name, path in workdirs.items()}
    if not parts:
        raise UserError('no part of the study is finished; let one part run to its end first')
    check_same_data(parts.values())
    trials = {
        cell_of(network, trial.hyperparameters): trial
        for network in design.networks
        for suffix in ('', TRAIN_PAIRS, HEADS)
        if network.name + suffix in parts
        for trial in parts[network.name + suffix].trials
    }
    found = {
        network: [
            trial
            for suffix in (PILOT, HEADS + PILOT, FINALISTS, HEADS + FINALISTS)
            if network.name + suffix in parts
            for trial in parts[network.name + suffix].trials
        ]
        for network in design.networks
    }
    pilots: dict[DesignCell, dict[float, PilotRuns]] = {}
    for network, runs in found.items():
        pilots |= pool_pilots(network, runs)
    num_runs = sum(len(trial.seeds) for runs in found.values() for trial in runs)
    return StudyResults(trials, num_runs, next(iter(parts.values())).data, pilots)


class Effect(NamedTuple):
    """A paired difference between two cells, and its p-value adjusted within its family.

    with_picks is its 95 % interval that also covers the choice of learning rates, see
    `picks.interval_with_picks`; None where a cell had no pilot of its own.
    """

    a: DesignCell
    b: DesignCell
    paired: PairedComparison
    adjusted_p: float
    with_picks: tuple[float, float] | None = None

    @property
    def direction(self) -> str:
        """'above' or 'below' zero, or 'unresolved'.

        A direction needs 95 % intervals that exclude zero, the one with the picks too where there
        is one, and an adjusted p-value below 0.05, since intervals are not adjusted for multiple
        comparisons.
        """
        intervals = [i for i in (self.paired.ci95, self.with_picks) if i is not None]
        if self.paired.ci95 is not None and self.adjusted_p < 0.05:
            if all(low > 0 for low, _ in intervals):
                return 'above'
            if all(high < 0 for _, high in intervals):
                return 'below'
        return 'unresolved'


def analyse(design: Design, results: StudyResults) -> dict[str, list[Effect]]:
    """Everything that the study compares, in families of effects a - b on test accuracy.

    Returns:
      sharing: shared - separate and shared - cut, per network and aux weight.
      aux: each aux weight - 0, per network and sharing.
      interaction: `aux_gain` of shared - `aux_gain` of separate, per network and aux weight.
      same_size: shared - separate at each number of train pairs.
      doubling: shared - separate with twice the train pairs.
      heads: a head without parameters - a learned one, both with the aux weight of the former.
    """
    main = main_cells(design, results)
    shared = [cell for cell in main if cell.sharing == 'shared']
    sized = [cell for network in design.networks for cell in sized_cells(design, network)]
    fixed_heads = [cell for cell in results.trials if cell.head != 'learned']
    separate = {cell: cell._replace(sharing='separate') for cell in (*shared, *sized)}
    pairs = {
        'sharing': [(c, c._replace(sharing=s)) for s in ('separate', 'cut') for c in shared],
        'aux': [(c, c._replace(aux_weight=0.0)) for c in main if c.aux_weight],
        'interaction': [(c, separate[c]) for c in shared if c.aux_weight],
        'same_size': [(c, separate[c]) for c in sized],
        'doubling': [(c, separate[c]._replace(train_pairs=2 * c.train_pairs)) for c in sized],
        'heads': [(c, c._replace(head='learned', main_weight=1.0)) for c in fixed_heads],
    }
    found = {
        family: effects(
            results.aux_gain if family == 'interaction' else results.test_accuracy, cells
        )
        for family, cells in pairs.items()
    }
    return {
        family: [row._replace(with_picks=_with_picks(results, family, row)) for row in rows]
        for family, rows in found.items()
    }


def _with_picks(results: StudyResults, family: str, row: Effect) -> tuple[float, float] | None:
    """The row's interval that covers the choice of the learning rates of its cells."""
    cells = [(1, row.a), (-1, row.b)]
    if family == 'interaction':
        cells += [(-sign, cell._replace(aux_weight=0.0)) for sign, cell in cells]
    if not all(cell in results.pilots for _, cell in cells):
        return None
    rates = [results.trials[cell].hyperparameters['optimizer.learning_rate'] for _, cell in cells]
    arms = [
        PickedArm(sign, results.pilots[cell], rate)
        for (sign, cell), rate in zip(cells, rates, strict=True)
    ]
    return interval_with_picks(row.paired, arms)


def main_cells(design: Design, results: StudyResults) -> list[DesignCell]:
    """The trained cells of network x sharing x aux weight: a learned head, all train pairs."""
    full = {network.name: full_train_pairs(design, network) for network in design.networks}
    return [
        cell
        for cell in results.trials
        if cell.head == 'learned' and cell.train_pairs == full[cell.network]
    ]


def effects(
    values_of: Callable[[DesignCell], pd.Series], pairs: Iterable[tuple[DesignCell, DesignCell]]
) -> list[Effect]:
    """Effects a - b, with p-values adjusted over all of them (Holm).

    Args:
      values_of: returns the values of a cell by seed.
      pairs: cells (a, b); pairs with fewer than two common seeds are left out.
    """
    rows = [(a, b, pair_by_seed(values_of(a), values_of(b))) for a, b in pairs]
    rows = [row for row in rows if row[2].n > 1]
    adjusted = holm([paired.p_value for *_, paired in rows])
    return [Effect(*row, p) for row, p in zip(rows, adjusted, strict=True)]


def spreads(results: StudyResults, compared: Iterable[Effect]) -> list[dict[str, Any]]:
    """std of a / std of b over their common seeds, with a 95 % interval, per effect.

    Returns: dicts of effect, ratio, low and high; the numbers are None as in `std_ratio`.
    """
    rows = []
    for effect in compared:
        accuracies = [results.test_accuracy(effect.a), results.test_accuracy(effect.b)]
        common = pd.concat(accuracies, axis='columns', join='inner')
        ratio, low, high = std_ratio(*common.to_numpy().T)
        rows.append({'effect': effect, 'ratio': ratio, 'low': low, 'high': high})
    return rows


def skewed(results: StudyResults, compared: Iterable[Effect]) -> list[tuple[float, float]]:
    """(skewness, p) of each effect's differences: the sign-flip test takes them for symmetric.

    p is that of D'Agostino (1970), "Transformation to normality of the null distribution of g1".
    Effects with fewer than FEWEST_FOR_SKEWNESS seeds or equal differences are left out.
    """
    import scipy.stats

    found = []
    for effect in compared:
        a, b = (results.test_accuracy(cell) for cell in (effect.a, effect.b))
        differences = (a - b).dropna().to_numpy()
        if len(differences) >= FEWEST_FOR_SKEWNESS and np.ptp(differences) > 0:
            test = scipy.stats.skewtest(differences)
            found.append((float(scipy.stats.skew(differences, bias=False)), float(test.pvalue)))
    return found


def best_weights(design: Design, results: StudyResults) -> list[DesignCell]:
    """Per network and sharing the main cell with the best mean final validation accuracy."""
    best = {}
    for cell in main_cells(design, results):
        mean = results.trials[cell].statistic('final_validation_accuracy')['mean']
        if mean is not None:
            # Ties go to the first cell.
            best[cell[:2]] = max(best.get(cell[:2], (mean, cell)), (mean, cell), key=lambda x: x[0])
    return [cell for _, cell in best.values()]
