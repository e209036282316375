"""Accuracy of trained runs over all pairs of the test pool instead of one round's test pairs.

Where the decision is made from the digit logits alone, one forward pass per image gives the
accuracy over all ordered pairs (`training.all_pairs`). Where a learned head decides, a fixed
sample of pairs is evaluated.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from scipy.special import softmax

from pairjax.data.pairs import PairIndices, Pools, relation_table
from pairjax.runtime.sharding import RUNS, Layout, place_runs, replicate, unstack_runs
from pairjax.runtime.vectorize import compiler_options, over_runs
from pairjax.training.all_pairs import (
    exact_argmax_accuracy,
    exact_probability_accuracy,
    sampled_pairs,
)
from pairjax.training.evaluate import EVALUATION_BATCH_SIZE, NO_PAIR, EvalRequest, predict
from pairjax.training.state import RunState


def factorises(model: Any) -> bool:
    """Whether config.model decides from the digit logits alone, without a learned head."""
    return model.head != 'learned'


def whole_pool_accuracies(
    config: Any,
    evaluate: Callable,
    digits_of: Callable | None,
    layout: Layout,
    pools: Pools,
    state: RunState,
) -> list[float | None]:
    """Each run's accuracy over all pairs of the test pool, or over a fixed sample of them.

    Args:
      config: of the program, see `Trial.structural_config`.
      evaluate: the compiled program that evaluates the runs.
      digits_of: from `compile_digits_of` where the decision factorises.
      layout: of the runs.
      pools, state: on the devices as the layout says.

    Returns: fractions, None for a run that failed or whose logits are not finite.
    """
    if digits_of:
        accuracies, finite = _exact(config, digits_of, layout, pools, state)
    else:
        accuracies, finite = _sampled(evaluate, layout, pools, state)
    usable = finite & ~unstack_runs(state.failed, layout)
    return [float(a) if ok else None for a, ok in zip(accuracies, usable, strict=True)]


def compile_digits_of(config: Any, layout: Layout, pools: Pools, state: Any) -> Callable | None:
    """Compiles the digit logits of every test image as a and as b; None for a learned head.

    Args:
      config: of the program, see `Trial.structural_config`.
      layout: of its runs.
      pools: on the devices as the layout says.
      state: the shapes and types of the stacked runs.

    Returns: a compiled function (pools, state) -> two arrays (runs, images, classes) of logits.
    """
    if not factorises(config.model):
        return None
    images = np.arange(pools.num_train, len(pools.labels), dtype=np.int32)
    read = partial(_read, config, np.stack([images, images], axis=1))
    options, sharding = compiler_options(EVALUATION_BATCH_SIZE), NamedSharding(layout.mesh, RUNS)
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), state
    )
    return over_runs(read, layout, 1, options).lower(pools, shapes).compile()


def _read(config: Any, pairs: np.ndarray, pools: Pools, state: RunState) -> tuple:
    """The digit logits of one run for both images of pairs (n, 2)."""
    short = -len(pairs) % EVALUATION_BATCH_SIZE
    batches = jnp.pad(pairs, ((0, short), (0, 0))).reshape(-1, EVALUATION_BATCH_SIZE, 2)

    def read(indices):
        output = predict(config, pools.num_classes, state, pools.images[indices])
        return output.digit_logits_a, output.digit_logits_b

    logits = jax.lax.map(read, batches)
    return tuple(leaf.reshape(-1, leaf.shape[-1])[: len(pairs)] for leaf in logits)


def _exact(
    config: Any, digits_of: Callable, layout: Layout, pools: Pools, state: RunState
) -> tuple[list[float], np.ndarray]:
    """Each run's accuracy over all ordered pairs, and whether its logits are finite."""
    labels = np.asarray(pools.labels)[pools.num_train :]
    table = relation_table(config.data.relation, pools.num_classes)
    both = unstack_runs(digits_of(pools, state), layout)

    def count(*places):
        if config.model.head == 'argmax':
            return exact_argmax_accuracy(*(p.argmax(axis=1) for p in places), labels, table)
        beliefs = (softmax(place.astype(np.float64), axis=1) for place in places)
        return exact_probability_accuracy(*beliefs, labels, table)

    finite = np.all([np.isfinite(place).all(axis=(1, 2)) for place in both], axis=0)
    return [count(*places) for places in zip(*both, strict=True)], finite


def _sampled(
    evaluate: Callable, layout: Layout, pools: Pools, state: RunState
) -> tuple[np.ndarray, np.ndarray]:
    """Each run's accuracy over the sampled pairs, and whether its logits are finite.

    Sampled pairs replace the run's own so that the compiled `evaluate` is reused.
    """
    pairs = sampled_pairs(len(pools.labels) - pools.num_train) + pools.num_train
    sizes = [own.shape[1] for own in state.pairs]
    padding = ((0, -len(pairs) % sum(sizes)), (0, 0))
    asked = EvalRequest(pools, replicate(np.bool_(True), layout))
    right, finite = np.zeros(layout.num_runs, int), np.ones(layout.num_runs, bool)
    for part in np.pad(pairs, padding, constant_values=NO_PAIR).reshape(-1, sum(sizes), 2):
        sets = PairIndices(*np.split(part, np.cumsum(sizes)[:-1]))
        stacked = jax.tree.map(lambda own: np.stack([own] * layout.num_runs), sets)
        state = state.replace(pairs=place_runs(stacked, layout))
        correct = unstack_runs(evaluate(asked, state), layout)
        right += np.sum(correct.main, axis=0)
        finite &= correct.finite
    return right / len(pairs), finite
