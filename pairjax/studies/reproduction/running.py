"""The experiments of both papers: their configs, a quick form of them, and running them all."""

import copy
import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from pairjax.config import flatten, validate
from pairjax.data.pairs import check_test_pool, draw_test_pairs, make_pools, pair_targets
from pairjax.data.sources import Digits
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.many_experiments import run_experiments
from pairjax.runtime.multihost import on_primary, raise_on_all
from pairjax.runtime.plan import (
    checked_trials,
    group_trials,
    load_config_digits,
    seeds_of,
    select_trials,
)
from pairjax.studies.reproduction.results import MAJORITY_FILE, NETWORKS, experiment_names
from pairjax.system import write_json, writing
from pairjax.training.state import Purpose, run_key

QUICK_SEEDS, QUICK_EPOCHS = 2, 2
# Compiling is what takes time in a quick reproduction.
QUICK_PROGRAMS = 2
# Counting the parameters of a thousand networks takes longer than training two. Every seventh of
# the six widths' combinations leaves at least four within the budget of each network.
QUICK_STRIDE = 7


def load_configs(
    directory: Path, papers: Sequence[int], settings: Mapping[str, Any]
) -> dict[str, ConfigDict]:
    """The configs of the papers' experiments by name.

    Args:
      directory: the repository's configs/.
      papers: which papers, 1 and 2.
      settings: fields by dotted name, set in every config.
    """

    def load(file: str, *name: str) -> ConfigDict:
        config = runpy.run_path(str(directory / f'{file}.py'))['get_config'](*name)
        config.update_from_flattened_dict(settings)
        return config

    configs = []
    for paper in papers:
        networks = NETWORKS[paper].values()
        for name in experiment_names(paper):
            configs.append(load(name) if name in networks else load(f'report{paper}', name))
    return {config.name: config for config in configs}


def quick_config(config: ConfigDict, num_classes: int) -> ConfigDict:
    """A config in short: few epochs, and evenly chosen programs with all of their trials.

    Args:
      config: a config as configs/*.py make it.
      num_classes: of the digits; the number of parameters depends on it.
    """
    quick = copy.deepcopy(config)
    quick.train.num_epochs = QUICK_EPOCHS
    fields = [name for name, _ in config.sweep.product]
    fields += [name for name, _ in config.sweep.settings[0]] if config.sweep.settings else []
    if config.sweep.param_range:
        product = config.sweep.product
        quick.sweep.product = tuple((field, values[::QUICK_STRIDE]) for field, values in product)
    if fields:
        checked = validate(quick)
        trials, _ = select_trials(checked, checked_trials(checked), num_classes)
        programs = group_trials(trials)
        count = min(QUICK_PROGRAMS, len(programs))
        chosen = np.linspace(0, len(programs) - 1, count).round().astype(int)
        settings = [flatten(trial.config) for number in chosen for trial in programs[number]]
        quick.sweep.product = quick.sweep.param_range = ()
        quick.sweep.settings = tuple(
            tuple((field, setting[field]) for field in fields) for setting in settings
        )
    return quick


def majority_accuracies(config: Any, digits: Digits) -> dict[str, float]:
    """Accuracy of the majority-class baseline on the test pairs of each seed.

    Args:
      config: whose test pairs and seeds.
      digits: what they are drawn from.

    Returns: by seed, as text (for JSON).
    """
    check_test_pool(config.data.num_test_pairs, len(digits.test_labels), config.data.source)
    pools, seeds = jax.device_put(make_pools(digits)), seeds_of(config)

    def count_true(seed: jax.Array) -> jax.Array:
        key = run_key(seed, Purpose.PAIRS)
        pairs = draw_test_pairs(key, config.data.num_test_pairs, pools)
        return pair_targets(config.data.relation, pools.labels[pairs]).sum()

    num_pairs = config.data.num_test_pairs
    counts = np.asarray(jax.vmap(count_true)(jnp.asarray(seeds))).tolist()
    return {
        str(seed): max(count, num_pairs - count) / num_pairs
        for seed, count in zip(seeds, counts, strict=True)
    }


def reproduce(
    configs: Mapping[str, ConfigDict],
    workdir: Path,
    quick: bool = False,
    run: Callable[..., Any] = run_experiment,
    callbacks: Sequence[Callback] = (),
) -> dict[str, Path]:
    """Runs every experiment in workdir/NAME and writes the baseline's accuracy beside them.

    Experiments of an earlier call go on, finished ones are skipped, and where one fails the others
    still run.

    Args:
      configs: by name, all with the same digits.
      workdir: the directory of their workdirs.
      quick: run each in its quick form.
      run: takes config, workdir and callbacks, as `run_experiment` does.
      callbacks: are told how they go on.

    Returns: the workdirs of the finished ones by name.
    Raises: UserError where the digits cannot be had; Interrupted when a signal asked to stop and
      the state is saved.
    """
    most_seeds = max(configs.values(), key=lambda config: config.num_seeds)
    digits = raise_on_all('digits of the reports', lambda: load_config_digits(most_seeds.data))

    def write_majority():
        with writing(workdir):
            workdir.mkdir(parents=True, exist_ok=True)
        write_json(workdir / MAJORITY_FILE, majority_accuracies(most_seeds, digits))

    on_primary('write the baseline', write_majority)
    if quick:
        configs = {name: quick_config(c, digits.num_classes) for name, c in configs.items()}
    return run_experiments(configs.items(), workdir, run, callbacks)
