"""Runs an experiment in its workdir: resumes it, trains what is left, writes the summary."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pairjax.analysis.results import read_experiment
from pairjax.config import flatten
from pairjax.errors import UserError
from pairjax.runtime.added_seeds import blocks_of_seeds, discard_joined, join_seeds, with_seeds
from pairjax.runtime.callback_list import CallbackList
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment_summary import (
    max_devices_in_use,
    sort_lines,
    summarize_experiment,
)
from pairjax.runtime.join import finish_or_discard_join
from pairjax.runtime.multihost import (
    any_process,
    assert_equal_across_processes,
    context_on_primary,
    on_primary,
    raise_on_all,
)
from pairjax.runtime.plan import Plan, make_plan
from pairjax.runtime.preemption import Interrupted, StopRequest
from pairjax.runtime.resume import resume_epochs
from pairjax.runtime.scheduling import choose_device_groups
from pairjax.runtime.sharding import allowed_devices
from pairjax.runtime.train_loop import train_programs
from pairjax.system import write_json
from pairjax.workdir.lock import locked
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.workdir import FAILURES, block_workdir, open_workdir, record_versions


def run_experiment(
    config: Any, workdir: Path, overwrite: bool = False, callbacks: Sequence[Callback] = ()
) -> dict[str, Any]:
    """Trains every trial with every seed, resuming from checkpoints in the workdir.

    Where the workdir has fewer seeds than the config, only the missing ones train, and join them.
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
    with context_on_primary('lock', lambda: locked(workdir)) as lock_warning:

        def open_here():
            if lock_warning:
                callback_list.call_here('on_message', lock_warning)
            finish_or_discard_join(workdir)
            discard_joined(workdir)
            blocks = blocks_of_seeds(plan.config, workdir, overwrite)
            _open(with_seeds(plan, *blocks[0]), workdir, overwrite)
            return blocks

        blocks = on_primary('open the workdir', open_here)
        if len(blocks) > 1:
            _add_seeds(plan, blocks, workdir, callback_list)
        with callback_list.ending('on_experiment_end'):
            return run_plan(plan, workdir, callback_list)


def _open(plan: Plan, workdir: Path, overwrite: bool = False) -> None:
    trials = [trial.hyperparameters for trial in plan.trials]
    open_workdir(workdir, plan.config.to_dict(), plan.data, overwrite, trials)


def _add_seeds(
    plan: Plan, blocks: list[tuple[int, int]], workdir: Path, callbacks: CallbackList
) -> None:
    """Trains each block of seeds by itself and joins all in the workdir, which has the first."""
    base, *added = blocks
    with StopRequest() as stop:
        with callbacks.ending('on_experiment_end'):
            run_plan(with_seeds(plan, *base), workdir, callbacks)
        for first, num in added:
            text = f'seeds {first} to {first + num - 1}'
            # A signal in the last epoch before them left nothing unfinished there.
            if any_process('stop before the new seeds', stop.requested):
                raise Interrupted(f'stopped before {text}')
            own, block = block_workdir(workdir, first, num), with_seeds(plan, first, num)
            callbacks.on_message(f'adding {text} to those in {workdir}')
            with context_on_primary('lock the new seeds', partial(locked, own)):
                on_primary('open the new seeds', partial(_open, block, own))
                with callbacks.ending('on_experiment_end'):
                    run_plan(block, own, callbacks)
        on_primary('join the new seeds', lambda: join_seeds(plan, blocks, workdir))


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
        changed = on_primary('record the versions', lambda: record_versions(workdir))
        if changed:
            callbacks.on_message(changed)
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
