"""Many runs: a run does not depend on its neighbours, its batch or its device."""

import jax
import numpy as np
import pytest

from pairjax.config import validate
from pairjax.errors import UserError
from pairjax.runtime.plan import make_plan
from pairjax.runtime.sharding import choose_layout, place_runs, replicate, stack_runs, unstack_runs
from pairjax.runtime.vectorize import compile_programs
from pairjax.training.evaluate import EvalRequest
from pairjax.trials import traced_hyperparameters


@pytest.fixture
def conv_plan(small_config):
    # One step an epoch, so that an epoch compares what the design promises of the first step.
    small_config.train.batch_size = small_config.data.num_train_pairs
    small_config.num_seeds = 10
    return make_plan(small_config)


@pytest.fixture
def plan(small_config, conv_plan):
    """The same with a network that compiles in a second."""
    small_config.model.name, small_config.model.widths = 'ShallowModel', (8,)
    small_config.model.dropout_rate = small_config.loss.aux_weight = 0.0
    return make_plan(small_config)


def train_one_epoch(plan, seeds, devices, per_batch):
    """Initial and trained state, losses and counts of some seeds, as host arrays."""
    runs = {'devices': devices, 'per_batch': per_batch}
    config = validate({**plan.config.to_dict(), 'runs': runs})
    layout = choose_layout(len(seeds), config.runs, 100)
    pools = replicate(plan.pools, layout)
    stacked = stack_runs([np.int32(seed) for seed in seeds], layout)
    hyper = stack_runs([traced_hyperparameters(config)] * len(seeds), layout)
    programs = compile_programs(config, layout, pools, stacked, hyper)
    initial = programs.init(pools, stacked, hyper)
    kept = jax.tree.map(np.copy, unstack_runs(initial, layout))
    trained, losses = programs.train_epoch(pools, initial, hyper)
    asked = EvalRequest(pools, replicate(np.bool_(True), layout))
    counts = programs.evaluate(asked, trained)
    return kept, *(unstack_runs(tree, layout) for tree in (trained, losses, counts))


def assert_same_first_step(trained, losses, other, other_losses):
    """The loss and, through Adam's moments, the gradients agree; Adam's own first step does
    not have to, since it moves a parameter with next to no gradient by its mere sign."""
    np.testing.assert_allclose(losses, other_losses, rtol=1e-5)
    moments, others = (jax.tree.leaves(state.learned.opt_state) for state in (trained, other))
    for a, b in zip(moments, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())


def take(tree, i):
    return jax.tree.map(lambda leaf: leaf[i : i + 1], tree)


LAYOUTS = [(1, 1), (1, 4), (1, 10), (2, 1), (2, 3), (3, 2), (8, 1)]


@pytest.fixture(scope='module')
def ten_seeds_by_layout():
    return {}


@pytest.mark.parametrize(('devices', 'per_batch'), LAYOUTS)
def test_a_run_is_the_same_in_every_layout(plan, ten_seeds_by_layout, devices, per_batch):
    if not ten_seeds_by_layout:
        ten_seeds_by_layout['reference'] = train_one_epoch(plan, range(10), 1, 1)
    reference = ten_seeds_by_layout['reference']
    initial, trained, losses, counts = train_one_epoch(plan, range(10), devices, per_batch)
    jax.tree.map(np.testing.assert_array_equal, initial, reference[0])
    assert_same_first_step(trained, losses, *reference[1:3])
    assert counts.main.test.shape == (10,)


def test_a_seed_alone_is_the_same_run_as_among_ten(conv_plan):
    """With dropout and convolutions, whose kernels differ from run to run in a batch."""
    among_ten = train_one_epoch(conv_plan, range(10), 2, 3)
    alone = train_one_epoch(conv_plan, [7], 1, 1)
    jax.tree.map(np.testing.assert_array_equal, alone[0], take(among_ten[0], 7))
    assert_same_first_step(*alone[1:3], take(among_ten[1], 7), take(among_ten[2], 7))


def test_seeds_differ(plan):
    initial, trained, _, _ = train_one_epoch(plan, [0, 1], 1, 2)
    assert not np.array_equal(initial.pairs.train[0], initial.pairs.train[1])
    for tree in (initial.learned.variables.params, trained.learned.variables.params):
        for leaf in jax.tree.leaves(tree):
            assert not np.array_equal(leaf[0], leaf[1])


def test_hyperparameters_belong_to_their_run(plan):
    """Runs with learning rate 0 stay put beside one that learns."""
    config = plan.config
    layout = choose_layout(3, config.runs, 100)
    pools = replicate(plan.pools, layout)
    seeds = stack_runs([np.int32(0)] * 3, layout)
    usual = traced_hyperparameters(config)
    rates = [usual._replace(learning_rate=np.float32(rate)) for rate in (0.0, 0.01, 0.0)]
    hyper = stack_runs(rates, layout)
    programs = compile_programs(config, layout, pools, seeds, hyper)
    state = programs.init(pools, seeds, hyper)
    before = jax.tree.map(np.copy, unstack_runs(state, layout).learned.variables.params)
    after = unstack_runs(
        programs.train_epoch(pools, state, hyper)[0], layout
    ).learned.variables.params
    for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(old[[0, 2]], new[[0, 2]])
        assert not np.array_equal(old[1], new[1])


def test_padding_is_added_and_cut_off(plan):
    layout = choose_layout(5, validate({**plan.config.to_dict()}).runs, 100)._replace(per_batch=2)
    assert layout.padded % (layout.mesh.size * 2) == 0
    values = [np.float32(i) for i in range(5)]
    stacked = stack_runs(values, layout)
    assert stacked.shape == (layout.padded,)
    np.testing.assert_array_equal(unstack_runs(stacked, layout), values)
    again = place_runs(unstack_runs(stacked, layout), layout)
    np.testing.assert_array_equal(again, stacked)


def test_more_devices_than_there_are_is_an_error(plan):
    config = validate({**plan.config.to_dict(), 'runs': {'devices': 99, 'per_batch': 0}})
    with pytest.raises(UserError, match=r'runs\.devices=99, but there are 8'):
        choose_layout(10, config.runs, 100)


def test_no_device_is_left_with_padding_alone(plan):
    config = validate({**plan.config.to_dict(), 'runs': {'devices': 8, 'per_batch': 0}})
    assert choose_layout(3, config.runs, 100).mesh.size == 3


def test_small_batches_train_several_runs_together_on_cpu(plan):
    runs = validate({**plan.config.to_dict(), 'runs': {'devices': 2, 'per_batch': 0}}).runs
    assert choose_layout(100, runs, batch_size=1).per_batch == 5
    assert choose_layout(100, runs, batch_size=100).per_batch == 1
    # Never more than a device has, nor wider than the number of batches needs.
    assert choose_layout(4, runs, batch_size=1).per_batch == 2
    assert choose_layout(12, runs, batch_size=1).padded == 12
    # Of three to five at a time the one that pads least.
    assert choose_layout(36, runs, batch_size=1)[1:] == (36, 3)
    assert choose_layout(46, runs, batch_size=1).padded == 48
