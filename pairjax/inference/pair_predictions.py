"""Predictions of a trial's trained runs on their test pairs."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from pairjax.analysis.error_analysis import (
    DigitPredictions,
    PairPredictions,
    join_predictions,
)
from pairjax.analysis.results import ExperimentResult
from pairjax.data.pairs import Pools, make_pools, pair_targets
from pairjax.errors import UserError
from pairjax.inference.restore import load_trained_digits, restore_trial
from pairjax.runtime.plan import read_plan
from pairjax.runtime.vectorize import configure_jax
from pairjax.training import evaluate
from pairjax.training.state import RunState


def predict_selected(result: ExperimentResult) -> PairPredictions | str:
    """The selected trial's predictions on its test pairs, or a sentence on why there are none."""
    trial = result.selected_trial
    if trial is None:
        return 'Every run failed, so there is no network to evaluate.'
    for workdir in result.workdirs:
        checkpoints = workdir / 'checkpoints'
        if not checkpoints.is_dir():
            return f'{checkpoints} does not exist, so there is no network to evaluate.'
    configure_jax()
    seeds = [seed for seed in trial.seeds if seed not in trial.failed_seeds]
    try:
        return predict_trial(result, trial.index, seeds)
    except UserError as error:
        return f'The networks cannot be evaluated: {str(error).rstrip(".")}.'


def predict_trial(result: ExperimentResult, index: int, seeds: Sequence[int]) -> PairPredictions:
    """`predict_test_pairs` of an experiment that may be pooled of several workdirs."""
    return join_predictions(
        [
            predict_test_pairs(workdir, index, mine)
            for workdir, own in result.workdirs.items()
            if (mine := [seed for seed in own if seed in seeds])
        ]
    )


def predict_test_pairs(workdir: Path, index: int, seeds: Sequence[int]) -> PairPredictions:
    """Restores runs of one trial and evaluates them on the test pairs that they drew.

    Args:
      workdir: the workdir of the experiment.
      index: the trial's index.
      seeds: seeds of the runs, which must not have failed.

    Raises: UserError where images or checkpoints are missing, damaged or not those of the training;
      nothing is downloaded.
    """
    plan = read_plan(workdir, fetch=False)
    digits = load_trained_digits(plan, workdir)
    restored = restore_trial(plan, workdir, index, seeds)
    config = restored.config
    predictions = restored.apply(partial(predict_one_run, config), make_pools(digits))
    return PairPredictions(
        seeds=restored.seeds,
        epoch=restored.epoch,
        relation=config.data.relation,
        class_names=restored.class_names,
        images=digits.test_images,
        # Pools hold the train images first, then the test images.
        pairs=restored.state.pairs.test - len(digits.train_labels),
        **predictions,
    )


def predict_one_run(config: Any, pools: Pools, state: RunState) -> dict[str, Any]:
    """The fields of `PairPredictions` with an axis over pairs, for one run."""

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

    # Batched as in evaluation, for the same logits in the same memory.
    return evaluate.over_batches(predict_batch, state.pairs.test)


def _digit_predictions(output: Any, classes: jax.Array) -> DigitPredictions | None:
    if output.digit_logits_a is None:
        return None
    logits = jnp.stack([output.digit_logits_a, output.digit_logits_b], axis=1)
    probabilities, predicted = jax.nn.softmax(logits), logits.argmax(axis=2)

    def probability_of(labels):
        return jnp.take_along_axis(probabilities, labels[..., None], axis=2)[..., 0]

    return DigitPredictions(predicted, probability_of(predicted), probability_of(classes))
