"""Accuracy of trained runs over all pairs of the test pool instead of one round's test pairs.

Where the decision is made from the digit logits alone, one forward pass per image gives the
accuracy over all ordered pairs (`training.all_pairs`). Where a learned head decides, a fixed
sample of pairs is evaluated.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pairjax.data.pairs import PairIndices, Pools, relation_table
from pairjax.runtime.multihost import any_process
from pairjax.runtime.sharding import Layout, collect_runs, place_runs, replicate
from pairjax.runtime.vectorize import Programs
from pairjax.training.all_pairs import accuracy_of, correct_by_image, sampled_pairs
from pairjax.training.evaluate import NO_PAIR, EvalRequest
from pairjax.training.state import RunState


def all_pairs_accuracies(
    config: Any,
    programs: Programs,
    layout: Layout,
    pools: Pools,
    state: RunState,
    stopping: Callable[[], bool] = lambda: False,
) -> list[float | None] | None:
    """Each run's accuracy over all pairs of the test pool, or over a fixed sample of them.

    Args:
      config: of the program, see `Trial.structural_config`.
      programs: compiled for the runs.
      layout: of the runs.
      pools, state: on the devices as the layout says.
      stopping: whether this process was asked to stop.

    Returns: fractions, None for a run that failed or whose logits are not finite; None for all
      where any process was asked to stop meanwhile.
    """
    if programs.digit_logits:
        logits = collect_runs('digit logits', lambda: programs.digit_logits(pools, state), layout)
        accuracies, finite = _exact(config, logits, pools)
    else:
        found = _sampled(programs.evaluate, layout, pools, state, stopping)
        if found is None:
            return None
        accuracies, finite = found
    usable = finite & ~collect_runs('which runs failed', lambda: state.failed, layout)
    return [float(a) if ok else None for a, ok in zip(accuracies, usable, strict=True)]


def _exact(
    config: Any, both: tuple[np.ndarray, np.ndarray], pools: Pools
) -> tuple[list[float], np.ndarray]:
    """Each run's accuracy over all ordered pairs, and whether its logits are finite."""
    labels = np.asarray(pools.labels)[pools.num_train :]
    table = relation_table(config.data.relation, pools.num_classes)
    finite = np.all([np.isfinite(place).all(axis=(1, 2)) for place in both], axis=0)
    accuracies = [
        accuracy_of(correct_by_image(config.model.head, places, labels, table))
        for places in zip(*both, strict=True)
    ]
    return accuracies, finite


def _sampled(
    evaluate: Callable, layout: Layout, pools: Pools, state: RunState, stopping: Callable[[], bool]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Each run's accuracy over the sampled pairs, and whether its logits are finite.

    Sampled pairs replace the run's own so that the compiled `evaluate` is reused.
    """
    pairs = sampled_pairs(len(pools.labels) - pools.num_train) + pools.num_train
    sizes = [own.shape[1] for own in state.pairs]
    padding = ((0, -len(pairs) % sum(sizes)), (0, 0))
    right, finite = np.zeros(layout.num_runs, int), np.ones(layout.num_runs, bool)
    for part in np.pad(pairs, padding, constant_values=NO_PAIR).reshape(-1, sum(sizes), 2):

        def correct_of_part(part=part):
            sets = PairIndices(*np.split(part, np.cumsum(sizes)[:-1]))
            stacked = jax.tree.map(lambda own: np.stack([own] * layout.num_runs), sets)
            asked = EvalRequest(pools, replicate(np.bool_(True), layout))
            return evaluate(asked, state.replace(pairs=place_runs(stacked, layout)))

        if any_process('stop evaluating', stopping()):
            return None
        correct = collect_runs('sampled pairs', correct_of_part, layout)
        right += np.sum(correct.main, axis=0)
        finite &= correct.finite
    return right / len(pairs), finite
