"""ONE run asked, as pure functions: what it says of images, and how often it is right."""

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from pairjax.data.pairs import PairIndices, Pools, pair_targets
from pairjax.models.decision import with_main_logits
from pairjax.models.networks import PairOutput
from pairjax.training.state import RunState, over_members
from pairjax.training.train_step import model_structure, standardize

# Pairs in one pass of the evaluation. Every set starts a pass of its own, so that a set's
# result does not depend on which sets are evaluated with it.
EVALUATION_BATCH_SIZE = 125
# Stands for both images where a set of pairs is filled up; no answer to it is right.
NO_PAIR = -1


class Correct(NamedTuple):
    """Right answers per set of pairs, int32; `digits` counts images, None without digit heads.

    finite: bool, whether every logit was; a run can diverge in its very last step.
    """

    main: PairIndices
    digits: PairIndices | None
    finite: jax.Array

    def of_test(self) -> 'Correct':
        """The same where only the test pairs were asked."""
        main, digits = (c and PairIndices(None, None, c.test) for c in self[:2])
        return self._replace(main=main, digits=digits)


def predict(config: Any, num_classes: int, state: RunState, images: jax.Array) -> PairOutput:
    """What a trained run says of raw images (batch, 2, 14, 14), as its evaluation does.

    The logits of several networks are the logarithm of their mean softmax.
    """
    structure = model_structure(config, num_classes, training=False)
    images = standardize(state, images)

    def ask(learned, member=None):
        return nnx.merge(structure, *learned.variables)(images)

    output = over_members(config, ask, state.learned)
    if config.model.num_members > 1:
        output = jax.tree.map(
            lambda x: jax.nn.logsumexp(jax.nn.log_softmax(x), axis=0) - jnp.log(len(x)), output
        )
    return with_main_logits(config, output)


class EvalRequest(NamedTuple):
    """What an evaluation is of: the pools, and whether all sets are asked or test pairs alone."""

    pools: Pools
    all_sets: jax.Array | bool


def evaluate(config: Any, asked: EvalRequest, state: RunState) -> Correct:
    """Right answers on the train, validation and test pairs, from one pass over each.

    Where only the test pairs are asked, the number of right answers on the others is 0.
    """
    batches_before_test = sum(
        -(-len(pairs) // EVALUATION_BATCH_SIZE)
        for pairs in (state.pairs.train, state.pairs.validation)
    )
    first = jnp.where(asked.all_sets, 0, batches_before_test)
    return count_correct(config, asked.pools, state, state.pairs, first)


def count_correct(
    config: Any, pools: Pools, state: RunState, sets: PairIndices, first: jax.Array | int = 0
) -> Correct:
    """Right answers of a run on sets of pairs, each (n, 2) int32 or None; NO_PAIR counts nothing.

    Batches before number `first`, an int32 scalar, are not asked, and have no right answers.
    """

    def right_answers(indices):
        classes = pools.labels[indices]
        output = predict(config, pools.num_classes, state, pools.images[indices])
        finite = jnp.isfinite(output.main_logits).all()
        targets = pair_targets(config.data.relation, classes)
        main = (output.main_logits.argmax(axis=1) == targets) & (indices[:, 0] != NO_PAIR)
        if output.digit_logits_a is None:
            return main, None, finite
        digits = jnp.stack([output.digit_logits_a, output.digit_logits_b], axis=1)
        right = (digits.argmax(axis=2) == classes) & (indices != NO_PAIR)
        return main, right, finite & jnp.isfinite(digits).all()

    padded = [_pad_to_whole_batches(pairs) for pairs in jax.tree.leaves(sets)]
    starts = itertools.accumulate([0, *map(len, padded)])
    slices = [slice(i, i + len(s)) for i, s in zip(starts, jax.tree.leaves(sets), strict=False)]
    batches = jnp.concatenate(padded).reshape(-1, EVALUATION_BATCH_SIZE, 2)
    nothing = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(right_answers, batches[0])
    )

    def unless_before_first(numbered):
        number, indices = numbered
        *right, finite = jax.lax.cond(
            number >= first, right_answers, lambda _: (*nothing[:2], jnp.bool(True)), indices
        )
        return *right, finite

    main, digits, finite = jax.lax.map(unless_before_first, (jnp.arange(len(batches)), batches))

    def count(right):
        right = right.reshape(-1, *right.shape[2:])
        counts = [right[part].sum(dtype=jnp.int32) for part in slices]
        return jax.tree.unflatten(jax.tree.structure(sets), counts)

    return Correct(count(main), None if digits is None else count(digits), finite.all())


def _pad_to_whole_batches(pairs: jax.Array) -> jax.Array:
    padding = ((0, -len(pairs) % EVALUATION_BATCH_SIZE), (0, 0))
    return jnp.pad(pairs, padding, constant_values=NO_PAIR)
