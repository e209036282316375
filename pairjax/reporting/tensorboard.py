"""Event files that TensorBoard opens: a curve per seed, and their mean."""

import itertools
import platform
import shutil
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pairjax.errors import UserError
from pairjax.runtime.callbacks import Callback
from pairjax.system import writing
from pairjax.workdir.metrics_log import Metrics, mean_of_known
from pairjax.workdir.workdir import TENSORBOARD

# Every run is a directory and a line in TensorBoard's list; beyond so many neither is of use.
MOST_RUNS = 200


class TensorBoard(Callback):
    """Keeps WORKDIR/tensorboard in step with metrics.jsonl.

    The curves of trial 0 are in trial_0/mean (over the seeds that have not failed; num_seeds says
    how many) and, in an experiment of at most MOST_RUNS runs, in trial_0/seed_0 and so on. They
    are named as in metrics.jsonl, accuracies are fractions, and an epoch is a step.
    """

    def __init__(self, say: Callable[[str], None]):
        """Takes what is called with each message; raises UserError without tensorboardX."""
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise UserError(
                "--tensorboard needs tensorboardX; install it with pip install -e '.[tensorboard]'"
            ) from None
        self._say = say

    def on_experiment_start(self, plan: Any, workdir: Path) -> None:
        """Writes the curves of the epochs so far anew, so that no point can be there twice."""
        self._directory = workdir / TENSORBOARD
        num_runs = len(plan.trials) * len(plan.seeds)
        self._with_seeds = num_runs <= MOST_RUNS
        self._file_name = f'events.out.tfevents.{int(time.time())}.{platform.node()}'
        with writing(self._directory):
            if self._directory.exists():
                shutil.rmtree(self._directory)
            self._directory.mkdir()
        for records, wall_time in _with_wall_times(Metrics(workdir).read()):
            self._write(records, wall_time)
        means = '' if self._with_seeds else f' (with {num_runs} runs the means over seeds alone)'
        self._say(f'curves for tensorboard --logdir={self._directory}{means}')

    def on_epoch_end(self, name: str, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
        """Adds the points of an epoch."""
        self._write(records, time.time())

    def _write(self, records: Sequence[Mapping[str, Any]], wall_time: float) -> None:
        by_trial: dict[int, list[Mapping[str, Any]]] = {}
        for record in records:
            by_trial.setdefault(record['trial'], []).append(record)
        for trial, mine in by_trial.items():
            epoch = mine[0]['epoch']
            self._add(f'trial_{trial}/mean', epoch, wall_time, mean_scalars(mine))
            for record in mine if self._with_seeds else ():
                self._add(f'trial_{trial}/seed_{record["seed"]}', epoch, wall_time, scalars(record))

    def _add(self, run: str, epoch: int, wall_time: float, values: Mapping[str, float]) -> None:
        from tensorboardX.proto.event_pb2 import Event

        path = self._directory / run / self._file_name
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Opened for each point: many runs held open would reach the system's limit.
            with path.open('ab') as file:
                if file.tell() == 0:
                    file.write(_framed(Event(wall_time=wall_time, file_version='brain.Event:2')))
                file.write(_framed(_point_event(epoch, wall_time, values)))


def scalars(record: Mapping[str, Any]) -> dict[str, float]:
    """What a line of metrics.jsonl adds to the curves of its run; nothing where it is None."""
    return {name: record[name] for name in _curve_names(record) if record[name] is not None}


def mean_scalars(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What one epoch of a trial adds to its mean curves, from the lines of all seeds."""
    means = {name: mean_of_known(r[name] for r in records) for name in _curve_names(records[0])}
    num_seeds = sum(record['train_loss'] is not None for record in records)
    known = {name: mean for name, mean in means.items() if mean is not None}
    return {**known, 'num_seeds': num_seeds}


def _curve_names(record: Mapping[str, Any]) -> list[str]:
    return [name for name in record if name.endswith(('_loss', '_accuracy'))]


def _with_wall_times(
    records: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[list[Mapping[str, Any]], float]]:
    """Epochs in their order, each with the time at which it would have ended without a pause."""
    wall_time = time.time() - sum(record['train_seconds'] for record in records)
    for _, group in itertools.groupby(records, key=lambda record: record['epoch']):
        lines = list(group)
        wall_time += sum(record['train_seconds'] for record in lines)
        yield lines, wall_time


def _point_event(epoch: int, wall_time: float, values: Mapping[str, float]) -> Any:
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.proto.summary_pb2 import Summary

    scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
    return Event(wall_time=wall_time, step=epoch, summary=Summary(value=scalars))


def _framed(event: Any) -> bytes:
    """An event as a TFRecord: length, its checksum, the event, its checksum."""
    from tensorboardX.record_writer import masked_crc32c

    data = event.SerializeToString()
    length = struct.pack('<Q', len(data))
    checksums = [struct.pack('<I', masked_crc32c(part)) for part in (length, data)]
    return length + checksums[0] + data + checksums[1]
