"""Which epoch each program of a workdir resumes after, and with which state."""

from collections.abc import Sequence
from pathlib import Path

from pairjax.runtime.plan import Plan
from pairjax.training.state import RunState
from pairjax.trials import Trial
from pairjax.workdir.checkpoints import Checkpoints, check_seeds_and_epoch
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import checkpoint_directory, saved_epoch


def resume_epochs(plan: Plan, workdir: Path, metrics: Metrics) -> list[int]:
    """The epoch that each program resumes after, 0 for a fresh start.

    Drops the lines of metrics.jsonl past these epochs, and checkpoints that lack lines.

    Raises: UserError where metrics.jsonl is damaged or cannot be written.
    """
    records = metrics.read(len(plan.trials))
    program_of = plan.program_of
    lines: list[list[tuple[int, int, int]]] = [[] for _ in plan.programs]
    for record in records:
        line = record['trial'], record['seed'], record['epoch']
        lines[program_of[record['trial']]].append(line)
    directories = [checkpoint_directory(workdir, n) for n in range(len(plan.programs))]
    epochs = [
        resume_epoch(saved_epoch(directory), lines[number], plan.runs(number))
        for number, directory in enumerate(directories)
    ]
    kept = [record for record in records if record['epoch'] <= epochs[program_of[record['trial']]]]
    if len(kept) < len(records):
        metrics.replace(kept)
    for directory, epoch in zip(directories, epochs, strict=True):
        if epoch == 0 and directory.is_dir():
            Checkpoints(directory).clear()
    return epochs


def resume_epoch(
    saved: int | None, lines: Sequence[tuple[int, int, int]], runs: Sequence[tuple[Trial, int]]
) -> int:
    """The epoch that one program resumes after.

    A checkpoint is used only if metrics.jsonl holds every line up to its epoch once. Otherwise the
    program starts again from its seeds, which gives the same lines.

    Args:
      saved: epoch of the newest checkpoint, or None.
      lines: (trial, seed, epoch) of the program's lines.
      runs: trial and seed of each of its runs.
    """
    epoch = saved or 0
    recorded = sorted(line for line in lines if line[2] <= epoch)
    expected = sorted((t.index, seed, e) for t, seed in runs for e in range(1, epoch + 1))
    return epoch if recorded == expected else 0


def restore_program(plan: Plan, workdir: Path, number: int) -> tuple[int, RunState] | None:
    """The newest saved epoch of a program and its runs as host arrays, stacked; None without one.

    Raises: UserError where the checkpoint is damaged, or of other runs or another shape.
    """
    directory = checkpoint_directory(workdir, number)
    epoch = saved_epoch(directory)
    if epoch is None:
        return None
    state = Checkpoints(directory).restore(plan.abstract_state(number))
    check_seeds_and_epoch(state, [seed for _, seed in plan.runs(number)], epoch, directory)
    return epoch, state
