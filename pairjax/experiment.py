"""The host loop: drives the programs of an experiment and keeps its records."""

import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from pairjax.agreement import (
    any_of,
    check_same,
    gather,
    is_first,
    on_first,
    together,
    within_first,
)
from pairjax.checkpoints import Checkpoints, check_origin
from pairjax.config import flatten
from pairjax.errors import UserError
from pairjax.locking import locked
from pairjax.plan import Plan, make_plan
from pairjax.progress import ProgressDisplay
from pairjax.records import (
    FAILURES,
    Metrics,
    checkpoint_directory,
    open_workdir,
    read_json,
    write_json,
    writing,
)
from pairjax.runs import choose_layout
from pairjax.shapes import check_summary
from pairjax.stopping import Interrupted, StopRequest
from pairjax.summary import summarize
from pairjax.trainer import Run, Trainer
from pairjax.trials import trial_name


def run_experiment(
    config: Any, workdir: Path, overwrite: bool = False, display: ProgressDisplay | None = None
) -> dict[str, Any]:
    """Trains every trial with every seed, or goes on where an earlier call stopped.

    Several processes share the runs; the first alone reads and writes the workdir, and what it
    finds there, decides and returns goes to all of them.

    Args:
      config: a config as configs/*.py make it.
      workdir: where config.json, metrics.jsonl, checkpoints/ and summary.json go.
      overwrite: start afresh in a used workdir.
      display: where progress is shown.

    Returns: what summary.json holds.
    Raises: UserError, also when programs failed and the others are done; Interrupted when a signal
      asked to stop and the state is saved.
    """
    display = display or ProgressDisplay()
    plan = together(lambda: make_plan(config))
    check_same(experiment_fields(plan))
    if plan.shared_images:
        display.note(
            f'{plan.shared_images} of {plan.data["test_pool"]} test images are in the train pool, '
            'too: what networks remember of them counts as test accuracy'
        )
    layout = choose_layout(len(plan.runs(0)), plan.config.runs, plan.config.train.batch_size)
    trials = [trial.hyperparameters for trial in plan.trials]
    with within_first(lambda: locked(workdir)) as doubt:
        if doubt:
            display.note(doubt)
        on_first(lambda: open_workdir(workdir, plan.config.to_dict(), plan.data, overwrite, trials))
        return run_plan(plan, layout.mesh.size, workdir, display)


def experiment_fields(plan: Plan) -> dict[str, Any]:
    """What has to be the same wherever a part of the experiment runs, by name."""
    fields = {**flatten(plan.config.to_dict()), **flatten(plan.data, 'data: ')}
    return {n: v for n, v in fields.items() if n not in ('data.dir', 'data.download')}


def run_plan(
    plan: Plan, num_devices: int, workdir: Path, display: ProgressDisplay
) -> dict[str, Any]:
    """`run_experiment` in a workdir that is ours."""
    metrics = Metrics(workdir)
    epochs, summary = on_first(lambda: look_into(plan, workdir, metrics))
    for watcher in display.watchers:
        watcher.open(plan, workdir)
    if summary is not None:
        return summary
    unfinished = [n for n, epoch in enumerate(epochs) if epoch < plan.num_epochs(n)]
    if unfinished:
        display.note(f'compiling {len(unfinished)} of {len(plan.programs)} programs')
    failures = train_programs(plan, {n: epochs[n] for n in unfinished}, workdir, display)

    def write_summary():
        summary = summarize_experiment(plan, failures, metrics)
        summary['timing']['devices'] = num_devices
        write_json(workdir / 'summary.json', summary)
        return summary

    if len(failures) < len(plan.programs):
        summary = on_first(write_summary)
    if failures:
        number, reason = next(iter(failures.items()))
        raise UserError(
            f'{len(failures)} of {len(plan.programs)} programs failed, the first '
            f'{program_name(plan, number)}: {reason}; more in {workdir / FAILURES}, and the same '
            'command tries them again'
        )
    return summary


def look_into(
    plan: Plan, workdir: Path, metrics: Metrics
) -> tuple[list[int], dict[str, Any] | None]:
    """The epoch that each program goes on from, and the summary where all of them are done."""
    epochs = [epoch_to_go_on_from(plan, n, workdir, metrics) for n in range(len(plan.programs))]
    finished = all(epoch >= plan.num_epochs(n) for n, epoch in enumerate(epochs))
    path = workdir / 'summary.json'
    if not finished or not path.exists():
        return epochs, None
    summary = read_json(path)
    check_summary(summary, path)
    return epochs, summary


def train_programs(
    plan: Plan, epochs: Mapping[int, int], workdir: Path, display: ProgressDisplay
) -> dict[int, str]:
    """Trains programs one after another; one that fails does not keep the others from it.

    Args:
      plan: of the experiment.
      epochs: by number of the program, the epoch to go on from.
      workdir: where records and checkpoints go.
      display: where progress is shown.

    Returns: by number, why a program failed.
    Raises: UserError for what would stop every program; Interrupted.
    """
    failures: dict[int, str] = {}
    numbers = list(epochs)
    with StopRequest() as stop, ThreadPoolExecutor(1) as ahead:
        # The next program compiles while this one trains; more would only take memory.
        upcoming = [ahead.submit(Trainer, plan, number) for number in numbers[:1]]
        for position, number in enumerate(numbers, 1):
            compiling, following = upcoming.pop(), numbers[position:][:1]
            wait([compiling])
            if not any_of(stop.requested):
                upcoming = [ahead.submit(Trainer, plan, n) for n in following]
            epoch, start = plan.num_epochs(number), epochs[number]
            try:
                epoch = train_program(
                    plan, number, start, together(compiling.result), workdir, display, stop
                )
            except UserError:
                raise
            except Exception as error:
                failures[number] = failure_sentence(plan, number, error)
                name = program_name(plan, number)
                on_first(lambda name=name: note_failure(workdir, name))
                display.note(f'{name} failed: {failures[number]}')
            if any_of(stop.requested) and (following or epoch < plan.num_epochs(number)):
                raise Interrupted(
                    f'stopped and saved after epoch {epoch} of program {number + 1} of '
                    f'{len(plan.programs)}'
                )
    return failures


def failure_sentence(plan: Plan, number: int, error: Exception) -> str:
    """One line that says why program `number` failed, and for want of memory what to set."""
    text = next(iter(str(error).strip().splitlines()), '')
    if 'RESOURCE_EXHAUSTED' not in text and not isinstance(error, MemoryError):
        return f'{type(error).__name__}: {text}'
    batch_size = plan.programs[number][0].config.train.batch_size
    layout = choose_layout(len(plan.runs(number)), plan.config.runs, batch_size)
    devices, width = layout.mesh.size, layout.per_batch
    remedy = f'a smaller --config.train.batch_size than {batch_size}, or fewer --config.num_seeds'
    if width > 1:
        remedy = f'--config.runs.per_batch={width // 2}'
    elif devices > 1 and layout.mesh.devices.flat[0].platform == 'cpu':
        remedy = f'--config.runs.devices={devices // 2}, or {remedy}'
    return f'out of memory with {width} runs at a time on each of {devices} devices; try {remedy}'


def note_failure(workdir: Path, name: str) -> None:
    """Adds the traceback of the exception being handled to the workdir's list of failures."""
    with writing(workdir / FAILURES), (workdir / FAILURES).open('a') as file:
        file.write(f'{name}\n{traceback.format_exc()}\n')


def summarize_experiment(
    plan: Plan, failures: Mapping[int, str], metrics: Metrics
) -> dict[str, Any]:
    """What summary.json holds, without the devices; a trial whose program failed has no seeds."""
    reasons = {t.index: reason for n, reason in failures.items() for t in plan.programs[n]}
    rows = [
        {
            'hyperparameters': trial.hyperparameters,
            'num_params': num_params,
            'failure': reasons.get(trial.index),
        }
        for trial, num_params in zip(plan.trials, plan.num_params, strict=True)
    ]
    records = [record for record in metrics.read() if record['trial'] not in reasons]
    return {'name': plan.config.name, 'data': plan.data, **summarize(records, rows)}


def program_name(plan: Plan, number: int) -> str:
    """The trials of a program, such as AuxNet2 (32, 32, 64, 256) 3/31, for people."""
    trials = plan.programs[number]
    name = trial_name({'hyperparameters': trials[0].hyperparameters})
    several = f' x {len(trials)}' if len(trials) > 1 else ''
    return f'{name}{several} {number + 1}/{len(plan.programs)}'


def epoch_to_go_on_from(plan: Plan, number: int, workdir: Path, metrics: Metrics) -> int:
    """The epoch after which program `number` goes on; drops what was recorded past it."""
    directory, runs = checkpoint_directory(workdir, number), plan.runs(number)
    if not directory.is_dir():
        return resumable_epoch(None, metrics, runs)
    with Checkpoints(directory) as checkpoints:
        epoch = resumable_epoch(checkpoints.latest_epoch, metrics, runs)
        if epoch == 0:
            checkpoints.clear()
        return epoch


def train_program(
    plan: Plan,
    number: int,
    epoch: int,
    trainer: Trainer,
    workdir: Path,
    display: ProgressDisplay,
    stop: StopRequest,
) -> int:
    """Trains all runs of one program from `epoch` on, and returns the epoch that it reached."""
    metrics, num_epochs = Metrics(workdir), plan.num_epochs(number)
    name = program_name(plan, number)
    directory = checkpoint_directory(workdir, number)
    keep, every_seconds = plan.config.checkpoint.keep, plan.config.checkpoint.every_seconds

    def record():
        if is_first():
            metrics.append(records)
            for watcher in display.watchers:
                watcher.epoch(epoch, records)
        return is_first() and time.monotonic() - saved_at >= every_seconds, stop.requested

    def restore():
        state = checkpoints.restore(trainer.expected_state)
        check_origin(state, [seed for _, seed in plan.runs(number)], epoch, directory)
        return state

    def save():
        checkpoints.save(epoch, state, plan.description(number))

    with within_first(lambda: Checkpoints(directory, keep)) as checkpoints:
        display.note(f'{name}: {trainer}')
        saved = None
        if epoch:
            saved = on_first(restore)
            display.note(f'{name}: going on after epoch {epoch}')
        together(lambda: trainer.start(saved))
        saved_at = time.monotonic()
        for watcher in display.watchers:
            watcher.start(name, epoch, num_epochs)
        try:
            stopping = any_of(stop.requested)
            while epoch < num_epochs and not stopping:
                epoch += 1
                last = epoch == num_epochs
                due = last or epoch % trainer.config.train.evaluate_every == 0
                records = trainer.epoch(epoch, evaluate=due)
                if last:
                    pool = trainer.whole_pool_records()
                    records = [{**a, **b} for a, b in zip(records, pool, strict=True)]
                save_due, stopping = map(any, zip(*gather(record), strict=True))
                if last or stopping or save_due:
                    state = trainer.host_state()
                    on_first(save)
                    saved_at = time.monotonic()
        finally:
            for watcher in display.watchers:
                watcher.stop()
    return epoch


def resumable_epoch(saved_epoch: int | None, metrics: Metrics, runs: Sequence[Run]) -> int:
    """The epoch to go on from, after dropping the metrics that lie past it.

    A checkpoint is only good with every line up to its epoch, once; where that
    is not so the program starts again from its seeds, which gives the same lines.

    Args:
      saved_epoch: of the newest checkpoint, or None.
      metrics: the lines so far, of these runs and others.
      runs: trial and seed of each run of the program.
    """
    epoch = saved_epoch or 0
    trials = {trial.index for trial, _ in runs}
    lines = [(r['trial'], r['seed'], r['epoch']) for r in metrics.read() if r['trial'] in trials]
    saved = sorted(line for line in lines if line[2] <= epoch)
    expected = sorted((t.index, s, e) for t, s in runs for e in range(1, epoch + 1))
    if saved != expected:
        epoch = 0
    if any(line[2] > epoch for line in lines):
        metrics.keep(lambda r: r['trial'] not in trials or r['epoch'] <= epoch)
    return epoch
