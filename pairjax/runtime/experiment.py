"""An experiment in its workdir: what is there already, what is left to train, what came of it."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pairjax.analysis.summary import summarize
from pairjax.config import flatten
from pairjax.errors import UserError
from pairjax.runtime.callbacks import Callback, CallbackList
from pairjax.runtime.multihost import (
    assert_equal_across_processes,
    context_on_primary,
    is_primary,
    on_primary,
    raise_on_all,
)
from pairjax.runtime.plan import Plan, make_plan
from pairjax.runtime.scheduling import DeviceGroup, Size, choose_device_groups
from pairjax.runtime.sharding import allowed_devices, choose_layout
from pairjax.runtime.train_loop import program_name, train_programs
from pairjax.runtime.trainer import Run
from pairjax.workdir.checkpoints import Checkpoints
from pairjax.workdir.lock import locked
from pairjax.workdir.workdir import (
    FAILURES,
    Metrics,
    checkpoint_directory,
    open_workdir,
    read_summary,
    write_json,
)


def run_experiment(
    config: Any, workdir: Path, overwrite: bool = False, callbacks: Sequence[Callback] = ()
) -> dict[str, Any]:
    """Trains every trial with every seed, or goes on where an earlier call stopped.

    Several processes share the runs; the first alone reads and writes the workdir, and what it
    finds there, decides and returns goes to all of them.

    Args:
      config: a config as configs/*.py make it.
      workdir: where config.json, metrics.jsonl, checkpoints/ and summary.json go.
      overwrite: start afresh in a used workdir.
      callbacks: are told in process 0 how it goes on.

    Returns: what summary.json holds.
    Raises: UserError, also when programs failed and the others are done; Interrupted when a signal
      asked to stop and the state is saved.
    """
    told = CallbackList(callbacks if is_primary() else ())
    plan = raise_on_all(lambda: make_plan(config))
    assert_equal_across_processes(experiment_fields(plan))
    if plan.shared_images:
        told.on_message(
            f'{plan.shared_images} of {plan.data["test_pool"]} test images are in the train pool, '
            'too: what networks remember of them counts as test accuracy'
        )
    allowed_devices(plan.config.runs)
    trials = [trial.hyperparameters for trial in plan.trials]
    with context_on_primary(lambda: locked(workdir)) as doubt:
        if doubt:
            told.on_message(doubt)
        on_primary(
            lambda: open_workdir(workdir, plan.config.to_dict(), plan.data, overwrite, trials)
        )
        try:
            return run_plan(plan, workdir, told)
        finally:
            told.on_experiment_end()


def experiment_fields(plan: Plan) -> dict[str, Any]:
    """What has to be the same wherever a part of the experiment runs, by name."""
    fields = {**flatten(plan.config.to_dict()), **flatten(plan.data, 'data: ')}
    return {n: v for n, v in fields.items() if n not in ('data.dir', 'data.download')}


def run_plan(plan: Plan, workdir: Path, callbacks: Callback) -> dict[str, Any]:
    """`run_experiment` in a workdir that is ours."""
    metrics = Metrics(workdir)
    epochs, summary = on_primary(lambda: look_into(plan, workdir, metrics))
    on_primary(lambda: callbacks.on_experiment_start(plan, workdir))
    if summary is not None:
        return summary
    unfinished = [n for n, epoch in enumerate(epochs) if epoch < plan.num_epochs(n)]
    if unfinished:
        callbacks.on_message(f'compiling {len(unfinished)} of {len(plan.programs)} programs')
    # Also what is finished counts: rounding depends on how many runs a device trains, and what goes
    # on after a stop must end as if nothing had happened.
    sizes = [Size(len(plan.runs(n)), plan.num_epochs(n)) for n in range(len(plan.programs))]
    groups = choose_device_groups(sizes, plan.config.runs)
    failures = train_programs(plan, {n: epochs[n] for n in unfinished}, groups, workdir, callbacks)

    def write_summary():
        metrics.arrange(place_of_line(plan))
        summary = summarize_experiment(plan, failures, metrics)
        summary['timing']['devices'] = devices_at_work(plan, groups)
        write_json(workdir / 'summary.json', summary)
        return summary

    if len(failures) < len(plan.programs):
        summary = on_primary(write_summary)
    if failures:
        number, reason = next(iter(failures.items()))
        raise UserError(
            f'{len(failures)} of {len(plan.programs)} programs failed, the first '
            f'{program_name(plan, number)}: {reason}; more in {workdir / FAILURES}, and the same '
            'command tries them again'
        )
    return summary


def place_of_line(plan: Plan) -> Callable[[Mapping[str, Any]], tuple]:
    """The order of metrics.jsonl: by program, epoch and run, however programs took turns."""
    runs = itertools.chain(*(plan.runs(n) for n in range(len(plan.programs))))
    places = {(trial.index, seed): place for place, (trial, seed) in enumerate(runs)}
    programs = {trial.index: n for n, trials in enumerate(plan.programs) for trial in trials}

    def place(line):
        trial = line['trial']
        return programs[trial], line['epoch'], places[trial, line['seed']]

    return place


def devices_at_work(plan: Plan, groups: Sequence[DeviceGroup]) -> int:
    """How many devices train at the same time."""
    num_runs, batch_size = len(plan.runs(0)), plan.config.train.batch_size
    layouts = [choose_layout(num_runs, plan.config.runs, batch_size, x.devices) for x in groups]
    return sum(layout.mesh.size for layout in layouts)


def look_into(
    plan: Plan, workdir: Path, metrics: Metrics
) -> tuple[list[int], dict[str, Any] | None]:
    """The epoch that each program goes on from, and the summary where all of them are done."""
    epochs = [epoch_to_go_on_from(plan, n, workdir, metrics) for n in range(len(plan.programs))]
    finished = all(epoch >= plan.num_epochs(n) for n, epoch in enumerate(epochs))
    if not finished or not (workdir / 'summary.json').exists():
        return epochs, None
    return epochs, read_summary(workdir)


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
