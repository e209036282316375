"""Several workdirs that differ in their seeds alone, read as one experiment."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pairjax.analysis.results import (
    ExperimentResult,
    MetricsFrame,
    TrialResult,
    check_same_data,
    read_experiment,
)
from pairjax.analysis.summary import summarize
from pairjax.errors import UserError, shown, shown_name
from pairjax.workdir.versions import distinct


def read_pooled(text: Path | str) -> ExperimentResult:
    """The experiment of WORKDIR, or of WORKDIR+WORKDIR, which hold different seeds of it.

    Raises: UserError as `read_experiment` and `pool_experiments`.
    """
    paths = [text] if os.path.isdir(text) else str(text).split('+')
    return pool_experiments([read_experiment(Path(path)) for path in paths])


def pool_experiments(experiments: Sequence[ExperimentResult]) -> ExperimentResult:
    """One experiment with the seeds of all; its workdir, name and config are those of the first.

    Raises: UserError where they differ in anything else, or have a seed in common.
    """
    first, *others = experiments
    if not others:
        return first
    check_same_data(experiments)
    for other in others:
        _check_same_trials(first, other)
    seen: dict[int, ExperimentResult] = {}
    for experiment in experiments:
        for seed in experiment.trials[0].seeds:
            if seed in seen:
                raise UserError(
                    f'{experiment.workdir} and {seen[seed].workdir} both hold seed {seed}; as one '
                    'arm they need different seeds, set with --config.seed'
                )
            seen[seed] = experiment
    failures = [
        next((t.failure for t in trials if t.failure), None)
        for trials in zip(*(experiment.trials for experiment in experiments), strict=True)
    ]
    frame = pd.concat([experiment.trials[0].log.frame for experiment in experiments])
    rows = [
        {'hyperparameters': t.hyperparameters, 'num_params': t.num_params, 'failure': failure}
        for t, failure in zip(first.trials, failures, strict=True)
    ]
    failed = [index for index, failure in enumerate(failures) if failure]
    summary = summarize(frame[~frame.trial.isin(failed)], rows)
    summary['timing']['devices'] = max(e.timing['devices'] for e in experiments)
    log = MetricsFrame(first.workdir)
    vars(log)['frame'] = frame.reset_index(drop=True)  # Read already.
    trials = [
        TrialResult(trial.index, trial.name, row, log)
        for trial, row in zip(first.trials, summary['trials'], strict=True)
    ]
    _, *other_versions = distinct(v for e in experiments for v in (e.versions, *e.resumed_with))
    return ExperimentResult(
        first.workdir,
        {'name': first.name, 'data': first.data, **summary},
        first.config,
        first.versions,
        trials,
        tuple(experiments),
        tuple(other_versions),
    )


def _check_same_trials(first: ExperimentResult, other: ExperimentResult) -> None:
    """Raises UserError that names a field in which their trials differ."""
    differ = f'{other.workdir} and {first.workdir} are no one arm'
    if len(first.trials) != len(other.trials):
        raise UserError(
            f'{differ}: they have {len(other.trials)} and {len(first.trials)} trials; name '
            'workdirs that differ in their seeds alone'
        )
    for a, b in zip(first.trials, other.trials, strict=True):
        for name in sorted(a.hyperparameters.keys() | b.hyperparameters.keys()):
            there, here = a.hyperparameters.get(name), b.hyperparameters.get(name)
            if there != here:
                raise UserError(
                    f'{differ}: {shown_name(name)} is {shown(here)} and {shown(there)}; name '
                    'workdirs that differ in their seeds alone'
                )
