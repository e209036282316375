"""The experiments of a reproduction, and what they reached as it is read from their workdirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pairjax.analysis.results import (
    FINAL,
    ExperimentResult,
    MissingError,
    TrialResult,
    check_same_data,
    read_experiment,
)
from pairjax.errors import UserError
from pairjax.workdir.workdir import read_json

BEST = 'best_epoch_test_accuracy'
EPOCH_NAMES = {FINAL: 'final epoch', BEST: 'best epoch on test'}
LEARNING_RATE, BATCH_SIZE = 'optimizer.learning_rate', 'train.batch_size'
WIDTHS, AUX_WEIGHT = 'model.widths', 'loss.aux_weight'
# Per paper its networks by the name to show: each an experiment of one trial, configs/NAME.py.
NETWORKS = {
    1: {'BasicNet1': 'basicnet1', 'AuxNet1': 'auxnet1', 'AuxNet2': 'auxnet2', 'AuxNet3': 'auxnet3'},
    2: {
        'ShallowModel': 'shallow',
        'DeepModel, not shared': 'deep',
        'DeepModel, shared': 'deep_shared',
    },
}
# Per paper its searches, each configs/reportN.py:NAME.
SEARCHES = {
    1: [
        'fastest',
        'auxnet2_learning_rates',
        'auxnet2_batch_sizes',
        *(f'{name}_widths' for name in NETWORKS[1].values()),
    ],
    2: [
        *(
            f'{name}_{what}'
            for what in ('sgd', 'headline', 'search')
            for name in NETWORKS[2].values()
        ),
        'shallow_search_adam',
    ],
}
MAJORITY_FILE = 'majority.json'
# The one run in the text has the setting of these rounds; a reproduction trains its seeds once.
SAME_SETTING = {
    'shallow_sgd': 'shallow_headline',
    'deep': 'deep_headline',
    'deep_shared': 'deep_shared_headline',
}


def experiment_names(paper: int) -> list[str]:
    """The names of a paper's experiments, in the order in which they run."""
    names = [*NETWORKS[paper].values(), *SEARCHES[paper]]
    return [name for name in names if name not in SAME_SETTING]


@dataclass(frozen=True)
class Reproduction:
    """Everything that the document is made from.

    Attributes:
      experiments: the finished ones by name.
      majority: accuracy of the majority-class baseline on each seed's test pairs, fractions.
    """

    experiments: dict[str, ExperimentResult]
    majority: pd.Series

    def __contains__(self, name: str) -> bool:
        return name in self.experiments or SAME_SETTING.get(name) in self.experiments

    def __getitem__(self, name: str) -> ExperimentResult:
        """The experiment of that name or setting; MissingError where it did not finish."""
        if name not in self:
            raise MissingError(f'{name} did not finish')
        return self.experiments.get(name) or self.experiments[SAME_SETTING[name]]

    def values(self, name: str, measure: str) -> pd.Series:
        """A measure by seed of an experiment with one trial; MissingError as for [name]."""
        return self[name].trials[0].values(measure)


def read_reproduction(workdirs: Mapping[str, Path], root: Path) -> Reproduction:
    """Reads the finished experiments.

    Args:
      workdirs: of the finished experiments, by name.
      root: the directory of `MAJORITY_FILE`.

    Raises: UserError where there is none, where a file is missing or damaged, or where two
      experiments were trained on different images.
    """
    experiments = {name: read_experiment(path) for name, path in workdirs.items()}
    if not experiments:
        raise UserError('no experiment is finished, so there is nothing to write')
    check_same_data(experiments.values())
    shares = {int(seed): share for seed, share in read_json(root / MAJORITY_FILE).items()}
    return Reproduction(experiments, pd.Series(shares, dtype=float))


def by_batch_size(experiment: ExperimentResult, measure: str) -> dict[int, pd.Series]:
    """A measure by seed of each trial of a search over batch sizes."""
    return {t.hyperparameters[BATCH_SIZE]: t.values(measure) for t in experiment.trials}


def epoch_seconds(trial: TrialResult) -> float | None:
    """Seconds of a typical epoch of one run, evaluation included: the median; None without runs.

    The next program of a sweep compiles beside the first epochs of the one that trains; the median
    does not see them unless they are the majority.
    """
    if trial.metrics.empty:
        return None
    return float(trial.metrics.groupby('epoch').train_seconds.mean().median())


def first_epoch_at(trial: TrialResult, accuracy: float) -> pd.Series:
    """The first epoch at which each seed's train accuracy is at least `accuracy`.

    Returns: by seed, without failed seeds; NaN where a seed never gets there.
    """
    metrics = trial.metrics[~trial.metrics.seed.isin(trial.failed_seeds)]
    reached = metrics[metrics.train_accuracy.astype(float) >= accuracy]
    return reached.groupby('seed').epoch.min().reindex(sorted(metrics.seed.unique()))
