"""Our accuracies beside those that the papers record: their main statistics and their searches."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pairjax.analysis.results import ExperimentResult, TrialResult
from pairjax.analysis.statistics import IndependentComparison, describe, rank_correlation
from pairjax.reporting.format import format_statistic
from pairjax.studies.reproduction.claims import at_recorded, recorded_difference
from pairjax.studies.reproduction.recorded import (
    Recorded,
    recorded_headline,
    recorded_learning_rates,
    recorded_rounds,
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
)
from pairjax.trials import trial_name

NEAR = 3.0  # standard errors
# The experiments of the first paper's main statistics, and the difference of two between them.
DIFFERENCE = 'auxnet3_is_behind'
MAIN = [*NETWORKS[1].values(), DIFFERENCE, 'fastest']
NOTES = {'auxnet2': ', its best run', 'fastest': ', its fastest run'}
# Of each network of the second paper, by the ending of the experiment's name.
KINDS = {
    '_headline': 'the one run in the text',
    '_sgd': 'ten rounds as they ran, SGD',
    '': 'ten rounds as the text says, Adam',
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
        return '-' if self.recorded is None else at_recorded(self.values, self.recorded)

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
    for name in MAIN if 1 in papers else []:
        if name in results:
            rows[name] = _network_row(name, results[name].trials[0])
        elif name == DIFFERENCE and {'auxnet2', 'auxnet3'} <= set(rows):
            rows[name] = _difference_row(rows['auxnet2'], rows['auxnet3'])
    found = [row for row in rows.values() if row is not None]
    for network in NETWORKS[2].values() if 2 in papers else []:
        for kind in KINDS:
            if f'{network}{kind}' in results:
                found += _kind_rows(network, kind, results[f'{network}{kind}'].trials[0])
    return found


def _network_row(name: str, trial: TrialResult) -> PaperRow:
    label = f'{trial_name(trial.summary)}{NOTES.get(name, "")}'
    measure, recorded = FINAL, None
    if name in NETWORKS[1].values():
        model = trial.hyperparameters['model.name']
        measure, recorded = BEST, recorded_widths(model).get(trial.widths)
    return PaperRow(label, measure, trial.values(measure), recorded, trial, name)


def _kind_rows(network: str, kind: str, trial: TrialResult) -> list[PaperRow]:
    """A network of the second paper in one of the ways in which it was or should have been run."""
    label = f'{trial_name(trial.summary)}, {KINDS[kind]}'
    recorded = (
        {BEST: recorded_headline(network)} if kind == '_headline' else {FINAL: None, BEST: None}
    )
    if kind == '_sgd':
        recorded = {m: recorded_rounds(network, EPOCH_NAMES[m]) for m in recorded}
    return [
        PaperRow(label, measure, trial.values(measure), theirs, trial, f'{network}{kind}')
        for measure, theirs in recorded.items()
    ]


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
) -> list[PaperRow]:
    """Each trial of a search beside what is recorded of it.

    Args:
      experiment: the search.
      field: the hyperparameter that it varies.
      recorded: by value of the field, widths as a tuple; may lack values.
    """
    rows = []
    for trial in experiment.trials:
        value = trial.widths if field == WIDTHS else trial.hyperparameters[field]
        label = ', '.join(map(str, value)) if field == WIDTHS else f'{value:g}'
        rows.append(PaperRow(label, BEST, trial.values(BEST), recorded.get(value), trial))
    return rows


def search_rows(results: Reproduction) -> dict[str, list[PaperRow]]:
    """By experiment, the first paper's searches that ran: over layer widths, rates, batch sizes.

    Widths begin with the highest of our means.
    """
    rows = {}
    for model, network in NETWORKS[1].items():
        if (name := f'{network}_widths') in results:
            rows[name] = by_mean(recorded_rows(results[name], WIDTHS, recorded_widths(model)))
    if (name := 'auxnet2_learning_rates') in results:
        rows[name] = recorded_rows(results[name], LEARNING_RATE, recorded_learning_rates())
    if (name := 'auxnet2_batch_sizes') in results:
        rows[name] = recorded_rows(results[name], BATCH_SIZE, {})
    return rows


def by_mean(rows: Iterable[PaperRow]) -> list[PaperRow]:
    """The rows with the highest of our means first; those without any last."""
    return sorted(rows, key=lambda row: -row.values.mean() if len(row.values) else 1.0)


def agreement(rows: Sequence[PaperRow]) -> dict[str, Any] | None:
    """How near the rows of a width sweep are to the recorded ones, and in what order.

    Returns: `near` of `judged` rows; `both`, how many have ours and recorded; `correlation`, of the
      ranks of these (rho, low, high); `places`, (row, from 1) of the highest recorded. None where
      no row can be judged.
    """
    judged = [row.is_near for row in rows if row.is_near is not None]
    both = [row for row in rows if row.recorded is not None and len(row.values)]
    if not judged:
        return None
    ours, recorded = [row.values.mean() for row in both], [row.recorded['mean'] for row in both]
    return {
        'near': sum(judged),
        'judged': len(judged),
        'both': len(both),
        'correlation': rank_correlation(ours, recorded),
        'places': [
            (row, place)
            for place, row in enumerate(rows, 1)
            if row.recorded is not None and row.recorded['mean'] == max(recorded)
        ],
    }
