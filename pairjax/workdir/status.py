"""How far the experiment in a workdir is; reads and never writes."""

import collections
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
    seconds_per_epoch: float | None
    saved_epoch: int | None
    failure: str | None

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
    saved, metrics = read_config(workdir), Metrics(workdir)
    settings = trial_settings(workdir, saved)
    groups = group_by_structure(settings)
    program_of = {trial: number for number, group in enumerate(groups) for trial in group}
    holder = find_holder(workdir)  # Before the metrics: what ends in between has written them all.
    failures = read_failures(workdir, program_of)
    records, last_change = metrics.read(len(settings)), _modified(metrics.path)
    lines: list[list[Mapping[str, Any]]] = [[] for _ in groups]
    for record in records:
        lines[program_of[record['trial']]].append(record)
    under_way = program_of[records[-1]['trial']] if holder and records else None
    if _modified(workdir / FAILURES) > last_change:
        under_way = None  # What trained last has failed since.
    names = trial_names([{'hyperparameters': setting} for setting in settings])
    programs = [
        program_status(
            {trial: names[trial] for trial in group},
            lines[number],
            saved['config']['num_seeds'],
            settings[group[0]]['train.num_epochs'],
            saved_epoch(checkpoint_directory(workdir, number)),
            failures.get(number),
            number == under_way,
        )
        for number, group in enumerate(groups)
    ]
    finished = all(program.state == 'finished' for program in programs)
    return Status(
        saved['config']['name'],
        holder,
        finished and (workdir / 'summary.json').exists(),
        time.time() - last_change if last_change else None,
        programs,
    )


def trial_settings(workdir: Path, saved: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The hyperparameters of every trial, from what config.json holds or else from elsewhere.

    Raises: UserError where they could only be known by building the models.
    """
    if saved.get('trials'):
        return saved['trials']
    if (workdir / 'summary.json').exists():
        return [trial['hyperparameters'] for trial in read_json(workdir / 'summary.json')['trials']]
    config = validate(upgrade(saved['config']))
    if config.sweep.param_range:
        raise UserError(
            f'{workdir / "config.json"} is of an earlier version and does not say which trials '
            'sweep.param_range left; start its command again, which adds them'
        )
    return [trial.hyperparameters for trial in expand_trials(config)]


def read_failures(workdir: Path, program_of: Mapping[int, int]) -> dict[int, str]:
    """Why programs failed, by number, including those whose later attempts succeeded."""
    failures = read_failure_log(workdir)
    if (workdir / 'summary.json').exists():
        for index, trial in enumerate(read_json(workdir / 'summary.json')['trials']):
            if trial.get('failure'):
                failures[program_of[index]] = trial['failure']
    return failures


def program_status(
    names: Mapping[int, str],
    lines: Sequence[Mapping[str, Any]],
    num_seeds: int,
    num_epochs: int,
    saved: int | None,
    failure: str | None,
    under_way: bool,
) -> ProgramStatus:
    """Where a program is.

    Args:
      names: of its trials, by index.
      lines: its lines of metrics.jsonl; those of the last epoch may not be all there yet.
      num_seeds, num_epochs: of each trial.
      saved: epoch of its newest checkpoint.
      failure: why it failed at some time.
      under_way: whether it is what trains now, unless it is done.
    """
    num_runs = len(names) * num_seeds
    per_epoch = collections.Counter(line['epoch'] for line in lines)
    epochs = sum(count >= num_runs for count in per_epoch.values())
    whole = [line for line in lines if line['epoch'] <= epochs]
    by_trial: dict[int, list[Mapping[str, Any]]] = {index: [] for index in names}
    for line in whole:
        by_trial[line['trial']].append(line)
    state = 'begun' if lines else 'not begun'
    if epochs >= num_epochs:
        state, failure = 'finished', None
    elif under_way:
        state, failure = 'under way', None
    elif failure:
        state = 'failed'
    return ProgramStatus(
        state,
        [trial_status(index, names[index], mine) for index, mine in by_trial.items()],
        num_runs,
        num_epochs,
        epochs,
        sum(line['train_seconds'] for line in whole) / epochs if epochs else None,
        saved,
        failure,
    )


def trial_status(index: int, name: str, lines: Sequence[Mapping[str, Any]]) -> TrialStatus:
    """A trial from its lines of metrics.jsonl."""
    known = [line for line in lines if line['validation_accuracy'] is not None]
    latest = max((line['epoch'] for line in known), default=None)
    accuracies = [line['validation_accuracy'] for line in known if line['epoch'] == latest]
    failed = {line['seed'] for line in lines if line['train_loss'] is None}
    return TrialStatus(index, name, accuracies, len(failed))


def _modified(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0
