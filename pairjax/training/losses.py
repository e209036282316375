"""The training loss: weighted sum of main and auxiliary cross-entropies."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pairjax.errors import unknown_name
from pairjax.models.networks import PairOutput


def cross_entropy(logits: jax.Array, labels: jax.Array, smoothing: float = 0.0) -> jax.Array:
    """Mean softmax cross-entropy, float32 scalar.

    Args:
      logits: (..., classes).
      labels: (...,) int32.
      smoothing: label smoothing, the fraction of each target spread over all classes (Szegedy et
        al., "Rethinking the Inception Architecture for Computer Vision", 2016).
    """
    if not smoothing:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits, targets).mean()


def pair_loss(
    output: PairOutput,
    classes: jax.Array,
    targets: jax.Array,
    main_weight: jax.Array,
    aux_weight: jax.Array,
    label_smoothing: float = 0.0,
) -> jax.Array:
    """main_weight * CE(main) + aux_weight * (CE(digit_a) + CE(digit_b)) / 2, a mean over pairs.

    Paper 1 sums the three cross-entropies: weights 1 and 2. Paper 2 uses weights 1 - w and w.

    Args:
      output: the model's logits for a batch of pairs.
      classes: (batch, 2) int32, the digit labels of both images.
      targets: (batch,) int32, 1 where the relation holds.
      main_weight: scalar.
      aux_weight: scalar; must be 0 for a model without digit heads.
      label_smoothing: `smoothing` of all three cross-entropies.
    """
    loss = main_weight * cross_entropy(output.main_logits, targets, label_smoothing)
    if output.digit_logits_a is not None:
        digits = jnp.stack([output.digit_logits_a, output.digit_logits_b], axis=1)
        loss += aux_weight * cross_entropy(digits, classes, label_smoothing)
    return loss


# What loss.name may be: functions with the arguments of `pair_loss`.
LOSSES: dict[str, Callable[..., jax.Array]] = {'weighted': pair_loss}


def check_loss_config(loss: Any) -> None:
    """Raises UserError where config.loss names no loss."""
    if loss.name not in LOSSES:
        raise unknown_name('loss.name', loss.name, LOSSES)
