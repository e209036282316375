"""Our accuracies beside those that the papers record: their main statistics and their searches."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pairjax.analysis.results import ExperimentResult, TrialResult
from pairjax.analysis.statistics import IndependentComparison, describe
from pairjax.reporting.format import format_statistic
from pairjax.studies.reproduction.claims import at_stated, recorded_difference
from pairjax.studies.reproduction.recorded import (
    Recorded,
    recorded_final,
    recorded_learning_rates,
    recorded_widths,
)
from pairjax.studies.reproduction.results import (
    BATCH_SIZE,
    BEST,
    EPOCH_NAMES,
    FINAL,
    LEARNING_RATE,
    NETWORKS,
    WIDTHS,
    Reproduction,
    by_batch_size,
)

NEAR = 3.0  # standard errors
# Per paper the experiments of its main statistics, and the difference of two between them.
DIFFERENCE = 'auxnet3_is_behind'
MAIN = {1: [*NETWORKS[1].values(), DIFFERENCE, 'fastest'], 2: [*NETWORKS[2].values()]}
NOTES = {
    'auxnet2': ', its best run',
    'fastest': ', its fastest run',
    'deep': ', not shared',
    'deep_shared': ', shared',
}


@dataclass(frozen=True)
class PaperRow:
    """One of our accuracies beside the recorded one.

    Attributes:
      label: what tells it from the other rows.
      measure: FINAL or BEST.
      values: ours, fractions by seed, without failed seeds.
      recorded: None where the papers record nothing.
      trial: whose values they are; None where they are differences of two.
      key: names it, for what is known about a disagreement.
    """

    label: str
    measure: str
    values: pd.Series
    recorded: Recorded | None
    trial: TrialResult | None = None
    key: str = 'search'

    @functools.cached_property
    def difference(self) -> IndependentComparison:
        """Ours minus recorded."""
        return recorded_difference(self.values, self.recorded)

    @property
    def is_near(self) -> bool | None:
        """Whether both differ by at most three standard errors; None where that cannot be said."""
        z = self.difference.z
        return None if z is None else bool(abs(z) <= NEAR)

    @property
    def verdict(self) -> str:
        """Whether ours allows the recorded accuracy; '-' where there is none."""
        return '-' if self.recorded is None else at_stated(self.difference.ci95)

    @property
    def epoch(self) -> str:
        """Which epoch counts, in words."""
        return EPOCH_NAMES[self.measure]

    @property
    def ours_text(self) -> str:
        """Ours in percent: '94.12 +- 0.72 [93.61, 94.63] (n = 10)'."""
        n = len(self.values)
        return f'{format_statistic(describe(self.values))} (n = {n})' if n else '-'

    @property
    def recorded_text(self) -> str:
        """The recorded one in percent with what is known of it: '93.82 +- 0.43 (n = 5)'."""
        if self.recorded is None:
            return '-'
        return f'{format_statistic({**self.recorded, "ci95": None})} (n = {self.recorded["n"]})'

    def at(self, measure: str) -> 'PaperRow':
        """Another measure of the same trial."""
        return dataclasses.replace(self, measure=measure, values=self.trial.values(measure))


def main_rows(results: Reproduction, papers: Sequence[int]) -> list[PaperRow]:
    """The papers' main statistics, of the experiments that finished."""
    rows = {}
    for name in (name for paper in papers for name in MAIN[paper]):
        if name in results:
            rows[name] = _network_row(name, results[name].trials[0])
        elif name == DIFFERENCE and {'auxnet2', 'auxnet3'} <= set(rows):
            rows[name] = _difference_row(rows['auxnet2'], rows['auxnet3'])
    return [row for row in rows.values() if row is not None]


def _network_row(name: str, trial: TrialResult) -> PaperRow:
    model, shared = (trial.hyperparameters[f'model.{f}'] for f in ('name', 'weight_sharing'))
    label = f'{model} ({", ".join(map(str, trial.widths))}){NOTES.get(name, "")}'
    if name in NETWORKS[1].values():
        measure, recorded = BEST, recorded_widths(model).get(trial.widths)
    else:
        measure, recorded = FINAL, recorded_final(model, shared)
    return PaperRow(label, measure, trial.values(measure), recorded, trial, name)


def _difference_row(a: PaperRow, b: PaperRow) -> PaperRow | None:
    if a.recorded is None or b.recorded is None:
        return None
    # The recorded rounds of two networks are independent; ours have their seeds in common.
    recorded = {
        'mean': a.recorded['mean'] - b.recorded['mean'],
        'std': (a.recorded['std'] ** 2 + b.recorded['std'] ** 2) ** 0.5,
        'n': a.recorded['n'],
    }
    values, label = (a.values - b.values).dropna(), 'AuxNet2 minus AuxNet3, in points'
    return PaperRow(label, BEST, values, recorded, key=DIFFERENCE)


def recorded_rows(
    experiment: ExperimentResult,
    field: str,
    recorded: Mapping[Any, Recorded | None],
    measure: str = BEST,
) -> list[PaperRow]:
    """Each trial of a search beside what is recorded of it.

    Args:
      experiment: the search.
      field: the hyperparameter that it varies.
      recorded: by value of the field, widths as a tuple; may lack values.
      measure: of ours, that which is recorded.
    """
    rows = []
    for trial in experiment.trials:
        value = trial.widths if field == WIDTHS else trial.hyperparameters[field]
        label = ', '.join(map(str, value)) if field == WIDTHS else f'{value:g}'
        rows.append(PaperRow(label, measure, trial.values(measure), recorded.get(value), trial))
    return rows


def search_rows(results: Reproduction) -> dict[str, list[PaperRow]]:
    """By experiment, the rows of the searches that ran: over layer widths, rates, batch sizes.

    Widths begin with the highest of our means. Every batch size is beside the one accuracy that is
    recorded of its network.
    """
    rows = {}
    for model, network in NETWORKS[1].items():
        if (name := f'{network}_widths') in results:
            rows[name] = by_mean(recorded_rows(results[name], WIDTHS, recorded_widths(model)))
    if (name := 'auxnet2_learning_rates') in results:
        rows[name] = recorded_rows(results[name], LEARNING_RATE, recorded_learning_rates())
    if (name := 'auxnet2_batch_sizes') in results:
        rows[name] = recorded_rows(results[name], BATCH_SIZE, {})
    for model, network in NETWORKS[2].items():
        if (name := f'{network}_batch_sizes') in results:
            final = recorded_final(model.partition(',')[0], weight_sharing=network != 'deep')
            recorded = dict.fromkeys(by_batch_size(results[name], FINAL), final)
            rows[name] = recorded_rows(results[name], BATCH_SIZE, recorded, FINAL)
    return rows


def by_mean(rows: Iterable[PaperRow]) -> list[PaperRow]:
    """The rows with the highest of our means first; those without any last."""
    return sorted(rows, key=lambda row: -row.values.mean() if len(row.values) else 1.0)


def nearest(rows: Iterable[PaperRow], measure: str) -> PaperRow | None:
    """The row whose measure is nearest in the mean to the recorded one; None without any mean."""
    reached = [row for row in (row.at(measure) for row in rows) if len(row.values)]
    return min(reached, key=lambda row: abs(row.difference.mean), default=None)
