"""What trained experiments reached: summary.json and metrics.jsonl of a workdir as typed rows."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pairjax.analysis.statistics import PairedComparison, compare_paired, describe
from pairjax.errors import UserError
from pairjax.trials import trial_names
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.schema import SETTING, STATISTICS, SUMMARY, check_shape, mismatch
from pairjax.workdir.versions import all_versions
from pairjax.workdir.workdir import read_config, read_json

FINAL = 'final_test_accuracy'


class MissingError(LookupError):
    """A trial or an experiment that was not run; the message completes a sentence."""


@dataclass(frozen=True)
class MetricsFrame:
    """metrics.jsonl of a workdir, read when it is first needed; summaries alone read faster."""

    workdir: Path

    @functools.cached_property
    def frame(self) -> pd.DataFrame:
        """A row per trial, seed and epoch.

        Raises: UserError where there is no line or one is damaged.
        """
        metrics = Metrics(self.workdir)
        frame = pd.DataFrame.from_records(metrics.read())
        if frame.empty:
            raise UserError(f'{metrics.path} holds no line; it belongs beside summary.json')
        return frame


@dataclass(frozen=True)
class TrialResult:
    """One trial of an experiment.

    Attributes:
      index: in summary.json.
      name: what tells it from the other trials of its experiment.
      summary: its entry in summary.json.
      log: of its experiment.
    """

    index: int
    name: str
    summary: Mapping[str, Any]
    log: MetricsFrame

    @property
    def metrics(self) -> pd.DataFrame:
        """Its lines of metrics.jsonl, a row per seed and epoch."""
        return self.log.frame[self.log.frame.trial == self.index]

    @property
    def seconds_per_run(self) -> float | None:
        """Wall seconds of training and all evaluation per run; None where nothing was trained."""
        metrics = self.metrics
        if not len(metrics):
            return None
        # Workdirs of early versions lack the second of these.
        clock = metrics.filter(['train_seconds', 'whole_pool_seconds'])
        return clock.sum().sum() / metrics.seed.nunique()

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """Every field that defines the trial by dotted name, sequences as lists."""
        return self.summary['hyperparameters']

    @property
    def num_params(self) -> int:
        """Parameters of its network."""
        return self.summary['num_params']

    @property
    def widths(self) -> tuple[int, ...]:
        """Layer widths of its network."""
        return tuple(self.hyperparameters['model.widths'])

    @property
    def seeds(self) -> list[int]:
        """Every seed, those that failed included."""
        return self.summary['seeds']

    @property
    def failed_seeds(self) -> list[int]:
        """The seeds whose loss or logits became NaN or infinite."""
        return self.summary['failed_seeds']

    @property
    def failure(self) -> str | None:
        """Why its program could not be trained; None where it was."""
        return self.summary.get('failure')

    @property
    def n(self) -> int:
        """How many seeds did not fail."""
        return len(self.seeds) - len(self.failed_seeds)

    def statistic(self, measure: str) -> Mapping[str, Any] | None:
        """Mean, std, ci95 and values of a measure such as 'final_test_accuracy', fractions.

        None where the model has no such output, or the workdir is older than the measure.
        """
        return self.summary.get(measure)

    def values(self, measure: str) -> pd.Series:
        """A measure by seed, float64 fractions, without failed seeds."""
        values = pd.Series(self.summary[measure]['values'], index=self.seeds, dtype=float)
        return values.dropna()


@dataclass(frozen=True)
class ExperimentResult:
    """One finished experiment.

    Attributes:
      workdir: where it was read.
      summary: what summary.json holds.
      config: what config.json holds as the config, nested.
      versions: of Python and of the packages that it began with.
      trials: in the order of its sweep.
      pooled: the experiments whose seeds it has, see `pool`; none where it is one.
      resumed_with: other versions that went on there, each like `versions`.
    """

    workdir: Path
    summary: Mapping[str, Any]
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    trials: list[TrialResult]
    pooled: tuple['ExperimentResult', ...] = ()
    resumed_with: tuple[Mapping[str, str], ...] = ()

    @property
    def workdirs(self) -> dict[Path, list[int]]:
        """The seeds that each workdir holds; one workdir unless it is pooled."""
        return {e.workdir: list(e.trials[0].seeds) for e in self.pooled or (self,)}

    @property
    def name(self) -> str:
        """The name in its config."""
        return self.summary['name']

    @property
    def data(self) -> Mapping[str, Any]:
        """Source, pool sizes and fingerprint of its images."""
        return self.summary['data']

    @property
    def timing(self) -> Mapping[str, float]:
        """Seconds and devices, as in summary.json."""
        return self.summary['timing']

    @property
    def selected(self) -> int | None:
        """Index of the trial that validation accuracy selects; None where every run failed."""
        return self.summary['selected_trial']

    @property
    def selected_trial(self) -> TrialResult | None:
        """The trial that validation accuracy selects; None where every run failed."""
        return None if self.selected is None else self.trials[self.selected]

    def where(self, fields: Mapping[str, Any]) -> TrialResult:
        """The first trial whose hyperparameters have these values (sequences as lists).

        Raises: MissingError where there is no such trial.
        """
        for trial in self.trials:
            if all(trial.hyperparameters[name] == value for name, value in fields.items()):
                return trial
        wanted = ', '.join(f'{name} = {value}' for name, value in fields.items())
        raise MissingError(f'{self.name} has no trial with {wanted}')


def read_experiment(workdir: Path) -> ExperimentResult:
    """Reads a finished workdir.

    Raises: UserError where it is no workdir, is not finished, a file is missing or damaged, or
      summary.json contradicts itself.
    """
    if not workdir.is_dir():
        raise UserError(f'{workdir} is no directory; name a workdir that launch/main.py has made')
    saved, path = read_config(workdir), workdir / 'summary.json'
    if not path.exists():
        raise UserError(
            f'{path} does not exist yet: the training is not finished; run its command again to '
            'resume it'
        )
    summary = read_json(path)
    check_shape(summary, SUMMARY, path)
    contradiction = _contradiction(summary)
    if contradiction:
        raise UserError(
            f'{path} contradicts itself ({contradiction}); delete it, and the command that began '
            'the training writes it anew from metrics.jsonl'
        )
    names = trial_names(summary['trials'])
    log = MetricsFrame(workdir)
    trials = [TrialResult(i, names[i], t, log) for i, t in enumerate(summary['trials'])]
    begun, *others = all_versions(saved)
    return ExperimentResult(
        workdir, summary, saved['config'], begun, trials, resumed_with=tuple(others)
    )


def _contradiction(summary: Mapping[str, Any]) -> str | None:
    """What in summary.json cannot be true together, in words; None where all can."""
    trials, selected = summary['trials'], summary['selected_trial']
    if not trials or (selected is not None and selected >= len(trials)):
        return f'selected_trial is {selected} of {len(trials)} trials'
    fields = trials[0]['hyperparameters'].keys()
    for index, trial in enumerate(trials):
        where, seeds = f'trials[{index}]', trial['seeds']
        if trial['hyperparameters'].keys() != fields:
            return f'{where}.hyperparameters are other fields than those of the first'
        found = mismatch(list(trial['hyperparameters'].values()), [SETTING], where)
        if found:
            return found
        if len(set(seeds)) < len(seeds) or set(trial['failed_seeds']) - set(seeds):
            return f'{where}.seeds or failed_seeds'
        for name in (*STATISTICS, 'final_digit_accuracy'):
            if trial[name] is not None and not _is_statistic(trial[name], len(seeds)):
                return f'{where}.{name}'
    return None


def _is_statistic(found: Mapping[str, Any], num_seeds: int) -> bool:
    """Whether these are fractions, one per seed, with their own mean, std and interval."""
    values = found['values']
    if len(values) != num_seeds or not all(0 <= v <= 1 for v in values if v is not None):
        return False
    one, two = (
        np.array([s['mean'], s['std'], *(s['ci95'] or ())], np.float64)
        for s in (found, describe(values))
    )
    return one.shape == two.shape and np.allclose(one, two, rtol=0, atol=1e-9, equal_nan=True)


def check_same_data(experiments: Iterable[ExperimentResult]) -> None:
    """Raises UserError where two experiments were trained on different images."""
    first, *others = experiments
    for other in others:
        if other.data != first.data:
            raise UserError(
                f'{other.workdir} was trained on other digits than {first.workdir}; name another '
                '--workdir'
            )


def pair_by_seed(a: pd.Series, b: pd.Series) -> PairedComparison:
    """The paired differences a - b over the seeds that both have, ci95 Student's at every n.

    The documents of the studies hold hundreds of comparisons of few seeds and judge them by
    Student's intervals, which they name; `paired.compare_workdirs` agrees with the sign-flip test.
    """
    common = a.index.intersection(b.index)
    paired = compare_paired(a[common], b[common])
    return paired._replace(ci95=paired.t_ci95, method='t')
