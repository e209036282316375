"""Restores trained runs from a workdir, and applies a function of one run to all of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from ml_collections import FrozenConfigDict

from pairjax.data.pairs import Pools
from pairjax.data.sources import Digits
from pairjax.errors import UserError
from pairjax.runtime.plan import Plan, describe_data, load_config_digits
from pairjax.runtime.sharding import choose_layout, place_runs, replicate, unstack_runs
from pairjax.runtime.vectorize import compiler_options, over_runs
from pairjax.training.evaluate import EVALUATION_BATCH_SIZE
from pairjax.training.state import RunState
from pairjax.trials import Trial, trial_name
from pairjax.workdir.workdir import checkpoint_directory


class RestoredRuns(NamedTuple):
    """Trained runs of equal structure, from one checkpoint.

    Attributes:
      workdir: where they were trained.
      plan: the plan of their experiment.
      runs: trial and seed of each run.
      epoch: the epoch after which the checkpoint was saved.
      state: host arrays with a leading axis over `runs`.
      saved_range: of a saved network, the pixel values of black and white.
    """

    workdir: Path
    plan: Plan
    runs: list[tuple[Trial, int]]
    epoch: int
    state: RunState
    saved_range: tuple[float, float] | None = None

    @property
    def config(self) -> FrozenConfigDict:
        """The config that all runs share, without the traced fields."""
        return self.runs[0][0].structural_config

    @property
    def seeds(self) -> list[int]:
        """The seed of each run."""
        return [seed for _, seed in self.runs]

    @property
    def pixel_range(self) -> tuple[float, float]:
        """The values of black and white in the images of the training.

        Raises: UserError where they are those of images that are gone.
        """
        described, data = self.plan.data, self.config.data
        if self.saved_range is not None:
            return self.saved_range
        if 'black' in described and 'white' in described:
            return described['black'], described['white']
        # Version 0.3.0 did not write them, and only npz had another scale than bytes.
        return load_config_digits(data).pixel_range if data.source == 'npz' else (0.0, 255.0)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class; its number where the images came without names."""
        data = self.plan.data
        names = data.get('class_names', [])[: data['num_classes']]
        return (*names, *map(str, range(len(names), data['num_classes'])))

    def __str__(self) -> str:
        trial, seeds = self.runs[0][0], self.seeds
        name = trial_name({'hyperparameters': trial.hyperparameters})
        return (
            f'{name}, trial {trial.index}, seed{"s" if len(seeds) > 1 else ""} '
            f'{", ".join(map(str, seeds))}, after epoch {self.epoch}, of {self.workdir}'
        )

    def select(self, wanted: Callable[[int, int], bool]) -> 'RestoredRuns':
        """The runs for which wanted(trial index, seed) is true."""
        indices = [i for i, (trial, seed) in enumerate(self.runs) if wanted(trial.index, seed)]
        state = jax.tree.map(lambda leaf: leaf[indices], self.state)
        return self._replace(runs=[self.runs[i] for i in indices], state=state)

    def apply(self, fn: Callable[[Pools, RunState], Any], pools: Pools) -> Any:
        """Applies a function of one run to every run; returns its results stacked, as host arrays.

        Args:
          fn: a pure function (pools, state of one run) -> pytree of arrays.
          pools: images and labels, host arrays.
        """
        # 0 is all devices: this host may have fewer than the training had.
        options = FrozenConfigDict({'devices': 0, 'per_batch': self.plan.config.runs.per_batch})
        layout = choose_layout(len(self.runs), options, EVALUATION_BATCH_SIZE)
        apply = over_runs(fn, layout, 1, compiler_options(EVALUATION_BATCH_SIZE))
        results = apply(replicate(pools, layout), place_runs(self.state, layout))
        return unstack_runs(results, layout)


def restore_program_runs(plan: Plan, workdir: Path, number: int) -> RestoredRuns | None:
    """Every run of program `number` from its newest checkpoint; None where there is none yet.

    Raises: UserError where the checkpoint is damaged, or has other runs or shapes than the plan.
    """
    # Orbax takes a second to import, which networks that are no checkpoints need not wait for.
    from pairjax.runtime.resume import restore_program

    restored = restore_program(plan, workdir, number)
    return restored and RestoredRuns(workdir, plan, plan.runs(number), *restored)


def restore_trial(
    plan: Plan, workdir: Path, index: int, seeds: Sequence[int] | None = None
) -> RestoredRuns:
    """Runs of one trial from their newest checkpoint.

    Args:
      plan: the plan of the experiment, see `read_plan`.
      workdir: where it was trained.
      index: the trial's index.
      seeds: the seeds to restore; all by default.

    Raises: UserError where there is no checkpoint, or it cannot be restored.
    """
    number = plan.program_of[index]
    restored = restore_program_runs(plan, workdir, number)
    if restored is None:
        raise UserError(
            f'{checkpoint_directory(workdir, number)} holds no checkpoint of trial {index} yet; '
            'train first with launch/main.py'
        )
    return restored.select(lambda i, seed: i == index and (seeds is None or seed in seeds))


def load_trained_digits(plan: Plan, workdir: Path) -> Digits:
    """The images that an experiment was trained on.

    Raises: UserError where they are missing or have changed.
    """
    source, digits = plan.config.data.source, load_config_digits(plan.config.data)
    # Not every version wrote all that is described now.
    described = describe_data(source, digits)
    if {name: described.get(name) for name in plan.data} != plan.data:
        raise UserError(
            f'the {source!r} digits have changed since {workdir} was trained; launch/evaluate.py '
            'evaluates on other digits, named with --data_source and --data_dir'
        )
    return digits
