"""Draws a round's pairs from the pools and labels them by a relation between classes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from pairjax.data.sources import Digits
from pairjax.errors import UserError, unknown_name

# The target of a pair from its two classes; add a relation by adding a line.
RELATIONS: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    'less_equal': lambda a, b: a <= b,
    'less': lambda a, b: a < b,
    'equal': lambda a, b: a == b,
    'same_parity': lambda a, b: a % 2 == b % 2,
}


@flax.struct.dataclass
class Pools:
    """Both pools, the train pool first; indices address this one array.

    NumPy arrays until `replicate` places them on devices.

    images: (n, 14, 14) float32 or uint8, as the source has them. labels: (n,) int32.
    """

    images: jax.Array
    labels: jax.Array
    num_train: int = flax.struct.field(pytree_node=False)
    num_classes: int = flax.struct.field(pytree_node=False)


class PairIndices(NamedTuple):
    """Which images make up a round: indices into `Pools`, (n, 2) int32, None for no such set."""

    train: jax.Array
    validation: jax.Array
    test: jax.Array


def make_pools(digits: Digits) -> Pools:
    """Puts the train pool and the test pool into one NumPy array, train first."""
    return Pools(
        images=np.concatenate([digits.train_images, digits.test_images]),
        labels=np.concatenate([digits.train_labels, digits.test_labels]),
        num_train=len(digits.train_labels),
        num_classes=digits.num_classes,
    )


def check_data_config(data: Any, num_train: int, num_test: int) -> None:
    """Raises UserError where the relation is unknown or a pool is too small for the pairs."""
    if data.relation not in RELATIONS:
        raise unknown_name('data.relation', data.relation, RELATIONS)
    wanted = 2 * (data.num_train_pairs + data.num_validation_pairs)
    if wanted > num_train:
        raise UserError(
            f'data.num_train_pairs={data.num_train_pairs} and data.num_validation_pairs='
            f'{data.num_validation_pairs} need {wanted} images without replacement, but the train '
            f'pool of {data.source!r} has {num_train}; ask for at most {num_train // 2} in all'
        )
    check_test_pool(data.num_test_pairs, num_test, data.source)


def check_test_pool(num_test_pairs: int, num_test: int, source: str) -> None:
    """Raises UserError where a source's test pool is too small for the test pairs."""
    if 2 * num_test_pairs > num_test:
        raise UserError(
            f'data.num_test_pairs={num_test_pairs} needs {2 * num_test_pairs} images without '
            f'replacement, but the test pool of {source!r} has {num_test}, enough for '
            f'{num_test // 2} pairs'
        )


def draw_pairs(key: jax.Array, data: Any, pools: Pools) -> PairIndices:
    """Draws one round's pairs without replacement, as both reports do.

    Validation pairs come from the other end of the train pool's permutation, so
    that they stay where they are when the number of train pairs changes.

    Args:
      key: typed key of this purpose.
      data: config.data with num_train_pairs, num_validation_pairs, num_test_pairs.
      pools: see `Pools`.
    """
    train_pool = jax.random.permutation(jax.random.fold_in(key, 0), pools.num_train)
    return PairIndices(
        train=_as_pairs(train_pool, data.num_train_pairs),
        validation=_as_pairs(train_pool[::-1], data.num_validation_pairs),
        test=draw_test_pairs(key, data.num_test_pairs, pools),
    )


def draw_test_pairs(key: jax.Array, num_pairs: int, pools: Pools) -> jax.Array:
    """The test pairs of `draw_pairs` with the same key, (num_pairs, 2) int32."""
    num_test = pools.labels.shape[0] - pools.num_train
    test_pool = jax.random.permutation(jax.random.fold_in(key, 1), num_test)
    return _as_pairs(pools.num_train + test_pool, num_pairs)


def _as_pairs(order: jax.Array, num_pairs: int) -> jax.Array:
    return order[: 2 * num_pairs].reshape(num_pairs, 2).astype(jnp.int32)


def pair_targets(relation: str, classes: jax.Array) -> jax.Array:
    """Whether the relation holds: classes (..., 2) int32 -> (...,) int32 of 0 and 1."""
    return RELATIONS[relation](classes[..., 0], classes[..., 1]).astype(jnp.int32)


def relation_table(relation: str, num_classes: int) -> np.ndarray:
    """(num_classes, num_classes) bool: entry [a, b] says whether the relation holds for a, b."""
    classes = np.arange(num_classes)
    return np.asarray(RELATIONS[relation](classes[:, None], classes[None, :]), bool)
