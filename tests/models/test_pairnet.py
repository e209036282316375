"""What PairNet is made of, in one run and in many: each piece against its own formula."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import make_hyperparameters, make_small_config
from flax import nnx

from pairjax.config import validate
from pairjax.models.decision import compare_digits
from pairjax.runtime.plan import make_plan
from pairjax.training import evaluate, train_step
from pairjax.training.losses import cross_entropy
from pairjax.training.state import Purpose, run_key

HYPERPARAMETERS = make_hyperparameters(main_weight=0.0, aux_weight=1.0, dropout_rate=0.25)


@pytest.fixture(scope='module')
def plan_of(small_digits_path):
    """A function from fields to the plan of a small network with every piece."""

    def make(**fields):
        config = make_small_config(small_digits_path)
        config.model.name, config.model.widths = 'PairNet', (2, 3, 4, 4)
        config.model.normalization, config.model.head = 'batch', 'argmax'
        config.loss.main_weight = 0.0
        config.augment.shift = 1.0
        config.train.shuffle = True
        config.update_from_flattened_dict({k.replace('__', '.'): v for k, v in fields.items()})
        plan = make_plan(validate(config))
        return plan._replace(pools=jax.device_put(plan.pools))

    return make


def train(plan, seed=0, num_epochs=1):
    """The states of one run, from the initial one to that after the last epoch."""
    init = jax.jit(functools.partial(train_step.init_state, plan.config))
    train_epoch = jax.jit(functools.partial(train_step.train_epoch, plan.config))
    states = [init(plan.pools, seed, HYPERPARAMETERS)]
    for _ in range(num_epochs):
        state, loss = train_epoch(plan.pools, states[-1], HYPERPARAMETERS)
        assert np.isfinite(loss)
        states.append(state)
    return states


@pytest.fixture(scope='module')
def trained(plan_of):
    # One step an epoch, so that a state an epoch is a state a step.
    plan = plan_of(train__batch_size=20)
    return plan, train(plan, num_epochs=3)


def ask(plan, state, images):
    return jax.jit(functools.partial(evaluate.predict, plan.config, plan.pools.num_classes))(
        state, images
    )


def test_an_answer_does_not_depend_on_the_other_pairs_of_its_batch(trained):
    plan, states = trained
    images = np.asarray(plan.pools.images[:8]).reshape(4, 2, 14, 14)
    together = ask(plan, states[-1], images)
    alone = ask(plan, states[-1], images[:1])
    np.testing.assert_allclose(alone[1][0], together[1][0], rtol=1e-4, atol=1e-5)


def test_running_averages_follow_the_batches(trained):
    """Each image's batch moves the first layer's averages: to 0.9 of the old, 0.1 of its own."""
    plan, (before, after, *_) = trained
    state = before
    key = run_key(state.seed, Purpose.AUGMENT, state.epoch)
    images = train_step.augmented_images(plan.config, key, plan.pools, state.pairs.train, 0)
    images = np.asarray(train_step.standardize(state, images), np.float64)
    kernel = nnx.to_pure_dict(state.learned.variables.params)['encoder']['module']['blocks'][0]
    kernel = np.asarray(kernel['kernel'])[:, :, 0]
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (2, 3))
    outputs = np.einsum('npyxij,ijc->pnyxc', windows, kernel)
    stats = nnx.to_pure_dict(after.learned.variables.batch_stats)
    norm = stats['encoder']['module']['blocks'][0]['norm']
    mean, var = np.zeros(2), np.ones(2)
    for image in outputs:
        mean = 0.9 * mean + 0.1 * image.mean((0, 1, 2))
        var = 0.9 * var + 0.1 * image.var((0, 1, 2))
    np.testing.assert_allclose(norm['mean'], mean, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(norm['var'], var, rtol=1e-3, atol=1e-5)


def test_the_last_epochs_see_images_as_they_are(plan_of):
    plan = plan_of(augment__undistorted=0.4, train__num_epochs=5)
    pairs, key = np.arange(8).reshape(4, 2), run_key(0, Purpose.AUGMENT, 0)
    augmented = jax.jit(functools.partial(train_step.augmented_images, plan.config))
    raw = np.asarray(plan.pools.images)[pairs]
    seen_raw = [np.array_equal(augmented(key, plan.pools, pairs, epoch), raw) for epoch in range(5)]
    assert seen_raw == [False, False, False, True, True]


def test_an_image_is_changed_by_run_and_epoch_and_not_by_its_place(trained):
    plan, states = trained
    pairs = np.asarray(states[0].pairs.train)

    @jax.jit
    def changed(seed, epoch, pairs):
        key = run_key(seed, Purpose.AUGMENT, epoch)
        return train_step.augmented_images(plan.config, key, plan.pools, pairs, epoch)

    images = changed(0, 0, pairs)
    np.testing.assert_allclose(changed(0, 0, pairs[::-1])[::-1], images, atol=1e-4)
    raw = np.asarray(plan.pools.images)[pairs]
    for other in (changed(1, 0, pairs), changed(0, 1, pairs), raw):
        assert not np.allclose(other, images)


@pytest.fixture(scope='module')
def ensemble(plan_of):
    plan = plan_of(model__num_members=3)
    return plan, train(plan, num_epochs=1)


def test_members_share_the_pairs_and_nothing_else(ensemble):
    plan, states = ensemble
    assert (
        plan.num_params[0]
        == 3
        * make_plan(
            validate(
                {
                    **plan.config.to_dict(),
                    'model': {**plan.config.model.to_dict(), 'num_members': 1},
                }
            )
        ).num_params[0]
    )
    for state in states:
        kernels = nnx.to_pure_dict(state.learned.variables.params)['encoder']['module']['blocks']
        kernels = np.asarray(kernels[0]['kernel'])
        assert kernels.shape[0] == 3 and state.pairs.train.shape == (20, 2)
        for i in range(3):
            assert not np.allclose(kernels[i], kernels[(i + 1) % 3])


def test_members_answer_with_their_mean_softmax(ensemble):
    plan, states = ensemble
    state, images = states[-1], np.asarray(plan.pools.images[:8]).reshape(4, 2, 14, 14)
    structure = train_step.model_structure(plan.config, plan.pools.num_classes, training=False)
    probabilities = []
    for member in range(3):
        variables = jax.tree.map(lambda leaf, m=member: leaf[m], state.learned.variables)
        output = jax.jit(nnx.merge(structure, *variables))(train_step.standardize(state, images))
        probabilities.append([jax.nn.softmax(digits) for digits in output[1:]])
    mean = np.mean(probabilities, axis=0)
    found = ask(plan, state, images)
    np.testing.assert_allclose(jax.nn.softmax(jnp.stack(found[1:])), mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        found.main_logits, compare_digits('argmax', 'less_equal', *np.log(mean)), rtol=1e-3
    )


@pytest.mark.parametrize('smoothing', [0.0, 0.3])
def test_smoothing_spreads_a_part_of_the_target(smoothing):
    logits = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 0])
    log_p = np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    target = (1 - smoothing) * np.eye(4)[labels] + smoothing / 4
    expected = -(target * log_p).sum(axis=1).mean()
    np.testing.assert_allclose(cross_entropy(logits, labels, smoothing), expected, rtol=1e-5)


def test_the_probability_head_learns_from_the_pair_alone(plan_of):
    plan = plan_of(model__head='probability', loss__main_weight=1.0, loss__aux_weight=0.0)
    init = jax.jit(functools.partial(train_step.init_state, plan.config))
    train_epoch = jax.jit(functools.partial(train_step.train_epoch, plan.config))
    hyperparameters = make_hyperparameters(main_weight=1.0, learning_rate=0.02)
    state, losses = init(plan.pools, 0, hyperparameters), []
    for _ in range(15):
        state, loss = train_epoch(plan.pools, state, hyperparameters)
        losses.append(float(loss))
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
