"""Restores trained runs from a workdir: what it says of itself, then one program or one trial."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from pairjax.config import upgrade, validate
from pairjax.data.pairs import Pools
from pairjax.data.sources import Digits
from pairjax.errors import UserError
from pairjax.runtime import plan
from pairjax.runtime.sharding import choose_layout, place_runs, replicate, unstack_runs
from pairjax.runtime.vectorize import compiler_options, over_runs
from pairjax.training import train_step
from pairjax.training.evaluate import EVALUATION_BATCH_SIZE
from pairjax.training.state import RunState
from pairjax.trials import TRACED_FIELDS, TracedHyperparameters, Trial, trial_name
from pairjax.workdir.checkpoints import Checkpoints, check_seeds_and_epoch
from pairjax.workdir.workdir import checkpoint_directory, read_config


class RestoredRuns(NamedTuple):
    """Trained runs of equal structure, from one checkpoint.

    Attributes:
      workdir: where they were trained.
      runs: trial and seed of each.
      epoch: of the checkpoint.
      num_classes: of the images that they were trained on.
      state: host arrays with a leading axis over `runs`.
    """

    workdir: Path
    runs: list[tuple[Trial, int]]
    epoch: int
    num_classes: int
    state: RunState

    @property
    def config(self) -> FrozenConfigDict:
        """Of all runs, without the traced fields."""
        return self.runs[0][0].structural_config

    @property
    def seeds(self) -> list[int]:
        """The seed of each run."""
        return [seed for _, seed in self.runs]

    def __str__(self) -> str:
        trial, seeds = self.runs[0][0], self.seeds
        name = trial_name({'hyperparameters': trial.hyperparameters})
        return (
            f'{name}, trial {trial.index}, seed{"s" if len(seeds) > 1 else ""} '
            f'{", ".join(map(str, seeds))}, after epoch {self.epoch}, of {self.workdir}'
        )

    def select(self, wanted: Callable[[int, int], bool]) -> 'RestoredRuns':
        """The runs for which wanted(trial index, seed)."""
        places = [i for i, (trial, seed) in enumerate(self.runs) if wanted(trial.index, seed)]
        state = jax.tree.map(lambda leaf: leaf[places], self.state)
        return self._replace(runs=[self.runs[i] for i in places], state=state)


class SavedExperiment(NamedTuple):
    """What the config.json of a workdir says.

    Attributes:
      workdir: where it is.
      config: validated.
      data: source, pool sizes and fingerprint of the images that it was trained on.
      programs: its trials, those that share a checkpoint together.
    """

    workdir: Path
    config: FrozenConfigDict
    data: dict[str, Any]
    programs: list[list[Trial]]

    @property
    def num_trials(self) -> int:
        """The number of trials."""
        return sum(map(len, self.programs))

    def load_digits(self) -> Digits:
        """The images that it was trained on.

        Raises: UserError where they are gone or have changed.
        """
        digits = plan.load_config_digits(self.config.data)
        if plan.describe_data(self.config.data.source, digits) != self.data:
            raise UserError(
                f'the {self.config.data.source!r} digits have changed since {self.workdir} was '
                'trained; launch/evaluate.py evaluates on other digits, named with --data_source '
                'and --data_dir'
            )
        return digits

    def restore_program(self, number: int) -> RestoredRuns | None:
        """Every run of a program from its newest checkpoint; None where there is none yet.

        Raises: UserError where the checkpoint is damaged, or of other runs or another shape.
        """
        directory = checkpoint_directory(self.workdir, number)
        if not directory.is_dir():
            return None
        runs = plan.runs_of(self.programs[number], self.config)
        seeds, config = [seed for _, seed in runs], runs[0][0].structural_config
        checkpoints = Checkpoints(directory)
        epoch = checkpoints.latest_epoch
        if epoch is None:
            return None
        state = checkpoints.restore(_abstract_state(config, self.data, len(runs)))
        check_seeds_and_epoch(state, seeds, epoch, directory)
        return RestoredRuns(self.workdir, runs, epoch, self.data['num_classes'], state)

    def restore_trial(self, index: int, seeds: Sequence[int] | None = None) -> RestoredRuns:
        """Runs of one trial.

        Args:
          index: of the trial, from 0 to num_trials - 1.
          seeds: which of them; all by default.

        Raises: UserError where there is no checkpoint, or as `restore_program`.
        """
        number = next(
            number
            for number, program in enumerate(self.programs)
            if any(trial.index == index for trial in program)
        )
        restored = self.restore_program(number)
        if restored is None:
            raise UserError(
                f'{checkpoint_directory(self.workdir, number)} holds no checkpoint of trial '
                f'{index} yet; train first with launch/main.py'
            )
        return restored.select(lambda i, seed: i == index and (seeds is None or seed in seeds))


def read_saved_experiment(workdir: Path, fetch: bool = True) -> SavedExperiment:
    """Reads config.json.

    Args:
      workdir: what launch/main.py made.
      fetch: whether `load_digits` may download images where the config allows it.

    Raises: UserError where it is missing, damaged or does not fit this version.
    """
    saved = read_config(workdir)
    offline = {} if fetch else {'data.download': False}
    config, data = validate({**upgrade(saved['config']), **offline}), saved['data']
    trials, _ = plan.trials_in_range(config, plan.checked_trials(config), data['num_classes'])
    return SavedExperiment(workdir, config, data, plan.group_trials(trials))


def apply_to_runs(
    fn: Callable[[Pools, RunState], Any], pools: Pools, restored: RestoredRuns, per_batch: int
) -> Any:
    """What fn(pools, state) of one run returns for every restored run, as stacked host arrays.

    Args:
      fn: a pure function.
      pools: host arrays.
      restored: the runs.
      per_batch: config.runs.per_batch.
    """
    # All devices: there may be fewer than in training.
    options = FrozenConfigDict({'devices': 0, 'per_batch': per_batch})
    layout = choose_layout(len(restored.runs), options, EVALUATION_BATCH_SIZE)
    apply = over_runs(fn, layout, 1, compiler_options(EVALUATION_BATCH_SIZE))
    return unstack_runs(apply(replicate(pools, layout), place_runs(restored.state, layout)), layout)


def _abstract_state(config: Any, data: dict[str, Any], num_runs: int) -> Any:
    """Shapes and types of a program's checkpoint, from what the workdir says of its training."""
    num_images = data['train_pool'] + data['test_pool']
    pools = Pools(
        jax.ShapeDtypeStruct((num_images, 14, 14), jnp.float32),
        jax.ShapeDtypeStruct((num_images,), jnp.int32),
        data['train_pool'],
        data['num_classes'],
    )
    seeds = jax.ShapeDtypeStruct((num_runs,), jnp.int32)
    traced = jax.ShapeDtypeStruct((num_runs,), jnp.float32)
    hyper = TracedHyperparameters(*[traced] * len(TRACED_FIELDS))
    init = jax.vmap(partial(train_step.init_state, config), in_axes=(None, 0, 0))
    return jax.eval_shape(init, pools, seeds, hyper)
