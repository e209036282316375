"""The second paper's searches: with each seed a whole one, beside the one that is stored."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pairjax.analysis.prediction import compare_single, percentile_of
from pairjax.analysis.results import ExperimentResult, MissingError, TrialResult
from pairjax.analysis.selection import gain_of_choosing
from pairjax.analysis.statistics import IndependentComparison, describe, rank_correlation
from pairjax.reporting.format import format_statistic
from pairjax.studies.reproduction.recorded import recorded_headline, recorded_search
from pairjax.studies.reproduction.results import (
    AUX_WEIGHT,
    BATCH_SIZE,
    BEST,
    LEARNING_RATE,
    WIDTHS,
    Reproduction,
)

# The settings that the paper's search ends with.
DEEP_SETTING = {WIDTHS: [100], LEARNING_RATE: 1e-3, BATCH_SIZE: 1, AUX_WEIGHT: 0.5}
SETTINGS = {
    'shallow': {WIDTHS: [500], LEARNING_RATE: 1e-4, BATCH_SIZE: 1},
    'deep': DEEP_SETTING,
    'deep_shared': DEEP_SETTING,
}


@dataclass(frozen=True)
class Search:
    """A search of ours and the stored one.

    Attributes:
      experiment: ours.
      table: best epoch on test, fractions, a row per seed and a column per trial's index.
      recorded: the stored accuracy by trial's index.
      recorded_best: the accuracy in the text, the largest that is stored.
    """

    experiment: ExperimentResult
    table: pd.DataFrame
    recorded: pd.Series
    recorded_best: float

    @property
    def maxima(self) -> pd.Series:
        """The largest cell of each seed's search."""
        return self.table.max(axis='columns')

    @property
    def best(self) -> IndependentComparison:
        """The mean of our maxima minus the recorded one, with its prediction interval."""
        return compare_single(self.maxima, self.recorded_best)

    @property
    def percentile(self) -> float | None:
        """How many of 100 further searches are expected to reach less than the recorded maximum."""
        return percentile_of(self.maxima, self.recorded_best)

    @property
    def within(self) -> tuple[int, int]:
        """How many cells' recorded runs lie inside the prediction intervals of ours, and of all."""
        columns = [self.table[index].dropna() for index in self.recorded.index]
        intervals = [
            compare_single(ours, theirs).ci95
            for ours, theirs in zip(columns, self.recorded, strict=True)
        ]
        known = [interval for interval in intervals if interval is not None]
        return sum(low <= 0 <= high for low, high in known), len(known)

    @property
    def correlation(self) -> tuple[float | None, float | None, float | None]:
        """Rank correlation of our means with the recorded cells, and its interval over cells."""
        means = self.table[self.recorded.index].mean().dropna()
        return rank_correlation(means.tolist(), self.recorded[means.index].tolist())

    @property
    def expected_correlations(self) -> tuple[float | None, float | None]:
        """Rank correlations when both searches are ours, and so differ by seeds alone.

        Returns: the mean over pairs of seeds, one run a cell on both sides; and the mean over seeds
          of one seed's cells with the means of the others, which is how ours meet the recorded one.
        """
        ranks = self.table.dropna(axis='columns').rank(axis='columns')
        single = [np.corrcoef(*pair)[0, 1] for pair in itertools.combinations(ranks.to_numpy(), 2)]
        one_out = [
            rank_correlation(row.tolist(), self.table.drop(seed)[row.index].mean().tolist())[0]
            for seed, row in ranks.iterrows()
        ]
        if not single or None in one_out:
            return None, None
        return float(np.mean(single)), float(np.mean(one_out))

    def plot_rows(self) -> list[dict[str, Any]]:
        """The rows that `plots.sweeps.draw_against` takes; none where every seed failed."""
        values = {index: self.table[index].dropna().tolist() for index in self.recorded.index}
        return [{'x': self.recorded[index], 'values': v} for index, v in values.items() if v]

    @property
    def gain_of_cell_and_epoch(self) -> dict[str, Any]:
        """What choosing the best of all cells and epochs adds, see `selection.gain_of_choosing`."""
        return gain_of_choosing(
            pd.concat({t.index: epochs_table(t) for t in self.experiment.trials}, axis='columns')
        )


def read_search(results: Reproduction, network: str) -> Search:
    """A network's search as the authors ran it; MissingError where it did not finish.

    Args:
      network: shallow, deep or deep_shared.
    """
    experiment = results[f'{network}_search']
    stored = recorded_search(network)
    fields = {LEARNING_RATE: 'learning_rate', BATCH_SIZE: 'batch_size', AUX_WEIGHT: 'aux_weight'}
    recorded = {}
    for trial in experiment.trials:
        matches = stored.hidden == trial.widths[0]
        for field, column in fields.items():
            matches &= np.isclose(stored[column], trial.hyperparameters[field])
        if matches.any():
            recorded[trial.index] = stored.accuracy[matches].item()
    table = pd.DataFrame({t.index: t.values(BEST) for t in experiment.trials})
    best = recorded_headline(network)['mean']
    return Search(experiment, table, pd.Series(recorded, dtype=float), best)


def epochs_table(trial: TrialResult) -> pd.DataFrame:
    """Test accuracy as fractions, a row per seed that did not fail and a column per epoch."""
    metrics = trial.metrics[~trial.metrics.seed.isin(trial.failed_seeds)]
    return metrics.pivot(index='seed', columns='epoch', values='test_accuracy').astype(float)


def search_table(search: Search, network: str) -> list[list[str]]:
    """Ours and, in brackets, the stored run of every cell; the reported setting in bold.

    Returns: the headings, then a row per batch size, hidden size and weight of the digit heads.
    """
    try:
        reported = search.experiment.where(SETTINGS[network])
    except MissingError:
        reported = None
    has_digits = network != 'shallow'
    cells: dict[tuple, dict[float, str]] = {}
    for trial in search.experiment.trials:
        text = format_statistic({**describe(trial.values(BEST)), 'ci95': None}, decimals=1)
        if trial.index in search.recorded:
            text += f' ({100 * search.recorded[trial.index]:.1f})'
        values = trial.hyperparameters
        start = [str(values[BATCH_SIZE]), str(trial.widths[0])]
        start += [f'{values[AUX_WEIGHT]:g}'] if has_digits else []
        text = f'**{text}**' if trial is reported else text
        cells.setdefault(tuple(start), {})[values[LEARNING_RATE]] = text
    rates = sorted({rate for row in cells.values() for rate in row})
    headings = ['batch size', 'hidden size', *(['w'] if has_digits else [])]
    rows = [[*start, *(row.get(rate, '-') for rate in rates)] for start, row in cells.items()]
    return [[*headings, *(f'learning rate {rate:g}' for rate in rates)], *rows]
