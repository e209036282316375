"""Joins experiments that each trained some runs of a larger one: parts of its sweep, or seeds.

The joined files are built in WORKDIR/joining and moved from there once all are written, so that a
process that dies in between leaves the workdir as it was, or as it will be.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from pairjax.analysis.results import read_experiment
from pairjax.errors import UserError
from pairjax.runtime.experiment_summary import sort_lines, summarize_experiment
from pairjax.runtime.plan import Plan
from pairjax.runtime.resume import restore_program
from pairjax.system import write_json, writing
from pairjax.training.state import RunState
from pairjax.workdir.checkpoints import Checkpoints
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.versions import all_versions, with_versions
from pairjax.workdir.workdir import FORMAT, JOINING, checkpoint_directory, read_config


class Piece(NamedTuple):
    """A finished experiment: its workdir, its plan, and its trials' indices in the whole."""

    workdir: Path
    plan: Plan
    trial_indices: Sequence[int]


def join_experiments(plan: Plan, pieces: Sequence[Piece], workdir: Path) -> None:
    """Makes the files of a locked workdir what one experiment of all runs would have written.

    Args:
      plan: of the whole; every run of it is in one piece.
      pieces: may include the workdir itself.
      workdir: of the whole.

    Raises: UserError where a piece is damaged, or the workdir cannot be written.
    """
    built = workdir / JOINING
    with writing(built):
        built.mkdir(parents=True)
    saved, *others = (read_config(piece.workdir) for piece in pieces)
    saved = with_versions(saved, (one for other in others for one in all_versions(other)))
    trials = [trial.hyperparameters for trial in plan.trials]
    new = {'format': FORMAT, 'config': plan.config.to_dict(), 'trials': trials}
    write_json(built / 'config.json', {**saved, **new})
    for number in range(len(plan.programs)):
        epoch, state = _join_states(plan, number, pieces)
        checkpoints = Checkpoints(checkpoint_directory(built, number), plan.config.checkpoint.keep)
        checkpoints.save(epoch, state, plan.description(number))
    metrics = Metrics(built)
    metrics.replace(
        [
            {**line, 'trial': piece.trial_indices[line['trial']]}
            for piece in pieces
            for line in Metrics(piece.workdir).read(len(piece.trial_indices))
        ]
    )
    summary = summarize_experiment(plan, {}, sort_lines(plan, metrics))
    devices = [read_experiment(piece.workdir).timing['devices'] for piece in pieces]
    summary['timing']['devices'] = max(devices)
    # Last, since with it all is written.
    write_json(built / 'summary.json', summary)
    finish_or_discard_join(workdir)


def finish_or_discard_join(workdir: Path) -> None:
    """Moves joined files to their places, or deletes what a process that died had not finished.

    Does nothing in a workdir without them; what was moved before is not moved again.
    """
    built = workdir / JOINING
    if not built.exists():
        return
    with writing(workdir):
        if (built / 'summary.json').exists():
            for name in ('checkpoints', 'config.json', 'metrics.jsonl', 'summary.json'):
                if (built / name).exists():
                    move(built / name, workdir / name)
        shutil.rmtree(built)


def move(source: Path, target: Path) -> None:
    """Puts a file or directory in the place of another one."""
    if target.is_dir():
        shutil.rmtree(target)  # A directory replaces none that has files.
    source.replace(target)


def _join_states(plan: Plan, number: int, pieces: Sequence[Piece]) -> tuple[int, RunState]:
    """The last epoch of a program, and its runs of all pieces stacked in the order of the whole."""
    wanted = {trial.index for trial in plan.programs[number]}
    epochs, states, found = [], [], []
    for piece in pieces:
        # The trials that a piece has of this program are one program of its own, in the same order;
        # it may have none.
        for program, trials in enumerate(piece.plan.programs):
            if piece.trial_indices[trials[0].index] not in wanted:
                continue
            restored = restore_program(piece.plan, piece.workdir, program)
            if restored is None:
                raise UserError(
                    f'{checkpoint_directory(piece.workdir, program)} holds no checkpoint; run '
                    f'the command that trains {piece.workdir} again'
                )
            epochs.append(restored[0])
            states.append(restored[1])
            runs = piece.plan.runs(program)
            found += [(piece.trial_indices[trial.index], seed) for trial, seed in runs]
    position = {run: n for n, run in enumerate(found)}
    order = [position[trial.index, seed] for trial, seed in plan.runs(number)]
    return max(epochs), jax.tree.map(lambda *leaves: np.concatenate(leaves)[order], *states)
