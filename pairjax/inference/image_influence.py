"""What single test images do to the accuracies of trained runs: restored and evaluated again."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pairjax.analysis.arms import ComparedTrial
from pairjax.analysis.paired import Comparison
from pairjax.analysis.seeds_and_images import (
    RunAccuracies,
    accuracies_of_predictions,
    compare_over_images,
    influence_of_all_pairs,
)
from pairjax.data.pairs import make_pools, relation_table
from pairjax.errors import UserError
from pairjax.inference.pair_predictions import predict_trial
from pairjax.inference.restore import load_trained_digits, restore_trial
from pairjax.runtime.plan import read_plan
from pairjax.runtime.vectorize import configure_jax
from pairjax.system import Track, untracked
from pairjax.training import evaluate
from pairjax.training.all_pairs import correct_by_image


def with_images(comparison: Comparison, track: Track = untracked) -> Comparison:
    """The comparison with intervals over seeds and test images, from the newest checkpoints.

    Over all ordered pairs of the pool where every arm decides by its digits alone, else over the
    test pairs that each seed drew. Where one cannot be evaluated, a sentence says so instead.
    """
    configure_jax()
    heads = {arm.trial.hyperparameters.get('model.head', 'learned') for arm in comparison.arms}
    try:
        evaluate_arm = over_drawn_pairs if 'learned' in heads else over_all_pairs
        arms = track(comparison.arms, 'evaluating checkpoints')
        found = [evaluate_arm(arm, comparison.seeds) for arm in arms]
    except UserError as error:
        note = f'no interval over other test digits: {str(error).rstrip(".")}'
        return comparison._replace(crossed_note=note)
    by_name = {arm.name: runs for arm, runs in zip(comparison.arms, found, strict=True)}
    crossed = [compare_over_images(by_name[p.a], by_name[p.b]) for p in comparison.pairs]
    return comparison._replace(crossed=crossed)


def over_drawn_pairs(arm: ComparedTrial, seeds: Sequence[int]) -> RunAccuracies:
    """Over the test pairs that each seed drew.

    Raises: UserError where images or checkpoints are missing, damaged or not those of the training.
    """
    return accuracies_of_predictions(predict_trial(arm.experiment, arm.trial.index, seeds))


def over_all_pairs(arm: ComparedTrial, seeds: Sequence[int]) -> RunAccuracies:
    """Over all ordered pairs of distinct test images, of a model that decides by its digits alone.

    Raises: as `over_drawn_pairs`.
    """
    parts = [
        _over_all_pairs(workdir, arm.trial.index, mine)
        for workdir, own in arm.experiment.workdirs.items()
        if (mine := [seed for seed in own if seed in seeds])
    ]
    return RunAccuracies(
        [seed for part in parts for seed in part.seeds],
        np.concatenate([part.accuracies for part in parts]),
        np.concatenate([part.influence for part in parts]),
        parts[0].pairs,
    )


def _over_all_pairs(workdir: Path, index: int, seeds: Sequence[int]) -> RunAccuracies:
    """`over_all_pairs` of the runs of one workdir."""
    plan = read_plan(workdir, fetch=False)
    digits = load_trained_digits(plan, workdir)
    restored = restore_trial(plan, workdir, index, seeds)
    config, labels = restored.config, np.asarray(digits.test_labels)
    table = relation_table(config.data.relation, digits.num_classes)
    both = restored.apply(partial(evaluate.digit_logits, config), make_pools(digits))
    rows = [
        influence_of_all_pairs(correct_by_image(config.model.head, places, labels, table))
        for places in zip(*both, strict=True)
    ]
    accuracies, influence = (np.array(column) for column in zip(*rows, strict=True))
    words = f'all {len(labels) * (len(labels) - 1):,} ordered pairs of the test images'
    return RunAccuracies(restored.seeds, accuracies, influence, words)
