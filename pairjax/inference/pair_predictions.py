"""Predictions of a trial's trained runs for their own test pairs."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from pairjax.analysis.error_analysis import DigitPredictions, PairPredictions
from pairjax.data.pairs import Pools, make_pools, pair_targets
from pairjax.inference.restore import apply_to_runs, read_saved_experiment
from pairjax.training import evaluate
from pairjax.training.state import RunState


def predict_test_pairs(workdir: Path, index: int, seeds: Sequence[int]) -> PairPredictions:
    """Restores runs of one trial and evaluates them on the test pairs that they drew.

    Args:
      workdir: what launch/main.py made.
      index: of the trial.
      seeds: of the runs, which must not have failed.

    Raises: UserError where digits or checkpoints are gone, damaged or others; nothing is fetched.
    """
    saved = read_saved_experiment(workdir, fetch=False)
    digits, restored = saved.load_digits(), saved.restore_trial(index, seeds)
    config = restored.config
    predict_run, per_batch = partial(_predict_one_run, config), saved.config.runs.per_batch
    predictions = apply_to_runs(predict_run, make_pools(digits), restored, per_batch)
    return PairPredictions(
        seeds=restored.seeds,
        epoch=restored.epoch,
        relation=config.data.relation,
        num_classes=digits.num_classes,
        images=digits.test_images,
        pairs=restored.state.pairs.test - len(digits.train_labels),
        **predictions,
    )


def _predict_one_run(config: Any, pools: Pools, state: RunState) -> dict[str, Any]:
    """The fields of `PairPredictions` that have an axis over pairs, without that over runs."""

    def predict_batch(indices):
        classes = pools.labels[indices]
        output = evaluate.predict(config, pools.num_classes, state, pools.images[indices])
        logits = output.main_logits
        return {
            'classes': classes,
            'targets': pair_targets(config.data.relation, classes) == 1,
            'log_odds': logits[:, 1] - logits[:, 0],
            'digits': _digit_predictions(output, classes),
        }

    # In the batches of evaluation: no more memory, and the same logits.
    pairs, size = state.pairs.test, evaluate.EVALUATION_BATCH_SIZE
    padded = jnp.pad(pairs, ((0, -len(pairs) % size), (0, 0)))
    batches = jax.lax.map(predict_batch, padded.reshape(-1, size, 2))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[: len(pairs)], batches)


def _digit_predictions(output: Any, classes: jax.Array) -> DigitPredictions | None:
    if output.digit_logits_a is None:
        return None
    logits = jnp.stack([output.digit_logits_a, output.digit_logits_b], axis=1)
    probabilities, predicted = jax.nn.softmax(logits), logits.argmax(axis=2)

    def probability_of(which):
        return jnp.take_along_axis(probabilities, which[..., None], axis=2)[..., 0]

    return DigitPredictions(predicted, probability_of(predicted), probability_of(classes))
