"""Restores a workdir's runs and asks them again: on their own test pairs or on other digits."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import FrozenConfigDict

from pairjax import training
from pairjax.checkpoints import Checkpoints, check_origin
from pairjax.config import validate
from pairjax.digits import Digits, load_digits
from pairjax.errors import UserError
from pairjax.experiment import checkpoint_directory
from pairjax.pairs import (
    PairIndices,
    Pools,
    check_data_config,
    check_test_pool,
    draw_test_pairs,
    make_pools,
)
from pairjax.plan import (
    check_trials,
    describe_data,
    group_trials,
    load_config_digits,
    runs_of,
    trials_in_range,
)
from pairjax.records import read_config
from pairjax.runs import (
    choose_layout,
    compiler_options,
    hyperparameters_of,
    over_runs,
    place_runs,
    replicate,
    unstack_runs,
)
from pairjax.shapes import DATA, check_shape
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

    Returns: one dictionary per trial and seed: trial, seed, epoch (of the checkpoint),
      test_accuracy and test_digit_accuracy as fractions, None for a seed that failed
      or a model without digit heads.
    Raises: UserError where something is missing, damaged or does not fit.
    """
    saved = read_config(workdir)
    config, trained_on = validate(saved['config']), saved['data']
    check_shape(trained_on, DATA, workdir / 'config.json')
    check_trials(config)
    digits = _load_digits(config, trained_on, source, directory)
    trials, _ = trials_in_range(config, digits.num_classes)
    rows = []
    for number, program in enumerate(group_trials(trials)):
        checkpoints = checkpoint_directory(workdir, number)
        runs = runs_of(program, config)
        rows += _evaluate_program(checkpoints, runs, config.runs, trained_on, digits, source)
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
    directory: Path,
    runs: list[tuple[Trial, int]],
    run_options: Any,
    trained_on: dict[str, Any],
    digits: Digits,
    source: str | None,
) -> list[dict[str, Any]]:
    structure = runs[0][0].config
    check_data_config(structure.data, trained_on['train_pool'], trained_on['test_pool'])
    check_test_pool(
        structure.data.num_test_pairs, len(digits.test_labels), source or structure.data.source
    )
    if not directory.is_dir():
        return []
    # Another process may be training here: what it is about to save is left alone.
    with Checkpoints(directory, cleanup=False) as checkpoints:
        epoch = checkpoints.latest_epoch
        if epoch is None:
            return []
        state = checkpoints.restore(_abstract_state(structure, trained_on, len(runs)))
        check_origin(state, [seed for _, seed in runs], epoch, directory)
    # The devices may be fewer than it was trained on.
    here = FrozenConfigDict({'devices': 0, 'per_batch': run_options.per_batch})
    layout = choose_layout(len(runs), here, training.EVALUATION_BATCH_SIZE)
    options = compiler_options(training.EVALUATION_BATCH_SIZE)
    count = over_runs(partial(_count_on_test_pairs, structure), layout, 1, options)
    pools = replicate(make_pools(digits), layout)
    correct = unstack_runs(count(pools, place_runs(state, layout)), layout)
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


def _count_on_test_pairs(config: Any, pools: Pools, state: training.RunState) -> training.Correct:
    key = training.run_key(state.seed, training.Purpose.PAIRS)
    test_pairs = draw_test_pairs(key, config.data.num_test_pairs, pools)
    return training.count_correct(config, pools, state, PairIndices(None, None, test_pairs))


def _abstract_state(config: Any, trained_on: dict[str, Any], num_runs: int) -> Any:
    """Shapes of a program's checkpoint, from what the workdir says of its training."""
    num_images = trained_on['train_pool'] + trained_on['test_pool']
    pools = Pools(
        jax.ShapeDtypeStruct((num_images, 14, 14), jnp.float32),
        jax.ShapeDtypeStruct((num_images,), jnp.int32),
        trained_on['train_pool'],
        trained_on['num_classes'],
    )
    seeds = jax.ShapeDtypeStruct((num_runs,), jnp.int32)
    hyper = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((num_runs,), x.dtype), hyperparameters_of(config)
    )
    init = jax.vmap(partial(training.init_state, config), in_axes=(None, 0, 0))
    return jax.eval_shape(init, pools, seeds, hyper)
