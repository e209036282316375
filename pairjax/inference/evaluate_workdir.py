"""Evaluates a workdir's runs again: on their own test pairs or on other digits."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pairjax.data import pairs
from pairjax.data.pairs import Pools
from pairjax.data.sources import Digits, load_digits
from pairjax.errors import UserError, shown
from pairjax.inference.restore import RestoredRuns, load_trained_digits, restore_program_runs
from pairjax.runtime.plan import Plan, read_plan
from pairjax.runtime.trainer import epoch_records
from pairjax.system import Track, untracked
from pairjax.training.evaluate import Correct, count_correct
from pairjax.training.state import Purpose, RunState, run_key

_FIELDS = ('trial', 'seed', 'epoch', 'test_accuracy', 'test_digit_accuracy')


def evaluate_workdir(
    workdir: Path,
    source: str | None = None,
    directory: str | None = None,
    track: Track = untracked,
    watch: Callable[[RestoredRuns, Pools], None] = lambda restored, pools: None,
    on_message: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Test accuracy of every trained run in a workdir, from its checkpoints.

    A run draws its test pairs with its own key: on the digits that it was trained with they are
    the test pairs of summary.json.

    Args:
      workdir: what launch/main.py made.
      source, directory: other digits (data.source, data.dir); those of the config by default.
      track: shows how many programs are evaluated.
      watch: gets the runs of each program, and the images.
      on_message: called with sentences about what was read, left out or changed in loading.

    Returns: one dictionary per trial and seed: trial, seed, epoch (of the checkpoint),
      test_accuracy and test_digit_accuracy as fractions, None for a seed that failed
      or a model without digit heads.
    Raises: UserError where something is missing, damaged or does not fit.
    """
    plan = read_plan(workdir)
    digits = _load_digits(plan, workdir, source, directory)
    for note in (*digits.notes, *_other_names(plan, digits)):
        on_message(f'data: {note}')
    pools, rows = pairs.make_pools(digits), []
    for number in track(range(len(plan.programs)), 'evaluating'):
        config = plan.program_config(number)
        pairs.check_test_pool(
            config.data.num_test_pairs, len(digits.test_labels), source or plan.config.data.source
        )
        pairs.check_data_config(config.data, plan.data['train_pool'], plan.data['test_pool'])
        restored = restore_program_runs(plan, workdir, number)
        if restored is not None:
            correct = restored.apply(partial(_count_on_test_pairs, config), pools)
            losses = np.where(restored.state.failed, np.nan, 0.0)
            records = epoch_records(restored.runs, restored.epoch, losses, correct, config.data)
            rows += [{name: record[name] for name in _FIELDS} for record in records]
            watch(restored, pools)
    if not rows:
        raise UserError(f'{workdir} holds no checkpoint yet; train first with launch/main.py')
    return rows


def _load_digits(plan: Plan, workdir: Path, source: str | None, directory: str | None) -> Digits:
    if source is None and directory is None:
        return load_trained_digits(plan, workdir)
    source = source or plan.config.data.source
    data = plan.config.data
    digits = load_digits(source, directory, dataset=data.dataset, label=data.label)
    if digits.num_classes != plan.data['num_classes']:
        raise UserError(
            f'--data_source={source} has digits of {digits.num_classes} classes, but the networks '
            f'were trained on {plan.data["num_classes"]}; name digits of as many classes'
        )
    return digits


def _other_names(plan: Plan, digits: Digits) -> list[str]:
    """A sentence where classes of other digits are named otherwise than those of the training."""
    both = zip(plan.data.get('class_names', []), digits.class_names, strict=False)
    for label, (then, now) in enumerate(both):
        if then != now:
            return [
                f'class {label} is named {shown(now)} here and {shown(then)} in training: '
                'accuracies mean something only if these are the same'
            ]
    return []


def _count_on_test_pairs(config: Any, pools: Pools, state: RunState) -> Correct:
    key = run_key(state.seed, Purpose.PAIRS)
    test_pairs = pairs.draw_test_pairs(key, config.data.num_test_pairs, pools)
    return count_correct(config, pools, state, pairs.PairIndices(None, None, test_pairs))
