"""ONE run as pure functions: its initial state, one epoch of training, its evaluation.

A run is a function of (trial, seed) alone. Arrays go in and come out; nothing
here touches the disk, and nothing knows that many runs are stacked.
"""

import enum
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax import nnx

from pairjax.errors import UserError, unknown_name
from pairjax.layers import Dropout, count_dropout_units, random_bytes
from pairjax.losses import pair_loss
from pairjax.models import build_model
from pairjax.pairs import PairIndices, Pools, draw_pairs, pair_targets

# Pairs in one pass of the evaluation. Every set starts a pass of its own, so that a set's
# result does not depend on which sets are evaluated with it.
EVALUATION_BATCH_SIZE = 125


class Purpose(enum.IntEnum):
    """What a run's key is folded with, so that no two uses share random bits."""

    PAIRS = 0
    PARAMS = 1
    SHUFFLE = 2
    DROPOUT = 3


class Hyperparameters(NamedTuple):
    """The floats that may differ between runs of one program, float32 scalars."""

    learning_rate: jax.Array
    weight_decay: jax.Array
    main_weight: jax.Array
    aux_weight: jax.Array
    dropout_rate: jax.Array


@flax.struct.dataclass
class RunState:
    """Everything that a run carries from epoch to epoch.

    seed, epoch: int32 scalars. pairs: indices into the pools. mean, deviation:
    float32 scalars that standardise its images. params, opt_state: the model's
    and the optimizer's trees. failed: bool, whether a loss was not finite.
    """

    seed: jax.Array
    epoch: jax.Array
    pairs: PairIndices
    mean: jax.Array
    deviation: jax.Array
    params: Any
    opt_state: Any
    failed: jax.Array


class Correct(NamedTuple):
    """Right answers per set of pairs, int32; `digits` counts images, None without digit heads.

    finite: bool, whether every logit was; a run can diverge in its very last step.
    """

    main: PairIndices
    digits: PairIndices | None
    finite: jax.Array


OPTIMIZERS: dict[str, Callable[[Hyperparameters], optax.GradientTransformation]] = {
    'adam': lambda h: optax.adam(h.learning_rate),
    'adamw': lambda h: optax.adamw(h.learning_rate, weight_decay=h.weight_decay),
}


def check_optimizer_config(optimizer: Any) -> None:
    """Raises UserError where config.optimizer names no optimizer or one that lacks a setting."""
    if optimizer.name not in OPTIMIZERS:
        raise unknown_name('optimizer.name', optimizer.name, OPTIMIZERS)
    if optimizer.name == 'adam' and optimizer.weight_decay != 0:
        raise UserError(
            f'optimizer.weight_decay={optimizer.weight_decay} is not used by adam; set '
            'it to 0 or take optimizer.name=adamw'
        )


def run_key(seed: jax.Array, purpose: Purpose, *steps: jax.Array | int) -> jax.Array:
    """The typed key of one use of a run's randomness, for a recurring use at one step."""
    key = jax.random.fold_in(jax.random.key(seed), purpose)
    for step in steps:
        key = jax.random.fold_in(key, step)
    return key


def init_state(
    config: Any, pools: Pools, seed: jax.Array, hyperparameters: Hyperparameters
) -> RunState:
    """Draws a run's pairs and initial parameters.

    Args:
      config: the trial's config; only its structural fields are read.
      pools: the images and labels.
      seed: int32 scalar.
      hyperparameters: of the optimizer whose state is made.
    """
    pairs = draw_pairs(run_key(seed, Purpose.PAIRS), config.data, pools)
    mean, deviation = jnp.float32(0), jnp.float32(1)
    if config.data.standardize:
        images = pools.images[pairs.train].astype(jnp.float32)
        mean = images.mean()
        # A pool of one constant colour has no deviation to divide by.
        deviation = jnp.maximum(images.std(ddof=1), 1e-6)
    rngs = nnx.Rngs(params=run_key(seed, Purpose.PARAMS))
    params = nnx.state(build_model(config.model, pools.num_classes, rngs), nnx.Param)
    opt_state = OPTIMIZERS[config.optimizer.name](hyperparameters).init(params)
    return RunState(
        jnp.int32(seed), jnp.int32(0), pairs, mean, deviation, params, opt_state, jnp.bool(False)
    )


def model_structure(config: Any, num_classes: int) -> nnx.GraphDef:
    """The static part of the model; `nnx.merge(structure, params)` is the model."""
    return nnx.graphdef(
        nnx.eval_shape(
            lambda: build_model(config.model, num_classes, nnx.Rngs(params=jax.random.key(0)))
        )
    )


def standardized_images(pools: Pools, state: RunState, indices: jax.Array) -> jax.Array:
    """Images of pairs (batch, 2) -> (batch, 2, 14, 14) float32, as the run sees them."""
    return (pools.images[indices].astype(jnp.float32) - state.mean) / state.deviation


def train_epoch(
    config: Any, pools: Pools, state: RunState, hyperparameters: Hyperparameters
) -> tuple[RunState, jax.Array]:
    """One pass over the train pairs.

    Where the batch size does not divide the number of pairs, the last batch is
    smaller and its loss is the mean over the pairs it has.

    Returns: the next state, and the mean training loss over pairs, float32;
      not-a-number from the first epoch on in which it was not finite.
    """
    structure = model_structure(config, pools.num_classes)
    tx = OPTIMIZERS[config.optimizer.name](hyperparameters)
    num_pairs, batch_size = config.data.num_train_pairs, _batch_size(config)
    num_full, num_left = divmod(num_pairs, batch_size)
    pairs, noise = state.pairs.train, _dropout_noise(config, structure, state)
    if config.train.shuffle:
        key = run_key(state.seed, Purpose.SHUFFLE, state.epoch)
        pairs = jax.random.permutation(key, pairs)

    def loss_fn(params, indices, noise):
        classes = pools.labels[indices]
        dropout = Dropout(noise, hyperparameters.dropout_rate)
        output = nnx.merge(structure, params)(standardized_images(pools, state, indices), dropout)
        targets = pair_targets(config.data.relation, classes)
        return pair_loss(
            output, classes, targets, hyperparameters.main_weight, hyperparameters.aux_weight
        )

    def train_step(carry, batch):
        params, opt_state = carry
        loss, grads = jax.value_and_grad(loss_fn)(params, *batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    carry = (state.params, state.opt_state)
    batches = pairs[: num_full * batch_size].reshape(num_full, batch_size, 2)
    carry, losses = jax.lax.scan(train_step, carry, (batches, noise[:num_full]))
    total = losses.sum() * batch_size
    if num_left:
        carry, loss = train_step(carry, (pairs[-num_left:], noise[-1]))
        total += loss * num_left
    params, opt_state = carry
    failed = state.failed | ~jnp.isfinite(total)
    state = state.replace(params=params, opt_state=opt_state, epoch=state.epoch + 1, failed=failed)
    return state, jnp.where(failed, jnp.nan, total / num_pairs)


def _batch_size(config: Any) -> int:
    """The pairs of a full batch; a size beyond all pairs means all, and takes no more memory."""
    return min(config.train.batch_size, config.data.num_train_pairs)


def _dropout_noise(config: Any, structure: nnx.GraphDef, state: RunState) -> jax.Array:
    """The random bytes of an epoch's dropout, a row a step, from one draw: many would be slow."""

    def apply(params, images, dropout):
        return nnx.merge(structure, params)(images, dropout)

    images = jax.ShapeDtypeStruct((_batch_size(config), 2, 14, 14), jnp.float32)
    num_units = count_dropout_units(apply, state.params, images)
    num_steps = -(-config.data.num_train_pairs // config.train.batch_size)
    key = run_key(state.seed, Purpose.DROPOUT, state.epoch)
    return random_bytes(key, num_steps, num_units)


def evaluate(config: Any, pools: Pools, state: RunState) -> Correct:
    """Right answers on the train, validation and test pairs, from one pass over each."""
    return count_correct(config, pools, state, state.pairs)


def count_correct(config: Any, pools: Pools, state: RunState, sets: PairIndices) -> Correct:
    """Right answers of a run on sets of pairs, each (n, 2) int32 or None."""
    structure = model_structure(config, pools.num_classes)

    def answer(indices):
        classes = pools.labels[indices]
        output = nnx.merge(structure, state.params)(standardized_images(pools, state, indices))
        finite = jnp.isfinite(output.main_logits).all()
        main = output.main_logits.argmax(axis=1) == pair_targets(config.data.relation, classes)
        if output.digit_logits_a is None:
            return main, None, finite
        digits = jnp.stack([output.digit_logits_a, output.digit_logits_b], axis=1)
        return main, digits.argmax(axis=2) == classes, finite & jnp.isfinite(digits).all()

    padded = [_pad_to_whole_batches(pairs) for pairs in jax.tree.leaves(sets)]
    starts = itertools.accumulate([0, *map(len, padded)])
    slices = [slice(i, i + len(s)) for i, s in zip(starts, jax.tree.leaves(sets), strict=False)]
    batches = jnp.concatenate(padded).reshape(-1, EVALUATION_BATCH_SIZE, 2)
    main, digits, finite = jax.lax.map(answer, batches)

    def count(right):
        right = right.reshape(-1, *right.shape[2:])
        counts = [right[part].sum(dtype=jnp.int32) for part in slices]
        return jax.tree.unflatten(jax.tree.structure(sets), counts)

    return Correct(count(main), None if digits is None else count(digits), finite.all())


def _pad_to_whole_batches(pairs: jax.Array) -> jax.Array:
    return jnp.pad(pairs, ((0, -len(pairs) % EVALUATION_BATCH_SIZE), (0, 0)))
