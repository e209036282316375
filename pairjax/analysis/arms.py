"""The trials that a comparison is asked for, and whether they may be paired. No jax in here.

Seed i of two trials draws the same pairs in the same order, and so may be paired, where the digits,
the relation and the numbers of pairs agree. Test pairs come from a permutation of the test pool
by the seed alone (`pairs.draw_test_pairs`), so they are the same, whatever the numbers of train and
validation pairs; of train pairs, the smaller number is the beginning of the larger.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pairjax.errors import UserError, shown, unknown_name
from pairjax.workdir.workdir import read_config, read_summary


class Arm(NamedTuple):
    """One trial of a workdir: `trial` and `data` as summary.json has them."""

    name: str
    workdir: Path
    trial: Mapping[str, Any]
    data: Mapping[str, Any]

    def values(self, measure: str) -> dict[int, float]:
        """The measure of each seed that did not fail, a fraction."""
        values = zip(self.trial['seeds'], self.trial[measure]['values'], strict=True)
        return {seed: value for seed, value in values if value is not None}


def read_arms(arguments: Sequence[str]) -> list[Arm]:
    """The trials that `compare_workdirs` is asked for, in the order given.

    Raises: UserError for a missing or unfinished workdir, an unknown trial, fewer than two trials,
      or one that is named twice.
    """
    found = []
    for argument in arguments:
        path, _, which = argument.rpartition(':')
        if not path or os.path.isdir(argument):
            path, which = argument, ''
        summary = finished_summary(Path(path))
        for index in _trial_indices(argument, which, summary):
            found.append((Path(path), index, summary))
    if len(found) < 2:
        raise UserError(
            'name two trials or more, such as runs/auxnet1 runs/auxnet2, or runs/sweep:0 '
            'runs/sweep:3'
        )
    directories = [path.resolve() for path, _, _ in found]
    # The last part of a path is name enough, unless two end alike.
    unique = len({path.name for path in directories}) == len(set(directories))
    arms: dict[tuple[Path, int], Arm] = {}
    for directory, (path, index, summary) in zip(directories, found, strict=True):
        if (directory, index) in arms:
            raise UserError(f'trial {index} of {path} is named twice; name each trial once')
        name = directory.name if unique else str(path)
        name += f':{index}' if len(summary['trials']) > 1 else ''
        arms[directory, index] = Arm(name, path, summary['trials'][index], summary['data'])
    return list(arms.values())


def finished_summary(workdir: Path) -> dict[str, Any]:
    """summary.json of a finished workdir.

    Raises: UserError where the directory is no workdir, is not finished, or its file is damaged.
    """
    if not os.path.isdir(workdir):
        raise UserError(f'{workdir} is no directory; name a workdir that launch/main.py has made')
    read_config(workdir)
    path = workdir / 'summary.json'
    if not path.exists():
        raise UserError(
            f'{path} does not exist yet: the training is not finished; the command that began it '
            'goes on with it'
        )
    return read_summary(workdir)


def _trial_indices(argument: str, which: str, summary: Mapping[str, Any]) -> Sequence[int]:
    indices = range(len(summary['trials']))
    if which == 'all':
        return indices
    if which == '' and summary['selected_trial'] is None:
        raise UserError(f'{argument} has no selected trial, because every run failed')
    index = which or str(summary['selected_trial'])
    if index not in map(str, indices):
        raise UserError(
            f'{argument.removesuffix(which)} there is no trial {shown(which)}; its summary.json '
            f'holds trials 0 to {indices[-1]}, and :all names every one'
        )
    return [int(index)]


def check_measure(arms: Sequence[Arm], measure: str) -> None:
    """Raises UserError where no arm has this figure in summary.json, or one lacks it."""
    known = {
        name
        for arm in arms
        for name, figure in arm.trial.items()
        if isinstance(figure, Mapping) and 'values' in figure
    }
    if measure not in known:
        raise unknown_name('--measure', measure, known)
    for arm in arms:
        if arm.trial.get(measure) is None:
            raise UserError(
                f'--measure={measure}: {arm.name} has none, since its model has no such output; '
                'leave it out or choose another measure'
            )


def check_paired(arms: Sequence[Arm], measure: str) -> None:
    """Raises UserError where seed i of two arms stands for different pairs."""
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


def _drawn_from(arm: Arm, measure: str) -> dict[str, Any]:
    """What, beside the seed, decides which pairs a measure is taken on."""
    fields = ['data.relation', 'data.num_test_pairs']
    if measure.endswith('validation_accuracy'):
        fields.append('data.num_validation_pairs')
    return {
        'data.source': arm.data.get('source'),
        'the fingerprint of the digits': arm.data.get('fingerprint'),
        **{field: arm.trial['hyperparameters'].get(field) for field in fields},
    }
