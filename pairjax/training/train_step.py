"""Trains one run: initial state, train step and epoch (pure functions).

A run is a function of (trial, seed) alone. Nothing here touches the disk, and nothing knows that
many runs are stacked.
"""

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from ml_collections import FrozenConfigDict

from pairjax.data import augmentation
from pairjax.data.pairs import Pools, draw_pairs, pair_targets
from pairjax.models.decision import with_main_logits
from pairjax.models.layers import Dropout, count_dropout_units, random_bytes
from pairjax.models.networks import PairModel
from pairjax.models.registry import MODELS, build_model
from pairjax.training.losses import LOSSES
from pairjax.training.optimizers import make_tx
from pairjax.training.state import (
    Purpose,
    RunState,
    TrainState,
    Variables,
    member_step,
    over_members,
    run_key,
)
from pairjax.trials import TracedHyperparameters

# Below so many pairs a step is mostly overhead.
SMALL_BATCH_SIZE = 8


def init_state(
    config: Any, pools: Pools, seed: jax.Array, hyperparameters: TracedHyperparameters
) -> RunState:
    """Draws a run's pairs and initial parameters.

    Args:
      config: the config of the run's program, see `Trial.structural_config`.
      pools: the images and labels.
      seed: int32 scalar.
      hyperparameters: the run's traced hyperparameters, for the optimizer state.
    """
    pairs = draw_pairs(run_key(seed, Purpose.PAIRS), config.data, pools)
    mean, std = jnp.float32(0), jnp.float32(1)
    if config.data.standardize:
        images = pools.images[pairs.train].astype(jnp.float32)
        mean = images.mean()
        # Images of one constant colour have a std of 0.
        std = jnp.maximum(images.std(ddof=1), 1e-6)
    tx = run_tx(config, hyperparameters)

    def init_member(member=None):
        key = run_key(seed, Purpose.PARAMS, *member_step(member))
        model = build_model(config.model, pools.num_classes, nnx.Rngs(params=key))
        variables = Variables(nnx.state(model, nnx.Param), nnx.state(model, nnx.BatchStat))
        return TrainState(variables, tx.init(variables.params))

    return RunState(
        seed=jnp.int32(seed),
        epoch=jnp.int32(0),
        pairs=pairs,
        mean=mean,
        std=std,
        learned=over_members(config, init_member),
        failed=jnp.bool(False),
    )


def num_steps(config: Any) -> int:
    """Training steps an epoch."""
    return -(-config.data.num_train_pairs // config.train.batch_size)


def run_tx(config: Any, hyperparameters: TracedHyperparameters) -> optax.GradientTransformation:
    """The optimizer of a run, scheduled over all its steps."""
    tx = make_tx(config.optimizer, hyperparameters, num_steps(config) * config.train.num_epochs)
    # One kernel for all parameters compiles a second sooner than one for each. Steps with a few
    # pairs are slower with it, and AdamW has to tell weights from biases.
    flat = config.optimizer.name == 'adam' and config.train.batch_size >= SMALL_BATCH_SIZE
    return optax.flatten(tx) if flat else tx


def model_structure(config: Any, num_classes: int, training: bool) -> nnx.GraphDef:
    """The static part of the model; `nnx.merge(structure, *variables)` is the model."""
    cls = MODELS[config.model.name]
    return _model_structure(cls, FrozenConfigDict(config.model), num_classes, training)


# Each of a program's functions builds it. A notebook may define a class anew under its name.
@functools.lru_cache(maxsize=16)
def _model_structure(
    cls: type[PairModel], model_config: FrozenConfigDict, num_classes: int, training: bool
) -> nnx.GraphDef:
    def make():
        model = cls(model_config, num_classes, nnx.Rngs(params=jax.random.key(0)))
        model.train() if training else model.eval()
        return model

    return nnx.graphdef(nnx.eval_shape(make))


def standardize(state: RunState, images: jax.Array) -> jax.Array:
    """Raw images of any shape as the run sees them, float32."""
    return (images.astype(jnp.float32) - state.mean) / state.std


def train_epoch(
    config: Any, pools: Pools, state: RunState, hyperparameters: TracedHyperparameters
) -> tuple[RunState, jax.Array]:
    """One pass over the train pairs.

    Where the batch size does not divide the number of pairs, the last batch is smaller and its
    loss is the mean over its own pairs.

    Args:
      config: the config of the run's program, see `Trial.structural_config`.
      pools: the images and labels.
      state: the run's state.
      hyperparameters: the run's values of the traced fields.

    Returns: the next state, and the mean training loss over pairs, float32; NaN from the first
      epoch on in which it was not finite.
    """
    train = partial(_train_member, config, pools, state, hyperparameters)
    learned, losses = over_members(config, train, state.learned)
    loss = losses.mean()
    failed = state.failed | ~jnp.isfinite(loss)
    state = state.replace(learned=learned, epoch=state.epoch + 1, failed=failed)
    return state, jnp.where(failed, jnp.nan, loss)


def _train_member(
    config: Any,
    pools: Pools,
    state: RunState,
    hyperparameters: TracedHyperparameters,
    learned: TrainState,
    member: jax.Array | None = None,
) -> tuple[TrainState, jax.Array]:
    """`train_epoch` of one network of the run: its next state and its mean loss."""
    num_pairs, batch_size = config.data.num_train_pairs, _batch_size(config)
    num_full, num_left = divmod(num_pairs, batch_size)
    train_step = make_train_step(config, pools, state, hyperparameters)

    def key(purpose):
        return run_key(state.seed, purpose, state.epoch, *member_step(member))

    pairs = state.pairs.train
    if config.train.shuffle:
        pairs = jax.random.permutation(key(Purpose.SHUFFLE), pairs)
    images = augmented_images(config, key(Purpose.AUGMENT), pools, pairs, state.epoch)
    noise = _dropout_noise(config, key(Purpose.DROPOUT), pools.num_classes, learned.variables)

    def batches(tree):
        return jax.tree.map(
            lambda x: x[: num_full * batch_size].reshape(num_full, batch_size, *x.shape[1:]), tree
        )

    xs = (*batches((pairs, images)), noise[:num_full])
    learned, losses = jax.lax.scan(train_step, learned, xs)
    total = losses.sum() * batch_size
    if num_left:
        rest = jax.tree.map(lambda x: x[-num_left:], (pairs, images))
        learned, loss = train_step(learned, (*rest, noise[-1]))
        total += loss * num_left
    return learned, total / num_pairs


def make_train_step(
    config: Any, pools: Pools, state: RunState, hyperparameters: TracedHyperparameters
) -> Callable:
    """The function (train state, (pairs, images, noise)) -> (train state, loss) of a batch.

    pairs: (batch, 2) int32. images: raw (batch, 2, 14, 14), or None for the images of the pools.
    noise: random bytes for dropout, (units,) uint8.
    """
    structure = model_structure(config, pools.num_classes, training=True)
    tx = run_tx(config, hyperparameters)

    def loss_fn(params, batch_stats, batch):
        indices, images, noise = batch
        classes = pools.labels[indices]
        model = nnx.merge(structure, params, batch_stats, copy=True)
        images = standardize(state, pools.images[indices] if images is None else images)
        output = model(images, Dropout(noise, hyperparameters.dropout_rate))
        loss = LOSSES[config.loss.name](
            with_main_logits(config, output),
            classes,
            pair_targets(config.data.relation, classes),
            hyperparameters.main_weight,
            hyperparameters.aux_weight,
            config.loss.label_smoothing,
        )
        return loss, nnx.state(model, nnx.BatchStat)

    def train_step(learned, batch):
        (params, batch_stats), opt_state = learned
        grad_fn = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, batch_stats), grads = grad_fn(params, batch_stats, batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        variables = Variables(optax.apply_updates(params, updates), batch_stats)
        return TrainState(variables, opt_state), loss

    return train_step


def augmented_images(
    config: Any, key: jax.Array, pools: Pools, pairs: jax.Array, epoch: jax.Array
) -> jax.Array | None:
    """Distorted images of an epoch's pairs (n, 2), raw (n, 2, 14, 14); None without augmentation.

    How an image is distorted depends on the key, which is of the run and epoch, and on its index.
    """
    if not augmentation.is_on(config.augment):
        return None
    indices = pairs.reshape(-1)
    keys = jax.vmap(lambda index: jax.random.fold_in(key, index))(indices)
    images = pools.images[indices].astype(jnp.float32)
    num_epochs = config.train.num_epochs
    changed = jax.lax.cond(
        epoch < num_epochs - round(config.augment.undistorted * num_epochs),
        lambda: augmentation.augment_images(keys, images, images.max(), config.augment),
        lambda: images,
    )
    return changed.reshape(*pairs.shape, *images.shape[1:])


def _batch_size(config: Any) -> int:
    """Pairs in a full batch: at most all, so that a larger batch size takes no more memory."""
    return min(config.train.batch_size, config.data.num_train_pairs)


def _dropout_noise(
    config: Any, key: jax.Array, num_classes: int, variables: Variables
) -> jax.Array:
    """Random bytes for an epoch's dropout, (steps, units), from one draw, since many are slow."""
    structure = model_structure(config, num_classes, training=False)

    def apply(variables, images, dropout):
        return nnx.merge(structure, *variables)(images, dropout)

    images = jax.ShapeDtypeStruct((_batch_size(config), 2, 14, 14), jnp.float32)
    num_units = count_dropout_units(apply, variables, images)
    return random_bytes(key, num_steps(config), num_units)
