"""How far the experiment in a workdir is; reads and never writes."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pairjax.config import upgrade, validate
from pairjax.errors import UserError
from pairjax.trials import expand_trials, group_by_structure, trial_names
from pairjax.workdir.failure_log import read_failure_log
from pairjax.workdir.lock import Holder, find_holder
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import (
    FAILURES,
    checkpoint_directory,
    read_config,
    read_json,
    saved_epoch,
)

# Of metrics.jsonl.
COLUMNS = ['trial', 'seed', 'epoch', 'train_loss', 'validation_accuracy', 'train_seconds']


class TrialStatus(NamedTuple):
    """A trial after the last epoch that every run of its program has finished.

    index: of the trial. name: for people. validation_accuracy: of the latest evaluated epoch, a
    fraction per seed that has not failed. num_failed: how many seeds' losses became NaN.
    """

    index: int
    name: str
    validation_accuracy: list[float]
    num_failed: int


class ProgramStatus(NamedTuple):
    """The trials that train together.

    state: 'finished', 'under way', 'failed', 'begun' or 'not begun'. num_runs: trials times seeds.
    epochs: how many of num_epochs every run has finished. seconds_per_epoch: wall seconds of
    training and evaluation, the mean over these epochs. saved_epoch: of the newest checkpoint.
    failure: why its latest attempt ended. The last three are None where there is none.
    """

    state: str
    trials: list[TrialStatus]
    num_runs: int
    num_epochs: int
    epochs: int
    seconds_per_epoch: float | None = None
    saved_epoch: int | None = None
    failure: str | None = None

    @property
    def seconds_left(self) -> float | None:
        """Of its own epochs, where the time of one is known."""
        if self.seconds_per_epoch is None:
            return None
        return self.seconds_per_epoch * (self.num_epochs - self.epochs)


class Status(NamedTuple):
    """What can be known of an experiment from its workdir.

    holder: the process that writes to it, or None. seconds_since_epoch: since metrics.jsonl last
    changed, or None before the first epoch. complete: whether summary.json covers every trial.
    """

    name: str
    holder: Holder | None
    complete: bool
    seconds_since_epoch: float | None
    programs: list[ProgramStatus]

    @property
    def seconds_left(self) -> float | None:
        """Of training and evaluation, without programs that failed; None before the first epoch.

        A program without an epoch is taken to need as long per run and epoch as the others.
        """
        known = [p for p in self.programs if p.seconds_per_epoch is not None]
        if not known:
            return None
        seconds = sum(p.seconds_per_epoch * p.epochs for p in known)
        each = seconds / sum(p.num_runs * p.epochs for p in known)
        return sum(
            each * p.num_runs * p.num_epochs if p.seconds_left is None else p.seconds_left
            for p in self.programs
            if p.state != 'failed'
        )


def read_status(workdir: Path) -> Status:
    """Reads how far an experiment is, while it runs or afterwards.

    Raises: UserError where the workdir holds no experiment.
    """
    saved, metrics, summary = read_config(workdir), Metrics(workdir), workdir / 'summary.json'
    summarized = read_json(summary)['trials'] if summary.exists() else []
    settings = trial_settings(workdir, saved, summarized)
    groups = group_by_structure(settings)
    program_of = {trial: number for number, group in enumerate(groups) for trial in group}
    holder = find_holder(workdir)  # Before the metrics: what ends in between has written them all.
    failures = read_failure_log(workdir)
    failures |= {program_of[i]: t['failure'] for i, t in enumerate(summarized) if t.get('failure')}
    lines = pd.DataFrame(metrics.read(len(settings)), columns=COLUMNS)
    last_change = _modified(metrics.path)
    under_way = None
    # Otherwise what trained last has failed since.
    if holder and len(lines) and _modified(workdir / FAILURES) <= last_change:
        under_way = program_of[lines.trial.iloc[-1]]
    names = trial_names([{'hyperparameters': setting} for setting in settings])
    programs = []
    for number, group in enumerate(groups):
        program = program_status(
            lines[lines.trial.isin(group)],
            {trial: names[trial] for trial in group},
            saved['config']['num_seeds'],
            settings[group[0]]['train.num_epochs'],
        )
        if program.state != 'finished' and number == under_way:
            program = program._replace(state='under way')
        elif program.state != 'finished' and number in failures:
            program = program._replace(state='failed', failure=failures[number])
        newest = saved_epoch(checkpoint_directory(workdir, number))
        programs.append(program._replace(saved_epoch=newest))
    return Status(
        saved['config']['name'],
        holder,
        summary.exists() and all(program.state == 'finished' for program in programs),
        time.time() - last_change if last_change else None,
        programs,
    )


def trial_settings(
    workdir: Path, saved: Mapping[str, Any], summarized: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The hyperparameters of every trial, from config.json, the summary's trials or the sweep.

    Raises: UserError where they could only be known by building the models.
    """
    if saved.get('trials'):
        return saved['trials']
    if summarized:
        return [trial['hyperparameters'] for trial in summarized]
    config = validate(upgrade(saved['config']))
    if config.sweep.param_range:
        raise UserError(
            f'{workdir / "config.json"} is of an earlier version and does not say which trials '
            'sweep.param_range left; start its command again, which adds them'
        )
    return [trial.hyperparameters for trial in expand_trials(config)]


def program_status(
    lines: pd.DataFrame, names: Mapping[int, str], num_seeds: int, num_epochs: int
) -> ProgramStatus:
    """Where a program is by its lines of metrics.jsonl: finished, begun or not begun.

    Args:
      lines: a row each; those of the last epoch may not be all there yet.
      names: of its trials, by index.
      num_seeds, num_epochs: of each trial.
    """
    num_runs = len(names) * num_seeds
    epochs = int((lines.epoch.value_counts() >= num_runs).sum())
    whole = lines[lines.epoch <= epochs]
    begun = 'begun' if len(lines) else 'not begun'
    return ProgramStatus(
        'finished' if epochs >= num_epochs else begun,
        [trial_status(index, name, whole[whole.trial == index]) for index, name in names.items()],
        num_runs,
        num_epochs,
        epochs,
        seconds_per_epoch=float(whole.train_seconds.sum()) / epochs if epochs else None,
    )


def trial_status(index: int, name: str, lines: pd.DataFrame) -> TrialStatus:
    """A trial from its lines of metrics.jsonl."""
    known = lines[lines.validation_accuracy.notna()]
    latest = known[known.epoch == known.epoch.max()]
    num_failed = lines[lines.train_loss.isna()].seed.nunique()
    return TrialStatus(index, name, latest.validation_accuracy.tolist(), num_failed)


def _modified(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0
