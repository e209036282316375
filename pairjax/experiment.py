"""The host loop: drives the programs of an experiment and keeps its records."""

import math
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pairjax.checkpoints import Checkpoints
from pairjax.config import Trial
from pairjax.plan import Plan, make_plan
from pairjax.progress import ProgressDisplay
from pairjax.records import Metrics, open_workdir, write_json
from pairjax.runs import (
    choose_layout,
    compile_programs,
    hyperparameters_of,
    place_runs,
    replicate,
    stack_runs,
    unstack_runs,
)
from pairjax.summary import summarize
from pairjax.training import Correct

Run = tuple[Trial, int]  # a trial and a seed


class Interrupted(Exception):
    """A signal asked to stop, and the state is saved. The message says how far it got."""


class StopRequest:
    """Turns the first SIGINT or SIGTERM into a flag, so that the epoch can finish and be saved.

    A second one acts as it would without this.
    """

    def __init__(self):
        self.requested = False

    def __enter__(self) -> 'StopRequest':
        self._previous = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def _on_signal(self, number, frame):
        self.requested = True
        signal.signal(number, self._previous[number])

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def run_experiment(
    config: Any, workdir: Path, overwrite: bool = False, display: ProgressDisplay | None = None
) -> dict[str, Any]:
    """Trains every trial with every seed, or goes on where an earlier call stopped.

    Args:
      config: a config as configs/*.py make it.
      workdir: where config.json, metrics.jsonl, checkpoints/ and summary.json go.
      overwrite: start afresh in a used workdir.
      display: where progress is shown.

    Returns: what summary.json holds.
    Raises: UserError; Interrupted when a signal asked to stop and the state is saved.
    """
    display = display or ProgressDisplay()
    plan = make_plan(config)
    open_workdir(workdir, plan.config.to_dict(), plan.data, overwrite)
    metrics = Metrics(workdir)
    with StopRequest() as stop:
        for number in range(len(plan.programs)):
            train_program(plan, number, workdir, metrics, display, stop)
    rows = [
        {'hyperparameters': trial.hyperparameters, 'num_params': num_params}
        for trial, num_params in zip(plan.trials, plan.num_params, strict=True)
    ]
    summary = {'name': plan.config.name, 'data': plan.data, **summarize(metrics.read(), rows)}
    summary['timing']['devices'] = plan.config.runs.devices or jax.device_count()
    write_json(workdir / 'summary.json', summary)
    return summary


def open_checkpoints(workdir: Path, number: int, keep: int) -> Checkpoints:
    """The checkpoints of an experiment's program `number`."""
    return Checkpoints(workdir / 'checkpoints' / f'program_{number:04d}', keep)


def train_program(
    plan: Plan,
    number: int,
    workdir: Path,
    metrics: Metrics,
    display: ProgressDisplay,
    stop: StopRequest,
) -> None:
    """Trains all runs of one program to the last epoch, from its checkpoint where there is one."""
    config = plan.programs[number][0].config
    runs = plan.runs(number)
    layout = choose_layout(len(runs), plan.config.runs)
    name = f'{config.model.name} ({number + 1}/{len(plan.programs)})'
    with open_checkpoints(workdir, number, plan.config.checkpoint.keep) as checkpoints:
        epoch = resumable_epoch(checkpoints, metrics, runs)
        if epoch == config.train.num_epochs:
            return
        pools = replicate(plan.pools, layout)
        seeds = stack_runs([np.int32(seed) for _, seed in runs], layout)
        hyper = stack_runs([hyperparameters_of(trial.config) for trial, _ in runs], layout)
        programs = compile_programs(config, layout, pools, seeds, hyper)
        display.note(
            f'{name}: {len(runs)} runs on {layout.mesh.size} devices, {layout.per_batch} '
            f'at a time on each; compiled in {programs.compile_seconds:.1f} s'
        )
        if epoch:
            state = place_runs(checkpoints.restore(programs.abstract_state(layout)), layout)
            display.note(f'{name}: going on after epoch {epoch}')
        else:
            state = programs.init(pools, seeds, hyper)
        unreported_seconds, saved_at = programs.compile_seconds, time.monotonic()
        display.start(name, epoch, config.train.num_epochs)
        try:
            while epoch < config.train.num_epochs:
                started = time.monotonic()
                state, losses = programs.train_epoch(pools, state, hyper)
                epoch += 1
                last = epoch == config.train.num_epochs
                due = last or epoch % config.train.evaluate_every == 0
                correct = programs.evaluate(pools, state) if due else None
                losses, correct = unstack_runs((losses, correct), layout)
                seconds = time.monotonic() - started
                records = epoch_records(runs, epoch, losses, correct, config.data)
                clock = {
                    'train_seconds': seconds / len(runs),
                    'compile_seconds': unreported_seconds / len(runs),
                }
                metrics.append([{**record, **clock} for record in records])
                unreported_seconds = 0.0
                show_epoch(display, epoch, records)
                save_due = time.monotonic() - saved_at >= plan.config.checkpoint.every_seconds
                if last or stop.requested or save_due:
                    checkpoints.save(epoch, unstack_runs(state, layout), plan.description(number))
                    saved_at = time.monotonic()
                if stop.requested and not last:
                    raise Interrupted(
                        f'{name}: stopped and saved after epoch {epoch} of '
                        f'{config.train.num_epochs}'
                    )
        finally:
            display.stop()
    if stop.requested and number + 1 < len(plan.programs):
        raise Interrupted(f'stopped and saved after {name}')


def resumable_epoch(checkpoints: Checkpoints, metrics: Metrics, runs: Sequence[Run]) -> int:
    """The epoch to go on from, after dropping the metrics that lie past it.

    A checkpoint is only good with every line up to its epoch; where lines are
    missing the program starts again from its seeds, which gives the same lines.
    """
    epoch = checkpoints.latest_epoch or 0
    trials = {trial.index for trial, _ in runs}
    lines = [r for r in metrics.read() if r['trial'] in trials]
    if len(
        {(r['trial'], r['seed'], r['epoch']) for r in lines if r['epoch'] <= epoch}
    ) != epoch * len(runs):
        epoch = 0
    if any(r['epoch'] > epoch for r in lines):
        metrics.keep(lambda r: r['trial'] not in trials or r['epoch'] <= epoch)
    return epoch


def epoch_records(
    runs: Sequence[Run], epoch: int, losses: np.ndarray, correct: Correct | None, data: Any
) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl of one epoch, without clock values.

    Args:
      runs: trial and seed of each run.
      epoch: the epoch just trained, from 1.
      losses: (runs,) mean training losses; not-a-number marks a run that failed.
      correct: right answers, each (runs,), or None where this epoch was not evaluated.
      data: config.data with the numbers of pairs.
    """
    records = []
    for i, (trial, seed) in enumerate(runs):
        failed = not math.isfinite(losses[i])
        record = {
            'trial': trial.index,
            'seed': seed,
            'epoch': epoch,
            'train_loss': None if failed else float(losses[i]),
        }
        for kind, images_a_pair in (('main', 1), ('digits', 2)):
            counts = None if correct is None or failed else getattr(correct, kind)
            for name in ('train', 'validation', 'test'):
                total = data[f'num_{name}_pairs'] * images_a_pair
                key = f'{name}_accuracy' if kind == 'main' else f'{name}_digit_accuracy'
                record[key] = None if counts is None else int(getattr(counts, name)[i]) / total
        records.append(record)
    return records


def show_epoch(display: ProgressDisplay, epoch: int, records: Sequence[dict[str, Any]]) -> None:
    """Shows an epoch's means over the runs that have not failed."""

    def mean(name):
        values = [record[name] for record in records if record[name] is not None]
        return sum(values) / len(values) if values else None

    display.epoch(epoch, mean('train_loss'), mean('validation_accuracy'))
