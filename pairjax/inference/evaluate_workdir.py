"""Restores a workdir's runs and asks them again: on their own test pairs or on other digits."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ml_collections import FrozenConfigDict

from pairjax.config import upgrade, validate
from pairjax.data.pairs import (
    PairIndices,
    Pools,
    check_data_config,
    check_test_pool,
    draw_test_pairs,
    make_pools,
)
from pairjax.data.sources import Digits, load_digits
from pairjax.errors import UserError
from pairjax.inference.restore import restore_program
from pairjax.runtime.plan import (
    checked_trials,
    describe_data,
    group_trials,
    load_config_digits,
    runs_of,
    trials_in_range,
)
from pairjax.runtime.sharding import choose_layout, place_runs, replicate, unstack_runs
from pairjax.runtime.vectorize import compiler_options, over_runs
from pairjax.training.evaluate import EVALUATION_BATCH_SIZE, Correct, count_correct
from pairjax.training.state import Purpose, RunState, run_key
from pairjax.trials import Trial
from pairjax.workdir.schema import DATA, check_shape
from pairjax.workdir.workdir import read_config


def evaluate_workdir(
    workdir: Path, source: str | None = None, directory: str | None = None
) -> list[dict[str, Any]]:
    """Accuracy on test pairs of every trained run in a workdir, from its checkpoints.

    A run draws its test pairs with its own key, so on the digits that it was
    trained with they are the pairs that summary.json speaks of.

    Args:
      workdir: what launch/main.py made.
      source, directory: other digits (data.source, data.dir); those of the config by default.

    Returns: one dictionary per trial and seed: trial, seed, epoch (of the checkpoint),
      test_accuracy and test_digit_accuracy as fractions, None for a seed that failed
      or a model without digit heads.
    Raises: UserError where something is missing, damaged or does not fit.
    """
    saved = read_config(workdir)
    config, trained_on = validate(upgrade(saved['config'])), saved['data']
    check_shape(trained_on, DATA, workdir / 'config.json')
    trials = checked_trials(config)
    digits = _load_digits(config, trained_on, source, directory)
    trials, _ = trials_in_range(config, trials, digits.num_classes)
    rows = []
    for number, program in enumerate(group_trials(trials)):
        runs = runs_of(program, config)
        structure = program[0].structural_config
        check_test_pool(
            structure.data.num_test_pairs, len(digits.test_labels), source or config.data.source
        )
        check_data_config(structure.data, trained_on['train_pool'], trained_on['test_pool'])
        restored = restore_program(
            workdir, number, structure, [seed for _, seed in runs], trained_on
        )
        if restored is not None:
            rows += _evaluate_program(runs, config.runs, digits, *restored)
    if not rows:
        raise UserError(f'{workdir} holds no checkpoint yet; train first with launch/main.py')
    return rows


def own_digits(config: Any, trained_on: dict[str, Any]) -> Digits:
    """The digits that a workdir was trained on.

    Args:
      config: the checked config of its config.json.
      trained_on: what config.json says of the digits.

    Raises: UserError where they are gone or are others now.
    """
    digits = load_config_digits(config.data)
    if describe_data(config.data.source, digits) != trained_on:
        raise UserError(
            f'the {config.data.source!r} digits are not those that the workdir was trained on; '
            'launch/evaluate.py asks about others, named with --data_source and --data_dir'
        )
    return digits


def _load_digits(
    config: Any, trained_on: dict[str, Any], source: str | None, directory: str | None
) -> Digits:
    if source is None and directory is None:
        return own_digits(config, trained_on)
    source = source or config.data.source
    digits = load_digits(source, directory, dataset=config.data.dataset)
    if digits.num_classes != trained_on['num_classes']:
        raise UserError(
            f'--data_source={source}: the digits have {digits.num_classes} classes, but the '
            f'networks were trained to tell {trained_on["num_classes"]}'
        )
    return digits


def ask_runs(
    question: Callable, pools: Pools, state: RunState, num_runs: int, per_batch: int
) -> Any:
    """What question(pools, state) of one run gives for every stacked run, as host arrays."""
    # The devices may be fewer than it was trained on.
    here = FrozenConfigDict({'devices': 0, 'per_batch': per_batch})
    layout = choose_layout(num_runs, here, EVALUATION_BATCH_SIZE)
    options = compiler_options(EVALUATION_BATCH_SIZE)
    ask = over_runs(question, layout, 1, options)
    return unstack_runs(ask(replicate(pools, layout), place_runs(state, layout)), layout)


def _evaluate_program(
    runs: list[tuple[Trial, int]],
    run_options: Any,
    digits: Digits,
    epoch: int,
    state: RunState,
) -> list[dict[str, Any]]:
    structure = runs[0][0].structural_config
    question = partial(_count_on_test_pairs, structure)
    correct = ask_runs(question, make_pools(digits), state, len(runs), run_options.per_batch)
    failed = state.failed | ~correct.finite
    num_pairs = structure.data.num_test_pairs
    return [
        {
            'trial': trial.index,
            'seed': seed,
            'epoch': epoch,
            'test_accuracy': None if failed[i] else int(correct.main.test[i]) / num_pairs,
            'test_digit_accuracy': None
            if failed[i] or correct.digits is None
            else int(correct.digits.test[i]) / (2 * num_pairs),
        }
        for i, (trial, seed) in enumerate(runs)
    ]


def _count_on_test_pairs(config: Any, pools: Pools, state: RunState) -> Correct:
    key = run_key(state.seed, Purpose.PAIRS)
    test_pairs = draw_test_pairs(key, config.data.num_test_pairs, pools)
    return count_correct(config, pools, state, PairIndices(None, None, test_pairs))
