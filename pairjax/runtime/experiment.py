"""An experiment in its workdir: resume, train what is left, summarise."""

from collections.abc import Mapping, Sequence
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
from pairjax.runtime.resume import resume_epochs
from pairjax.runtime.scheduling import DeviceGroup, Size, choose_device_groups
from pairjax.runtime.sharding import allowed_devices, choose_layout
from pairjax.runtime.train_loop import train_programs
from pairjax.system import write_json
from pairjax.workdir.lock import locked
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import FAILURES, open_workdir, read_summary


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
    """`run_experiment` in a workdir that this process has locked."""
    metrics, num_programs = Metrics(workdir), len(plan.programs)
    epochs = on_primary(lambda: resume_epochs(plan, workdir, metrics))
    unfinished = {n: epoch for n, epoch in enumerate(epochs) if epoch < plan.num_epochs(n)}
    summary = None if unfinished else on_primary(lambda: existing_summary(workdir))
    on_primary(lambda: callbacks.on_experiment_start(plan, workdir))
    if summary is not None:
        return summary
    if unfinished:
        callbacks.on_message(f'compiling {len(unfinished)} of {num_programs} programs')
    # Finished programs count, too: rounding depends on how many runs a device trains, and a
    # resumed experiment must end with the same bits.
    sizes = [Size(len(plan.runs(n)), plan.num_epochs(n)) for n in range(num_programs)]
    groups = choose_device_groups(sizes, plan.config.runs)
    failures = train_programs(plan, unfinished, groups, workdir, callbacks)

    def write_summary():
        summary = summarize_experiment(plan, failures, sort_lines(plan, metrics))
        summary['timing']['devices'] = max_devices_in_use(plan, groups)
        write_json(workdir / 'summary.json', summary)
        return summary

    if len(failures) < num_programs:
        summary = on_primary(write_summary)
    if failures:
        number, reason = next(iter(failures.items()))
        raise UserError(
            f'{len(failures)} of {num_programs} programs failed, the first '
            f'{plan.program_name(number)}: {reason}; more in {workdir / FAILURES}, and the same '
            'command tries them again'
        )
    return summary


def existing_summary(workdir: Path) -> dict[str, Any] | None:
    """The summary that an earlier call wrote, or None."""
    return read_summary(workdir) if (workdir / 'summary.json').exists() else None


def sort_lines(plan: Plan, metrics: Metrics) -> list[dict[str, Any]]:
    """Sorts metrics.jsonl by program, epoch and run, and returns its lines.

    Programs that train side by side append in turns.
    """
    places = {
        (trial.index, seed): (number, place)
        for number in range(len(plan.programs))
        for place, (trial, seed) in enumerate(plan.runs(number))
    }

    def place(line):
        number, run = places[line['trial'], line['seed']]
        return number, line['epoch'], run

    records = metrics.read()
    ordered = sorted(records, key=place)
    if ordered != records:
        metrics.replace(ordered)
    return ordered


def max_devices_in_use(plan: Plan, groups: Sequence[DeviceGroup]) -> int:
    """The most devices that can train at the same time; a program with few runs leaves some idle.

    Args:
      plan: of the experiment.
      groups: of equally many devices, each training one program at a time.
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
    """What summary.json holds, without the number of devices.

    Args:
      plan: of the experiment.
      failures: by number of the program, why it failed; its trials have no seeds.
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
