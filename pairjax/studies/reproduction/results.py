"""What the experiments of a reproduction reached, read from their workdirs. No jax in here."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pairjax.analysis.statistics import PairedComparison, compare_paired
from pairjax.errors import UserError
from pairjax.trials import trial_names
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import read_config, read_json, read_summary

FINAL, BEST = 'final_test_accuracy', 'best_epoch_test_accuracy'
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
    2: [f'{name}_{what}' for what in ('batch_sizes', 'grid') for name in NETWORKS[2].values()],
}
MAJORITY_FILE = 'majority.json'


def experiment_names(paper: int) -> list[str]:
    """The names of a paper's experiments, in the order in which they run."""
    return [*NETWORKS[paper].values(), *SEARCHES[paper]]


class MissingError(LookupError):
    """A trial or an experiment that was not run, as a sentence's end."""


class Trial(NamedTuple):
    """One trial of an experiment.

    Attributes:
      hyperparameters: dotted names, sequences as lists.
      num_params: of its network.
      summary: its entry in summary.json.
      metrics: its lines of metrics.jsonl.
    """

    hyperparameters: dict[str, Any]
    num_params: int
    summary: dict[str, Any]
    metrics: pd.DataFrame

    def accuracy(self, figure: str) -> pd.Series:
        """One figure of summary.json, such as FINAL: fractions by seed, without failed seeds."""
        values = pd.Series(self.summary[figure]['values'], index=self.summary['seeds'], dtype=float)
        return values.dropna()

    @property
    def widths(self) -> tuple[int, ...]:
        """The layer widths."""
        return tuple(self.hyperparameters['model.widths'])


class Experiment(NamedTuple):
    """One finished experiment.

    Attributes:
      name: of its config.
      trials: in the order of its sweep.
      selected: index of the trial that validation accuracy selects; None where every run failed.
      data: source and sizes of its digits.
      timing: as in summary.json.
      versions: of Python and of the packages that it began with.
    """

    name: str
    trials: list[Trial]
    selected: int | None
    data: dict[str, Any]
    timing: dict[str, Any]
    versions: dict[str, str]

    @property
    def trial_names(self) -> list[str]:
        """What tells each trial from the others."""
        return trial_names([trial.summary for trial in self.trials])

    def where(self, fields: Mapping[str, Any]) -> Trial:
        """The first trial whose fields, by dotted name, have these values (sequences as lists).

        Raises: MissingError where there is no such trial.
        """
        for trial in self.trials:
            if all(trial.hyperparameters[name] == value for name, value in fields.items()):
                return trial
        wanted = ', '.join(f'{name} = {value}' for name, value in fields.items())
        raise MissingError(f'{self.name} has no trial with {wanted}')


@dataclasses.dataclass(frozen=True)
class Results:
    """Everything that the document is made from.

    Attributes:
      experiments: the finished ones by name.
      majority: accuracy of always giving the commoner answer, on each seed's test pairs.
    """

    experiments: dict[str, Experiment]
    majority: pd.Series

    def only_trial(self, name: str) -> Trial:
        """The trial of an experiment without a sweep; MissingError where it did not finish."""
        return self[name].trials[0]

    def __getitem__(self, name: str) -> Experiment:
        """The experiment of that name; MissingError where it did not finish."""
        if name not in self.experiments:
            raise MissingError(f'{name} did not finish')
        return self.experiments[name]


def read_experiment(name: str, workdir: Path) -> Experiment:
    """Reads one finished experiment.

    Raises: UserError where a file is missing or damaged.
    """
    summary = read_summary(workdir)
    metrics = pd.DataFrame.from_records(Metrics(workdir).read())
    trials = [
        Trial(t['hyperparameters'], t['num_params'], t, metrics[metrics.trial == index])
        for index, t in enumerate(summary['trials'])
    ]
    versions = read_config(workdir)['versions']
    selected, timing = summary['selected_trial'], summary['timing']
    return Experiment(name, trials, selected, summary['data'], timing, versions)


def read_results(workdirs: Mapping[str, Path], root: Path) -> Results:
    """Reads the finished experiments.

    Args:
      workdirs: of the finished experiments, by name.
      root: the directory of `MAJORITY_FILE`.

    Raises: UserError where there is none, where a file is missing or damaged, or where two
      experiments saw different digits.
    """
    experiments = {name: read_experiment(name, path) for name, path in workdirs.items()}
    if not experiments:
        raise UserError('no experiment is finished, so there is nothing to write')
    first, *others = experiments.values()
    for other in others:
        if other.data != first.data:
            raise UserError(
                f'{workdirs[other.name]} was trained on other digits than {workdirs[first.name]}; '
                'name another --workdir'
            )
    shares = {int(seed): share for seed, share in read_json(root / MAJORITY_FILE).items()}
    return Results(experiments, pd.Series(shares, dtype=float))


def compare(a: pd.Series, b: pd.Series) -> PairedComparison:
    """The paired differences a - b over the seeds that both have."""
    common = a.index.intersection(b.index)
    return compare_paired(a[common], b[common])


def epoch_seconds(trial: Trial) -> float | None:
    """Seconds of a typical epoch of one run, evaluation included: the median; None without runs.

    The next program of a sweep compiles beside the first epochs of the one that trains; the median
    does not see them unless they are the majority.
    """
    if trial.metrics.empty:
        return None
    return float(trial.metrics.groupby('epoch').train_seconds.mean().median())


def first_epoch_at(trial: Trial, accuracy: float) -> pd.Series:
    """The first epoch at which each seed's train accuracy is at least `accuracy`.

    Returns: by seed, without failed seeds; not-a-number where a seed never gets there.
    """
    metrics = trial.metrics[~trial.metrics.seed.isin(trial.summary['failed_seeds'])]
    reached = metrics[metrics.train_accuracy.astype(float) >= accuracy]
    return reached.groupby('seed').epoch.min().reindex(sorted(metrics.seed.unique()))
