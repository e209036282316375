"""The host loop: drives the programs of an experiment and keeps its records."""

import math
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pairjax.checkpoints import Checkpoints
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
from pairjax.training import Correct, RunState
from pairjax.trials import Trial

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
        print('stopping after this epoch; once more stops at once', file=sys.stderr)

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
    layout = choose_layout(len(plan.runs(0)), plan.config.runs, plan.config.train.batch_size)
    open_workdir(workdir, plan.config.to_dict(), plan.data, overwrite)
    metrics = Metrics(workdir)
    unfinished = [
        n for n in range(len(plan.programs)) if not is_finished(plan, n, workdir, metrics)
    ]
    if unfinished:
        display.note(f'compiling {len(unfinished)} of {len(plan.programs)} programs')
    with StopRequest() as stop, ThreadPoolExecutor(1) as ahead:
        # The next program compiles while this one trains; more would only take memory.
        upcoming = [ahead.submit(Trainer, plan, number) for number in unfinished[:1]]
        for position, number in enumerate(unfinished):
            trainer = upcoming.pop().result()
            upcoming = [ahead.submit(Trainer, plan, n) for n in unfinished[position + 1 :][:1]]
            train_program(plan, number, trainer, workdir, metrics, display, stop)
    rows = [
        {'hyperparameters': trial.hyperparameters, 'num_params': num_params}
        for trial, num_params in zip(plan.trials, plan.num_params, strict=True)
    ]
    summary = {'name': plan.config.name, 'data': plan.data, **summarize(metrics.read(), rows)}
    summary['timing']['devices'] = layout.mesh.size
    write_json(workdir / 'summary.json', summary)
    return summary


def open_checkpoints(workdir: Path, number: int, keep: int, cleanup: bool = True) -> Checkpoints:
    """The checkpoints of an experiment's program `number`."""
    return Checkpoints(workdir / 'checkpoints' / f'program_{number:04d}', keep, cleanup)


def is_finished(plan: Plan, number: int, workdir: Path, metrics: Metrics) -> bool:
    """Whether every run of program `number` has been trained to its last epoch and recorded."""
    if not (workdir / 'checkpoints' / f'program_{number:04d}').is_dir():
        return False
    with open_checkpoints(workdir, number, plan.config.checkpoint.keep) as checkpoints:
        epoch = resumable_epoch(checkpoints, metrics, plan.runs(number))
        return epoch == plan.programs[number][0].config.train.num_epochs


def train_program(
    plan: Plan,
    number: int,
    trainer: 'Trainer',
    workdir: Path,
    metrics: Metrics,
    display: ProgressDisplay,
    stop: StopRequest,
) -> None:
    """Trains all runs of one program to the last epoch, from its checkpoint where there is one."""
    config, runs = plan.programs[number][0].config, plan.runs(number)
    name = f'{config.model.name} ({number + 1}/{len(plan.programs)})'
    with open_checkpoints(workdir, number, plan.config.checkpoint.keep) as checkpoints:
        epoch = resumable_epoch(checkpoints, metrics, runs)
        display.note(f'{name}: {trainer}')
        if epoch:
            trainer.restore(checkpoints)
            display.note(f'{name}: going on after epoch {epoch}')
        saved_at = time.monotonic()
        display.start(name, epoch, config.train.num_epochs)
        try:
            while epoch < config.train.num_epochs:
                epoch += 1
                last = epoch == config.train.num_epochs
                records = trainer.epoch(epoch, last or epoch % config.train.evaluate_every == 0)
                metrics.append(records)
                show_epoch(display, epoch, records)
                save_due = time.monotonic() - saved_at >= plan.config.checkpoint.every_seconds
                if last or stop.requested or save_due:
                    checkpoints.save(epoch, trainer.host_state(), plan.description(number))
                    saved_at = time.monotonic()
                if stop.requested:
                    break
        finally:
            display.stop()
    finished = epoch == config.train.num_epochs and number + 1 == len(plan.programs)
    if stop.requested and not finished:
        raise Interrupted(f'{name}: stopped and saved after epoch {epoch}')


class Trainer:
    """The runs of one program on their devices: their state and what trains it."""

    def __init__(self, plan: Plan, number: int):
        """Compiles program `number` and initialises its runs."""
        self.runs = plan.runs(number)
        self.config = plan.programs[number][0].config
        self.layout = choose_layout(len(self.runs), plan.config.runs, self.config.train.batch_size)
        self._pools = replicate(plan.pools, self.layout)
        seeds = [np.int32(seed) for _, seed in self.runs]
        hyper = [hyperparameters_of(trial.config) for trial, _ in self.runs]
        self._seeds, self._hyper = stack_runs(seeds, self.layout), stack_runs(hyper, self.layout)
        self._programs = compile_programs(
            self.config, self.layout, self._pools, self._seeds, self._hyper
        )
        self._unreported_compile_seconds = self._programs.compile_seconds
        self._state = self._programs.init(self._pools, self._seeds, self._hyper)

    def __str__(self) -> str:
        return (
            f'{len(self.runs)} runs on {self.layout.mesh.size} devices, {self.layout.per_batch} at '
            f'a time on each; compiled in {self._programs.compile_seconds:.1f} s'
        )

    def restore(self, checkpoints: Checkpoints) -> None:
        """Goes back to the newest checkpoint."""
        self._state = place_runs(checkpoints.restore(self.host_state()), self.layout)

    def host_state(self) -> RunState:
        """The runs' state as host arrays, without padding."""
        return unstack_runs(self._state, self.layout)

    def epoch(self, epoch: int, evaluate: bool) -> list[dict[str, Any]]:
        """Trains one epoch and returns its lines of metrics.jsonl, with each run's share of time.

        Args:
          epoch: its number, from 1.
          evaluate: whether to measure accuracies after it.
        """
        started = time.monotonic()
        self._state, losses = self._programs.train_epoch(self._pools, self._state, self._hyper)
        correct = self._programs.evaluate(self._pools, self._state) if evaluate else None
        losses, correct = unstack_runs((losses, correct), self.layout)
        clock = {
            'train_seconds': (time.monotonic() - started) / len(self.runs),
            'compile_seconds': self._unreported_compile_seconds / len(self.runs),
        }
        self._unreported_compile_seconds = 0.0
        records = epoch_records(self.runs, epoch, losses, correct, self.config.data)
        return [{**record, **clock} for record in records]


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
