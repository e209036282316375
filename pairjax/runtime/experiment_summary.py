"""summary.json of an experiment, from its plan and the lines of metrics.jsonl."""

from collections.abc import Mapping, Sequence
from typing import Any

from pairjax.analysis.summary import summarize
from pairjax.runtime.plan import Plan
from pairjax.runtime.scheduling import DeviceGroup
from pairjax.runtime.sharding import choose_layout
from pairjax.workdir.metrics_log import Metrics


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
