"""Memory grows with the number of runs by their states and metrics alone."""

import math

import jax
import numpy as np
import pytest
from conftest import make_small_config

from pairjax.runtime.plan import make_plan
from pairjax.runtime.sharding import choose_layout, replicate, stack_runs
from pairjax.runtime.vectorize import compile_programs
from pairjax.trials import traced_hyperparameters


def programs_of(plan, num_runs):
    """The programs of that many runs on one device, and how many bytes their states have."""
    config = plan.config
    layout = choose_layout(num_runs, config.runs, config.train.batch_size)
    pools = replicate(plan.pools, layout)
    seeds = stack_runs([np.int32(seed) for seed in range(num_runs)], layout)
    hyper = stack_runs([traced_hyperparameters(config)] * num_runs, layout)
    programs = compile_programs(config, layout, pools, seeds, hyper)
    leaves = jax.tree.leaves(programs.state)
    return programs, sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)


@pytest.fixture(scope='module')
def few_and_many(small_digits_path):
    config = make_small_config(small_digits_path)
    config.runs.devices, config.train.batch_size = 1, 10
    plan = make_plan(config)
    return programs_of(plan, 10), programs_of(plan, 100)


@pytest.mark.parametrize('name', ['init', 'train_epoch', 'evaluate'])
def test_what_a_program_needs_beside_the_states_is_the_same_for_few_and_many(few_and_many, name):
    (few, few_bytes), (many, many_bytes) = few_and_many
    temporary = [getattr(p, name).memory_analysis().temp_size_in_bytes for p in (few, many)]
    assert temporary[1] - temporary[0] < 0.1 * (many_bytes - few_bytes)


def test_training_reuses_the_memory_of_the_states(few_and_many):
    _, (many, many_bytes) = few_and_many
    assert many.train_epoch.memory_analysis().alias_size_in_bytes >= many_bytes
