"""The state of one run, and the keys of its randomness."""

import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from pairjax.data.pairs import PairIndices


class Purpose(enum.IntEnum):
    """What a run's seed is folded with for each use, so that no two uses share random bits."""

    PAIRS = 0
    PARAMS = 1
    SHUFFLE = 2
    DROPOUT = 3
    AUGMENT = 4


class Variables(NamedTuple):
    """A model's parameters, and the running averages of its batch normalisation if it has any."""

    params: Any
    batch_stats: Any


class TrainState(NamedTuple):
    """A network in training: the model's and the optimizer's trees."""

    variables: Variables
    opt_state: Any


@flax.struct.dataclass
class RunState:
    """Everything that a run carries from epoch to epoch.

    seed, epoch: int32 scalars. pairs: indices into the pools. mean, std: float32 scalars that
    standardise its images. learned: its network; the members of an ensemble are stacked on a
    leading axis. failed: bool, whether a loss was not finite.
    """

    seed: jax.Array
    epoch: jax.Array
    pairs: PairIndices
    mean: jax.Array
    std: jax.Array
    learned: TrainState
    failed: jax.Array


def run_key(seed: jax.Array, purpose: Purpose, *steps: jax.Array | int) -> jax.Array:
    """The typed key of one use of a run's randomness; a recurring use adds e.g. its epoch."""
    key = jax.random.fold_in(jax.random.key(seed), purpose)
    for step in steps:
        key = jax.random.fold_in(key, step)
    return key


def member_step(member: jax.Array | None) -> tuple:
    """What the key of an ensemble's member is folded with; empty for a run of one network."""
    return () if member is None else (member,)


def over_members(config: Any, fn: Callable, *learned: Any) -> Any:
    """Maps fn over the members of an ensemble: fn(*learned, member), results stacked.

    For a run of one network fn(*learned). On CPU members run one after the other, since a wider
    batch leaves the cache.
    """
    num_members = config.model.num_members
    if num_members == 1:
        return fn(*learned)
    stacked = (*learned, jnp.arange(num_members))
    if jax.default_backend() == 'cpu':
        return jax.lax.map(lambda arguments: fn(*arguments), stacked)
    return jax.vmap(fn)(*stacked)
