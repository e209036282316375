"""The runs of one program on their devices, and the records of their epochs."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from pairjax.runtime.all_pairs_evaluation import all_pairs_accuracies
from pairjax.runtime.plan import Plan
from pairjax.runtime.scheduling import DeviceGroup
from pairjax.runtime.sharding import (
    choose_layout,
    collect_runs,
    place_runs,
    replicate,
    stack_runs,
)
from pairjax.runtime.vectorize import compile_programs
from pairjax.training.evaluate import Correct, EvalRequest
from pairjax.training.state import RunState
from pairjax.trials import Trial


class Trainer:
    """All runs of one program on their devices: compiles, trains, evaluates."""

    def __init__(self, plan: Plan, number: int, group: DeviceGroup | None = None):
        """Compiles program `number`; executes nothing, so that any thread may do it.

        Args:
          plan: the experiment's plan.
          number: program number.
          group: the devices to train on; by default all that the config allows.
        """
        self.runs = plan.runs(number)
        self.config = plan.program_config(number)
        runs, batch_size = plan.config.runs, self.config.train.batch_size
        self.layout = choose_layout(len(self.runs), runs, batch_size, group and group.devices)
        # A second on half the devices counts half, so that seconds of concurrent programs add up.
        self._share = group.share if group else 1.0
        self._pools = replicate(plan.pools, self.layout)
        seeds = [np.int32(seed) for _, seed in self.runs]
        hyper = [trial.traced for trial, _ in self.runs]
        self._seeds, self._hyper = stack_runs(seeds, self.layout), stack_runs(hyper, self.layout)
        started = time.monotonic()
        self._programs = compile_programs(
            self.config, self.layout, self._pools, self._seeds, self._hyper
        )
        self.compile_seconds = time.monotonic() - started
        self._unreported_compile_seconds = self.compile_seconds
        self._state = None

    def __str__(self) -> str:
        devices, plural = self.layout.mesh.size, 's' * (self.layout.mesh.size > 1)
        return (
            f'{len(self.runs)} runs on {devices} device{plural}, {self.layout.per_batch} '
            f'at a time on each; compiled in {self.compile_seconds:.1f} s'
        )

    def start(self, saved: RunState | None = None) -> None:
        """Initialises the runs, or resumes from a saved state of host arrays (see `host_state`)."""
        if saved is None:
            self._state = self._programs.init(self._pools, self._seeds, self._hyper)
        else:
            self._state = place_runs(saved, self.layout)
        jax.block_until_ready(self._state)

    @property
    def state_structure(self) -> jax.tree_util.PyTreeDef:
        """The tree structure of the stacked state."""
        return jax.tree.structure(self._programs.init.out_info)

    def host_state(self) -> RunState:
        """The state as host arrays with a leading axis of runs, without padding."""
        return collect_runs('state to save', lambda: self._state, self.layout)

    def epoch(self, epoch: int, evaluate: bool, all_sets: bool = True) -> list[dict[str, Any]]:
        """Trains one epoch and returns its lines of metrics.jsonl, one per run.

        Args:
          epoch: its number, from 1.
          evaluate: whether to measure accuracies after it.
          all_sets: whether on the train and validation pairs, too, or on the test pairs alone.
        """

        def compute():
            self._state, losses = self._programs.train_epoch(self._pools, self._state, self._hyper)
            correct = None
            if evaluate:
                asked = EvalRequest(self._pools, replicate(np.bool_(all_sets), self.layout))
                correct = self._programs.evaluate(asked, self._state)
            return losses, correct

        started = time.monotonic()
        losses, correct = collect_runs('epoch', compute, self.layout)
        clock = {
            'train_seconds': self._seconds_a_run(started),
            'compile_seconds': self._unreported_compile_seconds / len(self.runs),
        }
        self._unreported_compile_seconds = 0.0
        if correct is not None and not all_sets:
            correct = correct.of_test()
        records = epoch_records(self.runs, epoch, losses, correct, self.config.data)
        return [{**record, **clock} for record in records]

    def all_pairs_records(
        self, stopping: Callable[[], bool] = lambda: False
    ) -> list[dict[str, Any]] | None:
        """The additional fields of the last epoch's lines of metrics.jsonl, one dict per run.

        exact_pair_accuracy or sampled_pair_accuracy (see `training.all_pairs`; the other one is
        None, and both are where the run failed) and whole_pool_seconds, the run's share of the
        time that they took. None where `stopping` came true on any process meanwhile.
        """
        started = time.monotonic()
        arguments = self.config, self._programs, self.layout, self._pools, self._state
        exact = self._programs.digit_logits is not None
        accuracies = all_pairs_accuracies(*arguments, stopping)
        if accuracies is None:
            return None
        records = [
            {
                'exact_pair_accuracy': accuracy if exact else None,
                'sampled_pair_accuracy': None if exact else accuracy,
            }
            for accuracy in accuracies
        ]
        seconds = self._seconds_a_run(started)
        return [{**record, 'whole_pool_seconds': seconds} for record in records]

    def _seconds_a_run(self, started: float) -> float:
        return (time.monotonic() - started) * self._share / len(self.runs)


def epoch_records(
    runs: Sequence[tuple[Trial, int]],
    epoch: int,
    losses: np.ndarray,
    correct: Correct | None,
    data: Any,
) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl of one epoch, without clock values.

    Args:
      runs: trial and seed of each run.
      epoch: the epoch just trained, from 1.
      losses: (runs,) float32 mean training losses; NaN marks a run that failed.
      correct: numbers of correct predictions, each (runs,), or None where this epoch or set was
        not evaluated; logits that are not finite mark a run that failed, too.
      data: config.data with the numbers of pairs.
    """
    records = []
    for i, (trial, seed) in enumerate(runs):
        failed = not math.isfinite(losses[i]) or (correct is not None and not correct.finite[i])
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
                count = None if counts is None else getattr(counts, name)
                record[key] = None if count is None else int(count[i]) / total
        records.append(record)
    return records
