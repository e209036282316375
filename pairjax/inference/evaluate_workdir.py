"""Evaluates a workdir's runs again: on their own test pairs or on other digits."""

from functools import partial
from pathlib import Path
from typing import Any

from pairjax.data import pairs
from pairjax.data.pairs import Pools
from pairjax.data.sources import Digits, load_digits
from pairjax.errors import UserError
from pairjax.inference.restore import (
    RestoredRuns,
    SavedExperiment,
    apply_to_runs,
    read_saved_experiment,
)
from pairjax.training.evaluate import Correct, count_correct
from pairjax.training.state import Purpose, RunState, run_key


def evaluate_workdir(
    workdir: Path, source: str | None = None, directory: str | None = None
) -> list[dict[str, Any]]:
    """Test accuracy of every trained run in a workdir, from its checkpoints.

    A run draws its test pairs with its own key: on the digits that it was trained with they are
    the test pairs of summary.json.

    Args:
      workdir: what launch/main.py made.
      source, directory: other digits (data.source, data.dir); those of the config by default.

    Returns: one dictionary per trial and seed: trial, seed, epoch (of the checkpoint),
      test_accuracy and test_digit_accuracy as fractions, None for a seed that failed
      or a model without digit heads.
    Raises: UserError where something is missing, damaged or does not fit.
    """
    saved = read_saved_experiment(workdir)
    digits = _load_digits(saved, source, directory)
    pools, rows = pairs.make_pools(digits), []
    for number, program in enumerate(saved.programs):
        data = program[0].structural_config.data
        pairs.check_test_pool(
            data.num_test_pairs, len(digits.test_labels), source or saved.config.data.source
        )
        pairs.check_data_config(data, saved.data['train_pool'], saved.data['test_pool'])
        restored = saved.restore_program(number)
        if restored is not None:
            rows += _evaluate_program(restored, pools, saved.config.runs.per_batch)
    if not rows:
        raise UserError(f'{workdir} holds no checkpoint yet; train first with launch/main.py')
    return rows


def _load_digits(saved: SavedExperiment, source: str | None, directory: str | None) -> Digits:
    if source is None and directory is None:
        return saved.load_digits()
    source = source or saved.config.data.source
    digits = load_digits(source, directory, dataset=saved.config.data.dataset)
    if digits.num_classes != saved.data['num_classes']:
        raise UserError(
            f'--data_source={source} has digits of {digits.num_classes} classes, but the networks '
            f'were trained on {saved.data["num_classes"]}; name digits of as many classes'
        )
    return digits


def _evaluate_program(restored: RestoredRuns, pools: Pools, per_batch: int) -> list[dict[str, Any]]:
    config = restored.config
    correct = apply_to_runs(partial(_count_on_test_pairs, config), pools, restored, per_batch)
    failed = restored.state.failed | ~correct.finite
    num_pairs = config.data.num_test_pairs
    return [
        {
            'trial': trial.index,
            'seed': seed,
            'epoch': restored.epoch,
            'test_accuracy': None if failed[i] else int(correct.main.test[i]) / num_pairs,
            'test_digit_accuracy': None
            if failed[i] or correct.digits is None
            else int(correct.digits.test[i]) / (2 * num_pairs),
        }
        for i, (trial, seed) in enumerate(restored.runs)
    ]


def _count_on_test_pairs(config: Any, pools: Pools, state: RunState) -> Correct:
    key = run_key(state.seed, Purpose.PAIRS)
    test_pairs = pairs.draw_test_pairs(key, config.data.num_test_pairs, pools)
    return count_correct(config, pools, state, pairs.PairIndices(None, None, test_pairs))
