"""Runs an experiment in its workdir: resumes it, trains what is left, writes the summary."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pairjax.analysis.results import read_experiment
from pairjax.analysis.summary import summarize
from pairjax.config import flatten
from pairjax.errors import UserError
from pairjax.runtime.callback_list import CallbackList
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.multihost import (
    assert_equal_across_processes,
    context_on_primary,
    on_primary,
    raise_on_all,
)
from pairjax.runtime.plan import Plan, make_plan
from pairjax.runtime.resume import resume_epochs
from pairjax.runtime.scheduling import DeviceGroup, choose_device_groups
from pairjax.runtime.sharding import allowed_devices, choose_layout
from pairjax.runtime.train_loop import train_programs
from pairjax.system import write_json
from pairjax.workdir.lock import locked
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import FAILURES, open_workdir


def run_experiment(
    config: Any, workdir: Path, overwrite: bool = False, callbacks: Sequence[Callback] = ()
) -> dict[str, Any]:
    """Trains every trial with every seed, resuming from checkpoints in the workdir.

    Several processes divide the runs among them. Only process 0 reads and writes the workdir; it
    broadcasts what it reads to the others.

    Args:
      config: an experiment config, such as `get_config()` of a file in configs/ returns.
      workdir: directory of config.json, metrics.jsonl, checkpoints/ and summary.json.
      overwrite: delete an earlier experiment in the workdir and train from scratch.
      callbacks: called in process 0 as training proceeds.

    Returns: the content of summary.json, in every process.
    Raises: UserError, also where programs failed (after the others are trained); Interrupted after
      SIGINT or SIGTERM, once checkpoints are saved.
    """
    return raise_on_all('experiment', lambda: _run(config, workdir, overwrite, callbacks))


def _run(
    config: Any, workdir: Path, overwrite: bool, callbacks: Sequence[Callback]
) -> dict[str, Any]:
    """`run_experiment`, which may raise in one process alone."""
    callback_list = CallbackList(callbacks)
    show_progress = partial(callback_list.call_here, 'on_images_read')
    plan = raise_on_all('plan', lambda: make_plan(config, show_progress))
    assert_equal_across_processes('config and data', experiment_fields(plan))
    for note in plan.notes:
        callback_list.on_message(f'data: {note}')
    if plan.shared_images:
        callback_list.on_message(
            f'{plan.shared_images} of {plan.data["test_pool"]} test images are also in the train '
            'pool, so test accuracy is optimistic'
        )
    allowed_devices(plan.config.runs)
    trials = [trial.hyperparameters for trial in plan.trials]
    with context_on_primary('lock', lambda: locked(workdir)) as lock_warning:

        def open_here():
            if lock_warning:
                callback_list.call_here('on_message', lock_warning)
            open_workdir(workdir, plan.config.to_dict(), plan.data, overwrite, trials)

        on_primary('open the workdir', open_here)
        with callback_list.ending('on_experiment_end'):
            return run_plan(plan, workdir, callback_list)


def experiment_fields(plan: Plan) -> dict[str, Any]:
    """The fields of config and data that must be equal in all processes, by dotted name."""
    fields = {**flatten(plan.config.to_dict()), **flatten(plan.data, 'data: ')}
    del fields['data.dir'], fields['data.download']
    return fields


def run_plan(plan: Plan, workdir: Path, callbacks: CallbackList) -> dict[str, Any]:
    """`run_experiment` in a workdir that this process has locked."""
    metrics, num_programs = Metrics(workdir), len(plan.programs)
    epochs = on_primary('epochs to resume after', lambda: resume_epochs(plan, workdir, metrics))
    unfinished = {n: epoch for n, epoch in enumerate(epochs) if epoch < plan.num_epochs(n)}
    finished = not unfinished and on_primary('summary there', (workdir / 'summary.json').exists)
    callbacks.on_experiment_start(plan, workdir)
    if finished:
        return on_primary('read the summary', lambda: read_experiment(workdir).summary)
    if unfinished:
        callbacks.on_message(f'compiling {len(unfinished)} of {num_programs} programs')
    # Finished programs are included: rounding depends on how many runs a device trains, and a
    # resumed experiment must reproduce the uninterrupted one bit for bit.
    sizes = [(len(plan.runs(n)), plan.num_epochs(n)) for n in range(num_programs)]
    groups = choose_device_groups(sizes, plan.config.runs)
    failures = train_programs(plan, unfinished, groups, workdir, callbacks)

    def write_summary():
        summary = summarize_experiment(plan, failures, sort_lines(plan, metrics))
        summary['timing']['devices'] = max_devices_in_use(plan, groups)
        write_json(workdir / 'summary.json', summary)
        return summary

    if len(failures) < num_programs:
        summary = on_primary('write the summary', write_summary)
    if failures:
        number, reason = next(iter(failures.items()))
        raise UserError(
            f'{len(failures)} of {num_programs} programs failed, first '
            f'{plan.program_name(number)}: {reason}; see {workdir / FAILURES} for details, and run '
            'the same command again to retry them'
        )
    return summary


def sort_lines(plan: Plan, metrics: Metrics) -> list[dict[str, Any]]:
    """Sorts metrics.jsonl by program, epoch, trial and seed, and returns its lines.

    Programs that train concurrently interleave their lines.
    """
    records, program_of = metrics.read(), plan.program_of

    def place(line):
        return program_of[line['trial']], line['epoch'], line['trial'], line['seed']

    ordered = sorted(records, key=place)
    if ordered != records:
        metrics.replace(ordered)
    return ordered


def max_devices_in_use(plan: Plan, groups: Sequence[DeviceGroup]) -> int:
    """The largest number of devices in use at once; a program with few runs leaves some idle.

    Args:
      plan: the experiment's plan.
      groups: device groups of equal size, each training one program at a time.
    """
    sizes = [
        choose_layout(
            len(plan.runs(n)), plan.config.runs, plan.config.train.batch_size, groups[0].devices
        ).mesh.size
        for n in range(len(plan.programs))
    ]
    return sum(sorted(sizes)[-len(groups) :])


def summarize_experiment(
    plan: Plan, failures: Mapping[int, str], records: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The content of summary.json, except for the number of devices.

    Args:
      plan: the experiment's plan.
      failures: the reason for each failed program, by program number; lines of its trials are
        left out.
      records: the lines of metrics.jsonl.
    """
    reasons = {t.index: reason for n, reason in failures.items() for t in plan.programs[n]}
    rows = [
        {
            'hyperparameters': trial.hyperparameters,
            'num_params': num_params,
            'failure': reasons.get(trial.index),
        }
        for trial, num_params in zip(plan.trials, plan.num_params, strict=True)
    ]
    finished = [record for record in records if record['trial'] not in reasons]
    return {'name': plan.config.name, 'data': plan.data, **summarize(finished, rows)}
