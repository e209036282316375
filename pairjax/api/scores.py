"""`scores`: accuracies in the shape that rliable reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pairjax.analysis.arms import ComparedTrial, check_measure, read_arms
from pairjax.api.compare import arm_text
from pairjax.api.run import Results
from pairjax.errors import UserError, shown


def scores(arms: Mapping[str, Any], measure: str = 'final_test_accuracy') -> dict[str, np.ndarray]:
    """A statistic of every seed, as rliable's functions take it (Agarwal et al. 2021).

        rliable.library.get_interval_estimates(pairjax.scores({...}), func, reps=2000)

    Args:
      arms: by the name of an algorithm, results or a workdir for one task, or a sequence of them,
        one per task; the tasks of all algorithms are in the same order. 'WORKDIR:3' names a trial,
        the selected one is the default.
      measure: a statistic of summary.json.

    Returns: by algorithm float64 fractions (runs, tasks), runs by ascending seed.
    Raises: UserError where something is missing, numbers of tasks differ, or the tasks of an
      algorithm lack the same seeds; rliable has no place for a seed that failed.
    """
    if not isinstance(arms, Mapping) or not arms:
        raise UserError(
            f"scores: {shown(arms)} must be a mapping such as {{'AuxNet2': 'runs/auxnet2'}}"
        )
    table, num_tasks = {}, {}
    for name, tasks in arms.items():
        one = isinstance(tasks, Results | Path | str) or not isinstance(tasks, Sequence)
        columns = [_column(name, task, measure) for task in ([tasks] if one else tasks)]
        for seeds, _ in columns:
            if seeds != columns[0][0]:
                raise UserError(
                    f'scores: the tasks of {name} have the seeds {shown(columns[0][0])} and '
                    f'{shown(seeds)}; train the same seeds for each'
                )
        num_tasks[name] = len(columns)
        table[name] = np.array([values for _, values in columns]).T
    if len(set(num_tasks.values())) > 1 or 0 in num_tasks.values():
        counts = ', '.join(f'{name}: {count}' for name, count in num_tasks.items())
        raise UserError(
            f'scores: every algorithm needs the same tasks, at least one ({counts}); name one '
            'workdir for each'
        )
    return table


def _column(name: str, task: Any, measure: str) -> tuple[list[int], list[float]]:
    """Seeds, ascending, and values of one algorithm in one task."""
    arm: ComparedTrial
    (arm, *others) = read_arms([arm_text(task, f'scores: the task {shown(task)} of {name}')], 1)
    if others:
        raise UserError(f'scores: {task} of {name} names {1 + len(others)} trials; name one')
    check_measure([arm], measure)
    if arm.trial.failed_seeds:
        raise UserError(
            f'scores: the seeds {arm.trial.failed_seeds} of {arm.name} failed, and a mean without '
            'them would flatter it; train others'
        )
    values = arm.trial.values(measure).sort_index()
    return values.index.tolist(), values.tolist()
