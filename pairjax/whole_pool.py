"""Accuracy of trained runs over the whole test pool instead of one round's test pairs.

Where the decision is made from the two digits alone, it factorises: what is read in each image
gives the accuracy over all ordered pairs (`exact`). Where a learned head decides, a fixed sample
of pairs is asked.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from scipy.special import softmax

from pairjax.exact import (
    exact_argmax_accuracy,
    exact_probability_accuracy,
    sampled_pairs,
)
from pairjax.layout import RUNS, Layout, unstack_runs
from pairjax.pairs import Pools, relation_table
from pairjax.runs import compiler_options, over_runs
from pairjax.scoring import EVALUATION_BATCH_SIZE, predict
from pairjax.training import RunState


def factorises(model: Any) -> bool:
    """Whether config.model decides from the two digits' outputs alone, without a learned head."""
    return model.head != 'learned'


class WholePool(NamedTuple):
    """A compiled question to all runs of a program, and what to make of one run's answer."""

    ask: Callable
    count: Callable


def compile_whole_pool(config: Any, layout: Layout, pools: Pools, state: Any) -> WholePool:
    """Compiles what `whole_pool_accuracies` asks.

    Args:
      config: of any trial of the program.
      layout: of its runs.
      pools: on the devices as the layout says.
      state: the stacked runs, or their shapes and types.
    """
    labels = np.asarray(pools.labels)[pools.num_train :]
    table = relation_table(config.data.relation, pools.num_classes)
    pairs, count = (_digit_pairs if factorises(config.model) else _sample)(config, labels, table)
    ask = partial(_ask, config, pairs + pools.num_train)
    options, sharding = compiler_options(EVALUATION_BATCH_SIZE), NamedSharding(layout.mesh, RUNS)
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), state
    )
    return WholePool(over_runs(ask, layout, 1, options).lower(pools, shapes).compile(), count)


def whole_pool_accuracies(
    question: WholePool, layout: Layout, pools: Pools, state: RunState
) -> list[float | None]:
    """Each run's accuracy over all pairs of the test pool, or over a fixed sample of them.

    Args:
      question: compiled for these runs.
      layout: of the runs.
      pools, state: on the devices as the layout says.

    Returns: fractions, None for a run that failed or whose answers are not finite.
    """
    outputs = unstack_runs(question.ask(pools, state), layout)
    failed = unstack_runs(state.failed, layout)
    accuracies = []
    for i in range(layout.num_runs):
        mine = jax.tree.map(lambda leaf, i=i: leaf[i], outputs)
        finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(mine))
        accuracies.append(question.count(mine) if finite and not failed[i] else None)
    return accuracies


def _ask(config: Any, pairs: np.ndarray, pools: Pools, state: RunState) -> tuple:
    """What one run says of pairs (n, 2): digit logits of both images, or the main logits alone."""
    short = -len(pairs) % EVALUATION_BATCH_SIZE
    batches = jnp.pad(pairs, ((0, short), (0, 0))).reshape(-1, EVALUATION_BATCH_SIZE, 2)

    def ask(indices):
        output = predict(config, pools.num_classes, state, pools.images[indices])
        if factorises(config.model):
            return output.digit_logits_a, output.digit_logits_b
        return (output.main_logits,)

    answers = jax.lax.map(ask, batches)
    return tuple(leaf.reshape(-1, leaf.shape[-1])[: len(pairs)] for leaf in answers)


def _sample(config: Any, labels: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, Callable]:
    """The sampled pairs, and the share of right answers from one run's main logits."""
    pairs = sampled_pairs(len(labels))
    targets = table[labels[pairs[:, 0]], labels[pairs[:, 1]]]

    def count(logits):
        return float((logits[0].argmax(axis=1) == targets).mean())

    return pairs, count


def _digit_pairs(config: Any, labels: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, Callable]:
    """Pairs that hold each image in both places, and the accuracy from their digit logits."""
    each = np.arange(len(labels), dtype=np.int32)

    def count(logits):
        if config.model.head == 'argmax':
            first, second = (place.argmax(axis=1) for place in logits)
            return exact_argmax_accuracy(first, second, labels, table)
        first, second = (softmax(place.astype(np.float64), axis=1) for place in logits)
        return exact_probability_accuracy(first, second, labels, table)

    return np.stack([each, each], axis=1), count
