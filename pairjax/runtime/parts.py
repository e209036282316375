"""A sweep in parts, each trained by a command of its own, such as the tasks of a job array.

Part 3 of 20 (`sweep.part='3/20'`) is an experiment in WORKDIR/parts/03-of-20. The command that ends
last joins all parts: WORKDIR then holds the whole sweep as if one command had trained it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from pairjax.analysis.results import read_experiment
from pairjax.config import flatten, validate
from pairjax.errors import UserError
from pairjax.runtime.callback_list import CallbackList
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment, sort_lines, summarize_experiment
from pairjax.runtime.multihost import on_primary
from pairjax.runtime.plan import Plan, plan_without_images, read_plan
from pairjax.runtime.resume import restore_program
from pairjax.system import write_json
from pairjax.training.state import RunState
from pairjax.trials import part_of
from pairjax.workdir.checkpoints import Checkpoints
from pairjax.workdir.lock import locked
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import checkpoint_directory, open_workdir


class _Part(NamedTuple):
    """A finished part: its workdir, its plan, and its trials' places in the whole sweep."""

    workdir: Path
    plan: Plan
    places: list[int]


def part_workdir(workdir: Path, part: str) -> Path:
    """The workdir of a part such as '3/20' of the experiment in `workdir`; itself for ''."""
    if not part:
        return workdir
    number, count = part_of(part)
    return workdir / 'parts' / f'{number:0{len(str(count))}d}-of-{count}'


def run_whole_or_part(
    config: Any, workdir: Path, overwrite: bool = False, callbacks: Sequence[Callback] = ()
) -> Path:
    """`run_experiment` of a sweep or of its `sweep.part`; joins the parts once all are finished.

    Args:
      config: validated.
      workdir: of the whole sweep.
      overwrite, callbacks: see `run_experiment`.

    Returns: the workdir with the results of what was run.
    Raises: as `run_experiment`; UserError where a whole sweep is half trained in parts.
    """
    part = config.sweep.part
    own = part_workdir(workdir, part)
    if not part and not overwrite:
        on_primary('join parts found', lambda: join_found_parts(workdir))
    run_experiment(config, own, overwrite, callbacks)
    if part:
        _, count = part_of(part)
        unfinished = on_primary('join parts', lambda: join_parts(workdir, count))
        rest = f'{len(unfinished)} of {count} are not' if unfinished else f'all are, in {workdir}'
        CallbackList(callbacks).on_message(f'part {part} is finished, in {own}; {rest}')
    return own


def join_found_parts(workdir: Path) -> None:
    """Joins the parts of a sweep that lie in the workdir of the whole, if there are any.

    Raises: UserError where some are not finished.
    """
    try:
        names = [path.name for path in (workdir / 'parts').glob('*-of-*')]
    except OSError:
        return  # Opening the workdir says what is wrong with its name.
    if not names or (workdir / 'summary.json').exists():
        return
    count = int(max(names).rpartition('-')[2])
    unfinished = join_parts(workdir, count)
    if unfinished:
        raise UserError(
            f'{workdir} is trained in parts, of which {len(unfinished)} are not finished; start '
            f'--config.sweep.part={unfinished[0]}/{count} and so on, or name another --workdir'
        )


def join_parts(workdir: Path, count: int) -> list[int]:
    """Joins the parts of a sweep where all are finished.

    Args:
      workdir: of the whole sweep; nothing happens where it is finished.
      count: of the parts.

    Returns: the numbers of the parts that are not finished.
    Raises: UserError where a part does not belong to the others, or the workdir to another sweep.
    """
    workdirs = {n: part_workdir(workdir, f'{n}/{count}') for n in range(1, count + 1)}
    unfinished = [n for n, path in workdirs.items() if not _is_complete(path)]
    if unfinished:
        return unfinished
    try:
        with locked(workdir):
            if not (workdir / 'summary.json').exists():
                _join(workdir, list(workdirs.values()))
    except UserError:
        # Two parts that end at once both find all finished, and one of them joins.
        if not (workdir / 'summary.json').exists():
            raise
    return []


def _is_complete(workdir: Path) -> bool:
    """Whether a part has trained every trial."""
    if not (workdir / 'summary.json').exists():
        return False
    return not any(trial.failure for trial in read_experiment(workdir).trials)


def _join(workdir: Path, workdirs: Sequence[Path]) -> None:
    parts = [read_plan(path) for path in workdirs]
    configs = [{**flatten(p.config.to_dict()), 'sweep.part': ''} for p in parts]
    plan = plan_without_images(validate(configs[0]), parts[0].data)
    for path, part, config in zip(workdirs, parts, configs, strict=True):
        if plan_without_images(validate(config), part.data).trials != plan.trials:
            raise UserError(
                f'{path} is no part of the experiment in {workdirs[0]}; delete it and run its '
                'command again, or name another --workdir'
            )
    places = plan.places_of_parts(len(parts))
    found = [_Part(*one) for one in zip(workdirs, parts, places, strict=True)]
    trials = [trial.hyperparameters for trial in plan.trials]
    open_workdir(workdir, plan.config.to_dict(), plan.data, False, trials)
    for number in range(len(plan.programs)):
        epoch, state = _join_states(plan, number, found)
        keep = plan.config.checkpoint.keep
        checkpoints = Checkpoints(checkpoint_directory(workdir, number), keep)
        checkpoints.save(epoch, state, plan.description(number))
    metrics = Metrics(workdir)
    metrics.replace(
        [
            {**line, 'trial': part.places[line['trial']]}
            for part in found
            for line in Metrics(part.workdir).read(len(part.places))
        ]
    )
    summary = summarize_experiment(plan, {}, sort_lines(plan, metrics))
    devices = [read_experiment(part.workdir).timing['devices'] for part in found]
    summary['timing']['devices'] = max(devices)
    # Last, since with it the whole is finished.
    write_json(workdir / 'summary.json', summary)


def _join_states(plan: Plan, number: int, parts: Sequence[_Part]) -> tuple[int, RunState]:
    """The last epoch of a program, and its runs of all parts stacked in the order of the whole."""
    wanted = {trial.index for trial in plan.programs[number]}
    epochs, states = [], []
    for part in parts:
        # A part holds its trials in the order of the whole, and some of a program's or none.
        for own, trials in enumerate(part.plan.programs):
            if part.places[trials[0].index] in wanted:
                epoch, state = restore_program(part.plan, part.workdir, own)
                epochs.append(epoch)
                states.append(state)
    stacked = jax.tree.map(lambda *leaves: np.concatenate(leaves), *states)
    return max(epochs), stacked
