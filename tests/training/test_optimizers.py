"""Optimizers and schedules, against their formulas in NumPy."""

import math

import jax
import numpy as np
import pytest
from conftest import make_hyperparameters

from pairjax.config import default_config
from pairjax.errors import UserError
from pairjax.training.optimizers import check_optimizer_config, make_tx


def optimizer_config(**fields):
    config = default_config().optimizer
    config.update(fields)
    return config


def updates_of(optimizer, num_steps, **hyperparameters):
    """The updates of a weight of 1 and a bias of 1 whose gradients are 1, step by step."""
    tx = make_tx(optimizer, make_hyperparameters(**hyperparameters), num_steps)
    params = {'weight': np.ones((1, 1), np.float32), 'bias': np.ones(1, np.float32)}
    state, found = tx.init(params), []
    for _ in range(num_steps):
        updates, state = tx.update(params, state, params)
        found.append((float(updates['weight'][0, 0]), float(updates['bias'][0])))
    return np.array(found)


def test_the_rate_rises_and_falls_along_a_cosine():
    config = optimizer_config(schedule='warmup_cosine', warmup=0.25)
    found = -updates_of(config, 40, learning_rate=0.5)[:, 1]
    # With a gradient that never changes, Adam's step is the rate itself.
    rise = [0.5 * step / 10 for step in range(10)]
    fall = [0.25 * (1 + math.cos(math.pi * step / 30)) for step in range(30)]
    np.testing.assert_allclose(found, rise + fall, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('num_steps', [1, 2])
def test_a_schedule_of_next_to_no_steps_is_finite(num_steps):
    config = optimizer_config(schedule='warmup_cosine', warmup=1.0)
    assert np.isfinite(updates_of(config, num_steps)).all()


def test_weights_decay_and_biases_do_not():
    config = optimizer_config(name='adamw')
    still, decayed = (updates_of(config, 1, weight_decay=decay)[0] for decay in (0.0, 0.5))
    np.testing.assert_allclose(decayed - still, [-0.01 * 0.5, 0], atol=1e-8)


def test_b2_is_how_long_squares_are_remembered():
    """A first gradient of 1, then of 0: the second step is as large as what is left of it."""
    for b2 in (0.5, 0.99):
        tx = make_tx(optimizer_config(b2=b2), make_hyperparameters(learning_rate=1.0), 2)
        one = np.ones(1, np.float32)
        _, state = tx.update(one, tx.init(one))
        update, _ = jax.jit(tx.update)(0 * one, state)
        mean = 0.9 * 0.1 / (1 - 0.9**2)
        square = b2 * (1 - b2) / (1 - b2**2)
        np.testing.assert_allclose(update, -mean / math.sqrt(square), rtol=1e-4)


@pytest.mark.parametrize('momentum', [0.0, 0.9])
def test_sgd_is_that_of_pytorch(momentum):
    """The steps of torch.optim.SGD(lr=0.1, momentum=...), by its documented recursion."""
    gradients = np.float32([[1.0, -2.0], [0.5, 0.0], [-3.0, 4.0], [0.25, 1.0]])
    config = optimizer_config(name='sgd', momentum=momentum)
    tx = make_tx(config, make_hyperparameters(learning_rate=0.1), len(gradients))
    params = velocity = np.zeros(2, np.float32)
    expected, state = params, tx.init(params)
    for gradient in gradients:
        updates, state = tx.update(gradient, state, params)
        params = params + updates
        velocity = momentum * velocity + gradient
        expected = expected - 0.1 * velocity
        np.testing.assert_allclose(params, expected, rtol=1e-6)
    # Without momentum nothing is kept from step to step.
    assert len(jax.tree.leaves(state)) == (momentum > 0)


@pytest.mark.parametrize('momentum', [0.0, 0.9])
def test_sgd_takes_the_steps_that_pytorch_takes(momentum):
    torch = pytest.importorskip('torch', reason='PyTorch, an optional extra, is not installed')
    tx = make_tx(
        optimizer_config(name='sgd', momentum=momentum),
        make_hyperparameters(learning_rate=0.01),
        20,
    )
    x = np.linspace(-1, 2, 7, dtype=np.float32)
    ours, state = x, tx.init(x)
    theirs = torch.tensor(x, requires_grad=True)
    optimizer = torch.optim.SGD([theirs], lr=0.01, momentum=momentum)
    for _ in range(20):
        updates, state = tx.update(4 * ours**3, state)
        ours = ours + updates
        optimizer.zero_grad()
        (theirs**4).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ('fields', 'part'),
    [
        ({'momentum': 0.9}, 'optimizer.name=sgd'),
        ({'name': 'sgd', 'b2': 0.9}, 'set it to 0.999 or take optimizer.name=adam or adamw'),
        ({'name': 'sgd', 'weight_decay': 0.1}, 'is not used by sgd'),
        ({'name': 'adm'}, 'did you mean'),
        ({'schedule': 'cosine'}, 'optimizer.schedule'),
        ({'warmup': 0.1}, 'optimizer.schedule=warmup_cosine'),
        ({'weight_decay': 0.1}, 'optimizer.name=adamw'),
    ],
)
def test_what_is_not_used_is_refused(fields, part):
    with pytest.raises(UserError, match=part):
        check_optimizer_config(optimizer_config(**fields))
