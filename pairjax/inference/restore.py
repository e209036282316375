"""Restores the runs of a program from its checkpoint, with nothing but what the workdir says."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from pairjax.data.pairs import Pools
from pairjax.training import train_step
from pairjax.training.state import RunState
from pairjax.trials import TRACED_FIELDS, TracedHyperparameters
from pairjax.workdir.checkpoints import Checkpoints, check_origin
from pairjax.workdir.workdir import checkpoint_directory


def restore_program(
    workdir: Path, number: int, config: Any, seeds: Sequence[int], trained_on: dict[str, Any]
) -> tuple[int, RunState] | None:
    """The newest checkpoint of program `number`: its epoch and its stacked host arrays.

    Args:
      workdir: what launch/main.py made.
      number: of the program, in the order of `plan.group_trials`.
      config: of the program, see `Trial.structural_config`.
      seeds: of the program's runs, in their order.
      trained_on: what config.json says of the digits.

    Returns: None where there is no checkpoint yet.
    Raises: UserError where it is damaged, or of other runs or another shape.
    """
    directory = checkpoint_directory(workdir, number)
    if not directory.is_dir():
        return None
    # Another process may be training here: what it is about to save is left alone.
    with Checkpoints(directory, cleanup=False) as checkpoints:
        epoch = checkpoints.latest_epoch
        if epoch is None:
            return None
        state = checkpoints.restore(_abstract_state(config, trained_on, len(seeds)))
    check_origin(state, seeds, epoch, directory)
    return epoch, state


def _abstract_state(config: Any, trained_on: dict[str, Any], num_runs: int) -> Any:
    """Shapes of a program's checkpoint, from what the workdir says of its training."""
    num_images = trained_on['train_pool'] + trained_on['test_pool']
    pools = Pools(
        jax.ShapeDtypeStruct((num_images, 14, 14), jnp.float32),
        jax.ShapeDtypeStruct((num_images,), jnp.int32),
        trained_on['train_pool'],
        trained_on['num_classes'],
    )
    seeds = jax.ShapeDtypeStruct((num_runs,), jnp.int32)
    traced = jax.ShapeDtypeStruct((num_runs,), jnp.float32)
    hyper = TracedHyperparameters(*[traced] * len(TRACED_FIELDS))
    init = jax.vmap(partial(train_step.init_state, config), in_axes=(None, 0, 0))
    return jax.eval_shape(init, pools, seeds, hyper)
