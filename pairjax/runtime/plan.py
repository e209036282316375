"""Builds the plan of an experiment from its config: trials, programs and data."""

import hashlib
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import FrozenConfigDict

from pairjax.config import upgrade, validate
from pairjax.data.pairs import Pools, check_data_config, make_pools
from pairjax.data.resize import SIDE
from pairjax.data.sources import Digits, count_shared_images, load_digits
from pairjax.errors import UserError
from pairjax.models.registry import check_model_config, check_output, count_params
from pairjax.system import gigabytes, machine_bytes
from pairjax.training.losses import check_loss_config
from pairjax.training.optimizers import check_optimizer_config
from pairjax.training.state import RunState
from pairjax.training.train_step import init_state
from pairjax.trials import (
    TRACED_FIELDS,
    TracedHyperparameters,
    Trial,
    expand_trials,
    group_by_structure,
    part_of,
    split_trials,
    trial_name,
)
from pairjax.workdir.workdir import read_config


class Plan(NamedTuple):
    """An experiment ready to run, or one that was run, without its pools.

    Attributes:
      config: validated and frozen.
      trials: the trials of the sweep whose number of parameters is in sweep.param_range.
      num_params: the number of parameters of each trial's model.
      programs: the trials grouped by structure, that is by all fields but the traced ones; each
        group trains in one compiled program.
      pools: the images and labels; None in a plan that `read_plan` returns.
      data: what `describe_data` returns, for config.json.
      shared_images: number of test images that are also in the train pool.
      notes: sentences about what was read, left out or changed in loading.
    """

    config: Any
    trials: list[Trial]
    num_params: list[int]
    programs: list[list[Trial]]
    pools: Pools | None
    data: dict[str, Any]
    shared_images: int
    notes: tuple[str, ...] = ()

    @property
    def seeds(self) -> range:
        """The seeds of every trial."""
        return seeds_of(self.config)

    @property
    def program_of(self) -> dict[int, int]:
        """By index of a trial, the number of its program."""
        return {trial.index: n for n, trials in enumerate(self.programs) for trial in trials}

    def program_config(self, number: int) -> FrozenConfigDict:
        """The config of program `number`, without the traced fields, in which its trials differ."""
        return self.programs[number][0].structural_config

    def trial_indices_of_parts(self, count: int) -> list[list[int]]:
        """The indices of the trials that each of `count` parts of this whole sweep has."""
        return split_trials((trial.hyperparameters for trial in self.trials), count)

    def num_epochs(self, number: int) -> int:
        """The number of epochs of program `number`."""
        return self.program_config(number).train.num_epochs

    def runs(self, number: int) -> list[tuple[Trial, int]]:
        """All (trial, seed) of program `number`, in the order of the stacked arrays."""
        return list(itertools.product(self.programs[number], self.seeds))

    def program_name(self, number: int) -> str:
        """The display name of a program, such as AuxNet2 (32, 32, 64, 256) 3/31."""
        trials = self.programs[number]
        name = trial_name({'hyperparameters': trials[0].hyperparameters})
        count = f' x {len(trials)}' if len(trials) > 1 else ''
        return f'{name}{count} {number + 1}/{len(self.programs)}'

    def description(self, number: int) -> dict[str, Any]:
        """Metadata saved with the checkpoints of program `number`: what they belong to."""
        return {
            'trials': [trial.hyperparameters for trial in self.programs[number]],
            'seeds': list(self.seeds),
            'data': self.data,
        }

    def abstract_state(self, number: int) -> RunState:
        """Shapes and types of the stacked runs of program `number`, as checkpoints have them."""
        num_runs = len(self.runs(number))
        num_images = self.data['train_pool'] + self.data['test_pool']
        pools = Pools(
            jax.ShapeDtypeStruct((num_images, SIDE, SIDE), np.float32),
            jax.ShapeDtypeStruct((num_images,), np.int32),
            self.data['train_pool'],
            self.data['num_classes'],
        )
        seeds = jax.ShapeDtypeStruct((num_runs,), np.int32)
        traced = jax.ShapeDtypeStruct((num_runs,), np.float32)
        hyper = TracedHyperparameters(*[traced] * len(TRACED_FIELDS))
        init = jax.vmap(partial(init_state, self.program_config(number)), in_axes=(None, 0, 0))
        return jax.eval_shape(init, pools, seeds, hyper)


def seeds_of(config: Any) -> range:
    """The seeds with which a config trains every trial."""
    return range(config.seed, config.seed + config.num_seeds)


def make_plan(config: Any, progress: Callable[[int, int], None] = lambda done, total: None) -> Plan:
    """Validates a config and loads its data.

    Args:
      config: see `validate`.
      progress: see `load_digits`.

    Raises: UserError for every mistake that can be found before training.
    """
    config = validate(config)
    trials = checked_trials(config)
    digits = load_config_digits(config.data, progress)
    trials, num_params = select_trials(config, trials, digits.num_classes)
    for trial in trials:
        check_data_config(trial.config.data, len(digits.train_labels), len(digits.test_labels))
    check_memory(config, trials, num_params)
    data = describe_data(config.data.source, digits)
    pools, shared = make_pools(digits), count_shared_images(digits)
    groups = group_trials(trials)
    return Plan(config, trials, num_params, groups, pools, data, shared, digits.notes)


def read_plan(workdir: Path, fetch: bool = True) -> Plan:
    """The plan of a trained experiment by its config.json, without the images.

    Args:
      workdir: what launch/main.py made.
      fetch: whether images may be downloaded later where the config allows it.

    Raises: UserError where it is missing, damaged or does not fit this version.
    """
    saved = read_config(workdir)
    offline = {} if fetch else {'data.download': False}
    return plan_without_images(validate({**upgrade(saved['config']), **offline}), saved['data'])


def plan_without_images(config: Any, data: Mapping[str, Any]) -> Plan:
    """The plan of a validated config, whose images `data` describes."""
    trials, num_params = select_trials(config, checked_trials(config), data['num_classes'])
    return Plan(config, trials, num_params, group_trials(trials), None, data, 0)


def checked_trials(config: Any) -> list[Trial]:
    """The trials of a validated config.

    Raises: UserError if the model or optimizer options of a trial are invalid.
    """
    trials = expand_trials(config)
    for trial in trials:
        check_model_config(trial.config)
        check_loss_config(trial.config.loss)
        check_optimizer_config(trial.config.optimizer)
    return trials


def check_memory(config: Any, trials: list[Trial], num_params: list[int]) -> None:
    """Raises UserError if the runs of one program certainly exceed the machine's memory.

    Counts parameters, Adam's two moments and pair indices, 4 bytes each. Training needs more, so
    a program that passes may still run out of memory.
    """
    sizes: dict[tuple, int] = {}
    for trial, num in zip(trials, num_params, strict=True):
        data = trial.config.data
        pairs = data.num_train_pairs + data.num_validation_pairs + data.num_test_pairs
        one_run = 12 * num + 8 * pairs
        sizes[trial.structure] = sizes.get(trial.structure, 0) + config.num_seeds * one_run
    largest, limit = max(sizes.values()), machine_bytes()
    if largest > limit:
        raise UserError(
            f'the runs of one program need at least {gigabytes(largest)}, but this machine has '
            f'{gigabytes(limit)} of memory; choose fewer seeds (num_seeds={config.num_seeds}), '
            'fewer trials of the same structure, or smaller model.widths'
        )


def load_config_digits(
    data: Any, progress: Callable[[int, int], None] = lambda done, total: None
) -> Digits:
    """Loads the digits that config.data describes; `progress` as in `load_digits`."""
    return load_digits(
        data.source, data.dir or None, data.dataset, data.download, data.label, progress
    )


def describe_data(source: str, digits: Digits) -> dict[str, Any]:
    """What config.json says of the digits: source, pool sizes, number of classes, a hash of all
    images and labels, and the pixel values that are black and white.

    Names of the classes are there unless they only repeat the labels.
    """
    digest = hashlib.blake2b(digest_size=8)
    for array in digits.arrays:
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array).data)
    names = list(digits.class_names)
    return {
        'source': source,
        'train_pool': len(digits.train_labels),
        'test_pool': len(digits.test_labels),
        'num_classes': digits.num_classes,
        'fingerprint': digest.hexdigest(),
        **dict(zip(('black', 'white'), digits.pixel_range, strict=True)),
        **({'class_names': names} if names != list(map(str, range(len(names)))) else {}),
    }


def select_trials(
    config: Any, trials: list[Trial], num_classes: int
) -> tuple[list[Trial], list[int]]:
    """The trials that sweep.param_range and sweep.part leave, renumbered from 0, and their sizes.

    Raises: UserError if there are none.
    """
    # Counted once per structure, since a sweep may have thousands of trials.
    models = {trial.structure: trial.config.model for trial in trials}
    for model in models.values():
        check_output(model, num_classes)
    sizes = {structure: count_params(model, num_classes) for structure, model in models.items()}
    kept = [(trial, sizes[trial.structure]) for trial in trials]
    if config.sweep.param_range:
        low, high = config.sweep.param_range
        kept = [(trial, n) for trial, n in kept if low < n < high]
    if not kept:
        raise UserError(
            f'sweep.param_range={config.sweep.param_range} leaves no trial; the sweep has '
            f'{min(sizes.values())} to {max(sizes.values())} parameters'
        )
    number, count = part_of(config.sweep.part)
    if count > len(kept):
        raise UserError(
            f'sweep.part={config.sweep.part}, but the sweep has {len(kept)} trials; choose at most '
            'that many parts'
        )
    places = split_trials((trial.hyperparameters for trial, _ in kept), count)[number - 1]
    chosen = [kept[place][0]._replace(index=index) for index, place in enumerate(places)]
    return chosen, [kept[place][1] for place in places]


def group_trials(trials: list[Trial]) -> list[list[Trial]]:
    """Groups trials by structure, in the order of first appearance."""
    groups = group_by_structure(trial.hyperparameters for trial in trials)
    return [[trials[index] for index in group] for group in groups]
