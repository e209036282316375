"""Restores a workdir's runs and asks them again: on their own test pairs or on other digits."""

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from pairjax import training
from pairjax.config import validate
from pairjax.digits import Digits, load_digits
from pairjax.errors import UserError
from pairjax.experiment import open_checkpoints
from pairjax.pairs import PairIndices, Pools, check_test_pool, draw_test_pairs, make_pools
from pairjax.plan import describe_data, group_trials, load_config_digits, trials_in_range
from pairjax.records import read_json
from pairjax.runs import (
    choose_layout,
    hyperparameters_of,
    over_runs,
    place_runs,
    replicate,
    unstack_runs,
)
from pairjax.trials import Trial


def evaluate_workdir(
    workdir: Path, source: str | None = None, directory: str | None = None
) -> list[dict[str, Any]]:
    """Accuracy on test pairs of every trained run in a workdir, from its checkpoints.

    A run draws its test pairs with its own key, so on the digits that it was
    trained with they are the pairs that summary.json speaks of.

    Args:
      workdir: what launch/main.py made.
      source, directory: other digits (data.source, data.dir); those of the config by default.

    Returns: one dictionary per trial and seed: trial, seed, model, epoch (of the
      checkpoint), test_accuracy and test_digit_accuracy as fractions, None for a
      seed that failed or a model without digit heads.
    Raises: UserError where something is missing, damaged or does not fit.
    """
    saved = read_json(workdir / 'config.json')
    config, trained_on = validate(saved.get('config', {})), saved.get('data', {})
    digits = _load_digits(config, trained_on, source, directory)
    trials, _ = trials_in_range(config, digits.num_classes)
    rows = []
    for number, program in enumerate(group_trials(trials)):
        rows += _evaluate_program(workdir, number, program, config, trained_on, digits)
    if not rows:
        raise UserError(f'{workdir} holds no checkpoint yet; train first with launch/main.py')
    return rows


def _load_digits(
    config: Any, trained_on: dict[str, Any], source: str | None, directory: str | None
) -> Digits:
    if source is None and directory is None:
        digits = load_config_digits(config.data)
        if describe_data(config.data.source, digits) != trained_on:
            raise UserError(
                f'the {config.data.source!r} digits are not those that the workdir was trained on; '
                'name the ones to evaluate on with --data_source and --data_dir'
            )
        return digits
    source = source or config.data.source
    digits = load_digits(source, directory, dataset=config.data.dataset)
    if digits.num_classes != trained_on['num_classes']:
        raise UserError(
            f'--data_source={source}: the digits have {digits.num_classes} classes, but the '
            f'networks were trained to tell {trained_on["num_classes"]}'
        )
    return digits


def _evaluate_program(
    workdir: Path,
    number: int,
    program: list[Trial],
    config: Any,
    trained_on: dict[str, Any],
    digits: Digits,
) -> list[dict[str, Any]]:
    structure = program[0].config
    check_test_pool(structure.data, len(digits.test_labels))
    runs = list(itertools.product(program, range(config.seed, config.seed + config.num_seeds)))
    layout = choose_layout(len(runs), config.runs, structure.train.batch_size)
    if not (workdir / 'checkpoints' / f'program_{number:04d}').is_dir():
        return []
    with open_checkpoints(workdir, number, config.checkpoint.keep, cleanup=False) as checkpoints:
        epoch = checkpoints.latest_epoch
        if epoch is None:
            return []
        state = checkpoints.restore(_abstract_state(structure, trained_on, len(runs)))
    count = over_runs(partial(_count_on_test_pairs, structure), layout, 1)
    pools = replicate(make_pools(digits), layout)
    correct = unstack_runs(count(pools, place_runs(state, layout)), layout)
    num_pairs = structure.data.num_test_pairs
    return [
        {
            'trial': trial.index,
            'seed': seed,
            'epoch': epoch,
            'test_accuracy': None if state.failed[i] else int(correct.main.test[i]) / num_pairs,
            'test_digit_accuracy': None
            if state.failed[i] or correct.digits is None
            else int(correct.digits.test[i]) / (2 * num_pairs),
        }
        for i, (trial, seed) in enumerate(runs)
    ]


def _count_on_test_pairs(config: Any, pools: Pools, state: training.RunState) -> training.Correct:
    key = training.run_key(state.seed, training.Purpose.PAIRS)
    test_pairs = draw_test_pairs(key, config.data.num_test_pairs, pools)
    return training.count_correct(config, pools, state, PairIndices(None, None, test_pairs))


def _abstract_state(config: Any, trained_on: dict[str, Any], num_runs: int) -> Any:
    """Shapes of a program's checkpoint, from what the workdir says of its training."""
    num_train, num_images = (
        trained_on['train_pool'],
        sum(trained_on[name] for name in ('train_pool', 'test_pool')),
    )
    pools = Pools(
        jax.ShapeDtypeStruct((num_images, 14, 14), jnp.float32),
        jax.ShapeDtypeStruct((num_images,), jnp.int32),
        num_train,
        trained_on['num_classes'],
    )
    seeds = jax.ShapeDtypeStruct((num_runs,), jnp.int32)
    hyper = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((num_runs,), x.dtype), hyperparameters_of(config)
    )
    init = jax.vmap(partial(training.init_state, config), in_axes=(None, 0, 0))
    return jax.eval_shape(init, pools, seeds, hyper)
