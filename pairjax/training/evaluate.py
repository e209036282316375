"""Evaluates one run: forward pass and correct counts (pure functions)."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from pairjax.data.pairs import PairIndices, Pools, pair_targets
from pairjax.models.decision import with_main_logits
from pairjax.models.networks import PairOutput
from pairjax.training.state import RunState, over_members
from pairjax.training.train_step import model_structure, standardize

# Pairs in one forward pass. Each set is padded to whole passes, so that its result does not depend
# on which other sets are evaluated.
EVALUATION_BATCH_SIZE = 125
# Index of both images in the pairs that pad a set; they count as wrong.
NO_PAIR = -1


class Correct(NamedTuple):
    """Numbers of correct predictions per set of pairs, int32 scalars.

    main: of pairs. digits: of images, None without digit heads. finite: bool, whether all logits
    were; a run can diverge in its very last step.
    """

    main: PairIndices
    digits: PairIndices | None
    finite: jax.Array

    def of_test(self) -> 'Correct':
        """The counts of the test pairs alone."""
        main, digits = (c and PairIndices(None, None, c.test) for c in self[:2])
        return self._replace(main=main, digits=digits)


def predict(config: Any, num_classes: int, state: RunState, images: jax.Array) -> PairOutput:
    """Logits of a trained run in evaluation mode.

    The logits of an ensemble are the logarithm of its members' mean softmax.

    Args:
      config: the config of the run's program, see `Trial.structural_config`.
      num_classes: number of digit classes.
      state: the run's state.
      images: raw, (batch, 2, 14, 14).
    """
    structure = model_structure(config, num_classes, training=False)
    images = standardize(state, images)

    def apply(learned, member=None):
        return nnx.merge(structure, *learned.variables)(images)

    output = over_members(config, apply, state.learned)
    if config.model.num_members > 1:
        output = jax.tree.map(
            lambda x: jax.nn.logsumexp(jax.nn.log_softmax(x), axis=0) - jnp.log(len(x)), output
        )
    return with_main_logits(config, output)


class EvalRequest(NamedTuple):
    """The pools, and whether to evaluate all sets of pairs or the test pairs alone."""

    pools: Pools
    all_sets: jax.Array | bool


def evaluate(config: Any, request: EvalRequest, state: RunState) -> Correct:
    """Correct predictions on the run's train, validation and test pairs, batch after batch.

    Where only test pairs are evaluated, the counts of the other sets are 0.
    """
    batches_before_test = sum(
        -(-len(pairs) // EVALUATION_BATCH_SIZE)
        for pairs in (state.pairs.train, state.pairs.validation)
    )
    first = jnp.where(request.all_sets, 0, batches_before_test)
    return count_correct(config, request.pools, state, state.pairs, first)


def count_correct(
    config: Any, pools: Pools, state: RunState, sets: PairIndices, first: jax.Array | int = 0
) -> Correct:
    """Correct predictions of a run on given sets of pairs.

    Args:
      config: the config of the run's program, see `Trial.structural_config`.
      pools: the images and labels.
      state: the run's state.
      sets: each (n, 2) int32 or None; pairs of NO_PAIR count as wrong.
      first: int32 scalar; batches before this number are skipped and count as wrong.
    """

    def compare(indices):
        """Of a batch: correct pairs (n,), correct digits (n, 2) or None, any logit not finite."""
        classes = pools.labels[indices]
        output = predict(config, pools.num_classes, state, pools.images[indices])
        finite = jnp.isfinite(output.main_logits).all()
        targets = pair_targets(config.data.relation, classes)
        main = (output.main_logits.argmax(axis=1) == targets) & (indices[:, 0] != NO_PAIR)
        if output.digit_logits_a is None:
            return main, None, ~finite
        logits = jnp.stack([output.digit_logits_a, output.digit_logits_b], axis=1)
        digits = (logits.argmax(axis=2) == classes) & (indices != NO_PAIR)
        return main, digits, ~(finite & jnp.isfinite(logits).all())

    padded = [_pad_to_whole_batches(pairs) for pairs in jax.tree.leaves(sets)]
    batches = jnp.concatenate(padded).reshape(-1, EVALUATION_BATCH_SIZE, 2)
    skipped = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(compare, batches[0])
    )

    def unless_skipped(numbered):
        number, indices = numbered
        return jax.lax.cond(number >= first, compare, lambda _: skipped, indices)

    main, digits, not_finite = jax.lax.map(unless_skipped, (jnp.arange(len(batches)), batches))
    ends = np.cumsum([len(pairs) for pairs in padded])[:-1]

    def count(correct):
        parts = jnp.split(correct.reshape(-1, *correct.shape[2:]), ends)
        counts = [part.sum(dtype=jnp.int32) for part in parts]
        return jax.tree.unflatten(jax.tree.structure(sets), counts)

    return Correct(count(main), None if digits is None else count(digits), ~not_finite.any())


def digit_logits(config: Any, pools: Pools, state: RunState) -> tuple[jax.Array, jax.Array]:
    """A run's digit logits (images, classes) of every test image, as the first and as the second.

    Arguments as in `count_correct`.
    """
    images = jnp.arange(pools.num_train, len(pools.labels))

    def predict_digits(indices):
        output = predict(config, pools.num_classes, state, pools.images[indices])
        return output.digit_logits_a, output.digit_logits_b

    return over_batches(predict_digits, jnp.stack([images, images], axis=1))


def over_batches(fn: Callable[[jax.Array], Any], pairs: jax.Array) -> Any:
    """What fn returns for pairs (n, 2), which it gets in the batches of evaluation."""
    batches = _pad_to_whole_batches(pairs).reshape(-1, EVALUATION_BATCH_SIZE, 2)
    results = jax.lax.map(fn, batches)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[: len(pairs)], results)


def _pad_to_whole_batches(pairs: jax.Array) -> jax.Array:
    padding = ((0, -len(pairs) % EVALUATION_BATCH_SIZE), (0, 0))
    return jnp.pad(pairs, padding, constant_values=NO_PAIR)
