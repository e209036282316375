"""Predictions of trained runs for pairs of images, in batches."""

from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from pairjax.errors import UserError
from pairjax.inference.restore import RestoredRuns
from pairjax.runtime.vectorize import compiler_options, quick_compiler_options
from pairjax.training.evaluate import predict

# Relations as people write them; others are shown by name.
_RELATION_TEXTS = {
    'less_equal': 'a <= b',
    'less': 'a < b',
    'equal': 'a = b',
    'same_parity': 'a and b are both even or both odd',
}


class Predictions(NamedTuple):
    """Predictions for n pairs; an ensemble's probabilities are averaged. None is calibrated.

    Attributes:
      holds: (n,) bool, whether the relation is predicted to hold.
      probability: (n,) that it holds.
      digits_a, digits_b: (n, classes) probabilities; None for a model without digit heads.
    """

    holds: np.ndarray
    probability: np.ndarray
    digits_a: np.ndarray | None
    digits_b: np.ndarray | None


class Predictor:
    """Predicts for any number of pairs, in batches of one size, which compile once."""

    def __init__(self, restored: RestoredRuns, batch_size: int):
        """Takes runs of one trial, an ensemble if several, and the number of pairs in a batch.

        Raises: UserError where the range of pixel values is that of images that are gone.
        """
        self.restored, self.batch_size = restored, batch_size
        self.class_names = restored.class_names
        self._black, self._white = restored.pixel_range
        predict_one = partial(predict, restored.config, restored.plan.data['num_classes'])

        def predict_all(state, images):
            output = jax.vmap(predict_one, in_axes=(0, None))(state, images)
            each = jax.tree.map(jax.nn.softmax, output)
            return jax.tree.map(lambda chances: chances.mean(axis=0), each), each

        # A single pair is answered sooner than a fast program is compiled.
        options = quick_compiler_options() if batch_size == 1 else compiler_options(batch_size)
        self._predict = jax.jit(predict_all, compiler_options=options)
        self._state = jax.device_put(restored.state)

    def __call__(self, pixels: np.ndarray) -> Predictions:
        """Predictions for pixels (n, 2, 14, 14) from 0 (background) to 255 (ink), n at least 1.

        Raises: UserError where the networks' outputs are not finite.
        """
        return self.with_seeds(pixels)[0]

    def with_seeds(self, pixels: np.ndarray) -> tuple[Predictions, list[Predictions]]:
        """The predictions, and those of each seed alone; arguments and errors as for a call."""
        num_pairs, span = len(pixels), np.float32(self._white - self._black)
        images = np.float32(self._black) + np.asarray(pixels, np.float32) * (span / 255)
        images = np.pad(images, ((0, -num_pairs % self.batch_size), (0, 0), (0, 0), (0, 0)))
        batches = images.reshape(-1, self.batch_size, *images.shape[1:])
        outputs = [self._predict(self._state, batch) for batch in batches]
        mean = jax.tree.map(
            lambda *parts: np.concatenate(parts)[:num_pairs], *(output[0] for output in outputs)
        )
        each = jax.tree.map(
            lambda *parts: np.concatenate(parts, axis=1)[:, :num_pairs],
            *(output[1] for output in outputs),
        )
        if not np.isfinite(mean.main_logits).all():
            raise UserError(f'{self.restored} predicts NaN or infinity; name another --seed')
        seeds = range(len(self.restored.runs))
        return _as_predictions(mean), [
            _as_predictions(jax.tree.map(lambda chances, i=i: chances[i], each)) for i in seeds
        ]


def relation_text(relation: str) -> str:
    """The name of one of `pairs.RELATIONS` as an expression in a and b."""
    return _RELATION_TEXTS.get(relation, f'{relation}(a, b)')


def _as_predictions(chances: Any) -> Predictions:
    """Takes a `PairOutput` of probabilities in the place of logits."""
    main = chances.main_logits
    return Predictions(
        main[:, 1] > main[:, 0], main[:, 1], chances.digit_logits_a, chances.digit_logits_b
    )
