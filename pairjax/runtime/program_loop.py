"""Trains one program: the loop over epochs, with records, checkpoints and stop requests."""

import time
from typing import Any

from pairjax.runtime.multihost import (
    all_gather_objects,
    any_process,
    is_primary,
    on_primary,
    raise_on_all,
)
from pairjax.runtime.shared_state import SharedState
from pairjax.runtime.trainer import Trainer
from pairjax.workdir.checkpoints import Checkpoints, check_seeds_and_epoch
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import checkpoint_directory


def train_program(shared: SharedState, number: int, epoch: int, trainer: Trainer) -> int:
    """Trains all runs of a program and returns the epoch that it reached.

    Args:
      shared: state shared by all device groups.
      number: program number.
      epoch: the epoch to resume after, 0 for a fresh start.
      trainer: the program's trainer, not yet started.
    """
    plan, callbacks = shared.plan, shared.callbacks
    directory, name = checkpoint_directory(shared.workdir, number), plan.program_name(number)
    checkpoints = on_primary(lambda: Checkpoints(directory, plan.config.checkpoint.keep))
    callbacks.on_message(f'{name}: {trainer}')
    saved = None
    if epoch:
        saved = restore(shared, number, epoch, trainer, checkpoints)
        callbacks.on_message(f'{name}: resuming after epoch {epoch}')
    raise_on_all(lambda: trainer.start(saved))
    callbacks.on_program_start(name, epoch, plan.num_epochs(number))
    try:
        return run_epochs(shared, number, epoch, trainer, checkpoints)
    finally:
        callbacks.on_program_end(name)


def restore(
    shared: SharedState, number: int, epoch: int, trainer: Trainer, checkpoints: Checkpoints
) -> Any:
    """The saved state of a program's runs on every process, as host arrays."""

    def load():
        state = checkpoints.restore(trainer.expected_state)
        seeds = [seed for _, seed in shared.plan.runs(number)]
        check_seeds_and_epoch(state, seeds, epoch, checkpoints.directory)
        return state

    with shared.recording:
        return on_primary(load)


def run_epochs(
    shared: SharedState, number: int, epoch: int, trainer: Trainer, checkpoints: Checkpoints
) -> int:
    """Trains and records epochs from `epoch` on, and returns the last one, which is saved."""
    plan, metrics = shared.plan, Metrics(shared.workdir)
    num_epochs, description = plan.num_epochs(number), plan.description(number)
    every_seconds = plan.config.checkpoint.every_seconds
    saved_at = time.monotonic()

    def record():
        """Whether a checkpoint is due and whether to stop, as this process sees it."""
        if not is_primary():
            return False, shared.stopping
        with shared.recording:
            metrics.append(records)
            shared.callbacks.on_epoch_end(plan.program_name(number), epoch, records)
        return time.monotonic() - saved_at >= every_seconds, shared.stopping

    stopping = any_process(shared.stopping)
    while epoch < num_epochs and not stopping:
        epoch += 1
        records = train_one_epoch(trainer, epoch, num_epochs)
        save_due, stopping = map(any, zip(*all_gather_objects(record), strict=True))
        if epoch == num_epochs or stopping or save_due:
            state = trainer.host_state()
            with shared.recording:
                on_primary(lambda: checkpoints.save(epoch, state, description))  # noqa: B023
            saved_at = time.monotonic()
    return epoch


def train_one_epoch(trainer: Trainer, epoch: int, num_epochs: int) -> list[dict[str, Any]]:
    """Trains an epoch, evaluates it where that is due, and returns its lines of metrics.jsonl."""
    train, last = trainer.config.train, epoch == num_epochs
    due, all_sets = (
        last or epoch % every == 0 for every in (train.evaluate_every, train.evaluate_all_every)
    )
    records = trainer.epoch(epoch, due, all_sets)
    if not last:
        return records
    return [{**a, **b} for a, b in zip(records, trainer.whole_pool_records(), strict=True)]
