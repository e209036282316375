"""The fast convolution's error stays at rounding level through a whole training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from pairjax.config import default_config
from pairjax.data.pairs import pair_targets
from pairjax.models import layers
from pairjax.ops.conv_relu_pool import conv_relu_pool, conv_relu_pool_reference
from pairjax.runtime.plan import make_plan
from pairjax.training import train_step
from pairjax.training.losses import pair_loss
from pairjax.trials import traced_hyperparameters

NUM_EPOCHS = 25


@pytest.fixture(scope='module')
def states():
    """The states of a run on bundled digits before training, halfway and after it."""
    config = default_config()
    config.data.num_train_pairs = config.train.batch_size = 60
    config.model.widths = (16, 32, 32, 64)
    plan = make_plan(config)
    plan = plan._replace(pools=jax.device_put(plan.pools))
    hyper = traced_hyperparameters(plan.trials[0].config)
    state = train_step.init_state(plan.config, plan.pools, jnp.int32(0), hyper)
    epoch = jax.jit(lambda state: train_step.train_epoch(plan.config, plan.pools, state, hyper))
    saved = [state]
    for number in range(1, NUM_EPOCHS + 1):
        state, loss = epoch(state)
        if number in (NUM_EPOCHS // 2, NUM_EPOCHS):
            saved.append(state)
    assert loss < 4  # It has learned: an untrained network's loss is 5.3.
    return plan, saved


def loss_and_gradient(plan, state, convolution, dtype, monkeypatch):
    """On the run's first batch, without dropout, as a flat float64 vector."""
    monkeypatch.setattr(layers, 'conv_relu_pool', convolution)
    with jax.enable_x64(dtype == np.float64):
        state, pools = jax.tree.map(np.asarray, (state, plan.pools))
        indices = state.pairs.train
        images = train_step.standardize(state, pools.images[indices]).astype(dtype)
        classes = pools.labels[indices]
        structure = train_step.model_structure(plan.config, pools.num_classes, training=False)

        def loss_fn(params):
            output = nnx.merge(structure, params, nnx.State({}))(images)
            return pair_loss(output, classes, pair_targets('less_equal', classes), 1.0, 2.0)

        params = jax.tree.map(lambda leaf: leaf.astype(dtype), state.learned.variables.params)
        loss, gradient = jax.jit(jax.value_and_grad(loss_fn))(params)
        leaves = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(gradient)]
        return np.concatenate([[float(loss)], *leaves])


def test_its_error_is_that_of_float32_from_the_first_epoch_to_the_last(states, monkeypatch):
    plan, saved = states
    for state in saved:
        exact, plain, fast = (
            loss_and_gradient(plan, state, convolution, dtype, monkeypatch)
            for convolution, dtype in (
                (conv_relu_pool_reference, np.float64),
                (conv_relu_pool_reference, np.float32),
                (conv_relu_pool, np.float32),
            )
        )
        error, plain_error = (np.linalg.norm(v - exact) for v in (fast, plain))
        assert error < 2e-6 * np.linalg.norm(exact)
        assert 0 < error < 10 * plain_error + 1e-6 * np.linalg.norm(exact)
