"""What choosing the best of several results adds to it: the winner's curse."""

from typing import Any

import numpy as np
import pandas as pd

from pairjax.analysis.results import ExperimentResult, TrialResult
from pairjax.analysis.sign_flip import sign_flip_p_value
from pairjax.analysis.statistics import LEVEL, describe, holm

VALIDATION = 'final_validation_accuracy'


def gain_of_choosing(table: pd.DataFrame) -> dict[str, Any]:
    """How much higher the best of k results reads than the same choice does on other seeds.

    Each seed in turn chooses its highest result and takes it as its accuracy; the mean of the other
    seeds' results in that column is what was chosen in truth. The difference is what choosing adds:
    it estimates without bias how far the maximum over k lies above the true mean of the choice.

    Args:
      table: accuracies as fractions, a row per seed, a column per result that could have been
        chosen (trial, epoch, or both); NaN is never chosen.

    Returns: as `describe`, over seeds that chose something that another seed has too. The seeds
      share each other's means, so the interval is approximate.
    """
    gains = []
    for seed, row in table.iterrows():
        if row.notna().any():
            choice = row.idxmax()
            others = table.loc[table.index != seed, choice]
            gains.append(row[choice] - others.mean())
    return describe([gain for gain in gains if not np.isnan(gain)])


def gain_of_best_epoch(trial: TrialResult) -> dict[str, Any] | None:
    """`gain_of_choosing` the best epoch on test of each seed; None where there is but one."""
    # A damaged log may hold a line twice.
    metrics = trial.metrics.drop_duplicates(['seed', 'epoch'], keep='last')
    table = metrics.pivot(index='seed', columns='epoch', values='test_accuracy').astype(float)
    table = table.dropna(axis='columns', how='all')
    return gain_of_choosing(table) if table.shape[1] > 1 else None


def gain_of_selection(result: ExperimentResult) -> dict[str, Any] | None:
    """`gain_of_choosing` the trial with the best validation accuracy; None for a single trial."""
    if len(result.trials) < 2:
        return None
    columns = {trial.index: trial.values(VALIDATION) for trial in result.trials}
    return gain_of_choosing(pd.DataFrame(columns))


def tied_with_selected(result: ExperimentResult) -> list[int]:
    """The trials that validation accuracy does not tell from the selected one, without it.

    Those whose paired difference from it has a Holm-adjusted sign-flip p above 0.05, over all
    trials with two common seeds or more. With few seeds or many trials that may be all.
    """
    if result.selected_trial is None:
        return []
    best, compared = result.selected_trial.values(VALIDATION), {}
    for trial in result.trials:
        values = trial.values(VALIDATION)
        common = best.index.intersection(values.index)
        if trial.index != result.selected and len(common) > 1:
            differences = best[common] - values[common]
            compared[trial.index] = sign_flip_p_value(differences, num_resamples=9_999)
    adjusted = holm(list(compared.values())) if compared else []
    return [index for index, p in zip(compared, adjusted, strict=True) if p > LEVEL]
