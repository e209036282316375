"""A sweep in parts, each trained by a command of its own, such as the tasks of a job array.

Part 3 of 20 (`sweep.part='3/20'`) is an experiment in WORKDIR/parts/03-of-20. The command that ends
last joins all parts: WORKDIR then holds the whole sweep as if one command had trained it.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pairjax.analysis.results import read_experiment
from pairjax.config import flatten, validate
from pairjax.errors import UserError
from pairjax.runtime.added_seeds import blocks_of_seeds, with_seeds
from pairjax.runtime.callback_list import CallbackList
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.join import Piece, finish_or_discard_join, join_experiments
from pairjax.runtime.multihost import on_primary
from pairjax.runtime.plan import plan_without_images, read_plan
from pairjax.trials import part_of
from pairjax.workdir.lock import locked
from pairjax.workdir.workdir import JOINING, difference, open_workdir, read_config

# Longer than a join takes; who trains the whole in the same workdir is then said to use it.
JOIN_WAIT_S = 600
# The same where there are no locks, and what a process that died has left looks like its work.
UNLOCKED_WAIT_S = 60
# In these the whole and its parts may differ.
OWN_OF_PARTS = 'sweep.part', 'num_seeds'


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
    if part:
        on_primary('whole of the part', lambda: check_whole(workdir, config))
    elif not overwrite:
        on_primary('join parts found', lambda: join_found_parts(workdir))
    run_experiment(config, own, overwrite, callbacks)
    if part:
        _, count = part_of(part)
        unfinished = on_primary('join parts', lambda: join_parts(workdir, count, config.num_seeds))
        rest = f'{len(unfinished)} of {count} are not' if unfinished else f'all are, in {workdir}'
        CallbackList(callbacks).on_message(f'part {part} is finished, in {own}; {rest}')
    return own


def check_whole(workdir: Path, config: Any, data: Mapping[str, Any] | None = None) -> None:
    """Checks that a part of this config, and of these images, can be joined in a workdir.

    Raises: UserError where the workdir holds another experiment.
    """
    if not (workdir / 'config.json').exists():
        return
    saved = read_config(workdir)
    changed = difference(saved, config.to_dict(), data or saved['data'], OWN_OF_PARTS)
    if changed:
        raise UserError(
            f'{workdir} holds another experiment, to which its parts cannot be joined: {changed}; '
            'name another --workdir'
        )


def join_found_parts(workdir: Path) -> None:
    """Joins the parts of a sweep that lie in the workdir of the whole, if there are any.

    Raises: UserError where some are not finished.
    """
    try:
        names = [path.name for path in (workdir / 'parts').glob('*-of-*')]
    except OSError:
        return  # Opening the workdir says what is wrong with its name.
    # Where the whole itself was trained with --overwrite, that goes on.
    results = 'summary.json', 'metrics.jsonl', 'checkpoints'
    if not names or any((workdir / name).exists() for name in results):
        return
    count = int(max(names).rpartition('-')[2])
    unfinished = join_parts(workdir, count)
    if unfinished:
        raise UserError(
            f'{workdir} is trained in parts, of which {len(unfinished)} are not finished; start '
            f'--config.sweep.part={unfinished[0]}/{count} and so on, or name another --workdir'
        )


def join_parts(workdir: Path, count: int, num_seeds: int = 1) -> list[int]:
    """Joins the parts of a sweep where all are finished.

    Args:
      workdir: of the whole sweep; nothing happens where it is finished with as many seeds.
      count: of the parts.
      num_seeds: at least as many, and as many as any part has, every part must have.

    Returns: the numbers of the parts that are not finished.
    Raises: UserError where a part does not belong to the others, or the workdir to another sweep.
    """
    workdirs = {n: part_workdir(workdir, f'{n}/{count}') for n in range(1, count + 1)}
    trained = {n: _finished_seeds(path) for n, path in workdirs.items()}
    num_seeds = max(num_seeds, *trained.values())
    unfinished = [n for n, seeds in trained.items() if seeds < num_seeds]
    if unfinished:
        return unfinished
    first = read_plan(workdirs[1])
    # Two parts that end at once both find all finished: one joins them while the other one waits.
    with locked(workdir, JOIN_WAIT_S) as may_not_hold:
        if may_not_hold:
            _wait_until(lambda: not (workdir / JOINING).exists())
        try:
            finish_or_discard_join(workdir)
            check_whole(workdir, first.config, first.data)
            if _finished_seeds(workdir) < num_seeds:
                _join(workdir, list(workdirs.values()))
        except UserError:
            # The other one began to join at the same moment.
            if not (may_not_hold and _wait_until(lambda: _finished_seeds(workdir) >= num_seeds)):
                raise
    return []


def _finished_seeds(workdir: Path) -> int:
    """With how many seeds every trial of an experiment is trained, 0 where one is not."""
    if not (workdir / 'summary.json').exists():
        return 0
    result = read_experiment(workdir)
    return 0 if any(trial.failure for trial in result.trials) else result.config['num_seeds']


def _wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + UNLOCKED_WAIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def _join(workdir: Path, workdirs: Sequence[Path]) -> None:
    parts = [read_plan(path) for path in workdirs]
    first = parts[0]
    for path in workdirs[1:]:
        changed = difference(read_config(path), first.config.to_dict(), first.data, ('sweep.part',))
        if changed:
            raise UserError(
                f'{path} is no part of the experiment in {workdirs[0]}: {changed}; delete it and '
                'run its command again, or name another --workdir'
            )
    config = {**flatten(first.config.to_dict()), 'sweep.part': ''}
    plan = plan_without_images(validate(config), first.data)
    places = plan.trial_indices_of_parts(len(parts))
    trials = [trial.hyperparameters for trial in plan.trials]
    # A whole that has fewer seeds is replaced by one with more.
    there, *_ = blocks_of_seeds(plan.config, workdir)
    open_workdir(workdir, with_seeds(plan, *there).config.to_dict(), plan.data, False, trials)
    pieces = [Piece(*one) for one in zip(workdirs, parts, places, strict=True)]
    join_experiments(plan, pieces, workdir)
