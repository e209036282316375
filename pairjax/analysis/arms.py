"""The trials (arms) of a comparison: read from WORKDIR:TRIAL, and checked for common pairs.

Seed i of two trials draws the same pairs in the same order where images, relation and numbers of
pairs agree. Test pairs come from a permutation of the test pool by the seed alone, so they do not
depend on the numbers of train and validation pairs; of train pairs, the smaller number is the
beginning of the larger.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from pairjax.analysis.pool import read_pooled
from pairjax.analysis.results import ExperimentResult, TrialResult
from pairjax.errors import UserError, shown, unknown_name


class ComparedTrial(NamedTuple):
    """A trial under the name that it has in a comparison, and its experiment."""

    name: str
    experiment: ExperimentResult
    trial: TrialResult


def read_arms(arguments: Sequence[str], fewest: int = 2) -> list[ComparedTrial]:
    """The trials that the arguments name, in their order.

    Args:
      arguments: as `compare_workdirs` takes them.
      fewest: how many trials there must be, 1 or 2.

    Raises: UserError for a missing or unfinished workdir, an unknown trial, too few trials, or one
      that is named twice.
    """
    found = []
    for argument in arguments:
        path, _, which = argument.rpartition(':')
        if not path or os.path.isdir(argument):
            path, which = argument, ''
        experiment = read_pooled(path)
        found += [(experiment, trial) for trial in _named_trials(argument, which, experiment)]
    if len(found) < fewest:
        raise UserError(
            f'name {"two trials" if fewest > 1 else "a trial"} or more, such as runs/auxnet1 '
            'runs/auxnet2, or runs/sweep:0 runs/sweep:3'
        )
    # The last part of a path is name enough, unless two end alike.
    paths = {path.resolve(): path for experiment, _ in found for path in experiment.workdirs}
    unique = len({path.name for path in paths}) == len(paths)
    arms, seen = [], set()
    for experiment, trial in found:
        directories = [path.resolve() for path in experiment.workdirs]
        for directory in directories:
            if (directory, trial.index) in seen:
                raise UserError(
                    f'trial {trial.index} of {paths[directory]} is named twice; name each trial '
                    'once'
                )
            seen.add((directory, trial.index))
        name = '+'.join(d.name if unique else str(paths[d]) for d in directories)
        name += f':{trial.index}' if len(experiment.trials) > 1 else ''
        arms.append(ComparedTrial(name, experiment, trial))
    return arms


def _named_trials(argument: str, which: str, experiment: ExperimentResult) -> list[TrialResult]:
    if which == 'all':
        return experiment.trials
    if which == '' and experiment.selected is None:
        raise UserError(f'{argument} has no selected trial, because every run failed')
    index = which or str(experiment.selected)
    named = [trial for trial in experiment.trials if str(trial.index) == index]
    if not named:
        raise UserError(
            f'{argument.removesuffix(which)} there is no trial {shown(which)}; its summary.json '
            f'holds trials 0 to {len(experiment.trials) - 1}, and :all names every one'
        )
    return named


def check_measure(arms: Sequence[ComparedTrial], measure: str) -> None:
    """Raises UserError where no arm has this statistic in summary.json, or one lacks it."""
    known = {
        name
        for arm in arms
        for name, statistic in arm.trial.summary.items()
        if isinstance(statistic, dict) and 'values' in statistic
    }
    if measure not in known:
        raise unknown_name('measure', measure, known)
    for arm in arms:
        if arm.trial.statistic(measure) is None:
            raise UserError(
                f'measure={measure}: {arm.name} has none, since its model has no such output; '
                'leave it out or choose another measure'
            )


def check_paired(arms: Sequence[ComparedTrial], measure: str) -> None:
    """Raises UserError where seed i of two arms draws different pairs."""
    first, *others = arms
    expected = _drawn_from(first, measure)
    for arm in others:
        for what, value in _drawn_from(arm, measure).items():
            if value != expected[what]:
                raise UserError(
                    f'{arm.name} cannot be paired with {first.name} by seed: {what} is {value!r} '
                    f'for it and {expected[what]!r} for {first.name}; compare trials that agree '
                    'in it'
                )


def _drawn_from(arm: ComparedTrial, measure: str) -> dict[str, Any]:
    """What, beside the seed, decides which pairs a measure is taken on."""
    data, fields = arm.experiment.data, ['data.relation', 'data.num_test_pairs']
    if measure.endswith('validation_accuracy'):
        fields.append('data.num_validation_pairs')
    return {
        'data.source': data.get('source'),
        'the fingerprint of the digits': data.get('fingerprint'),
        **{field: arm.trial.hyperparameters.get(field) for field in fields},
    }
