"""What a run promises: it is a function of trial and seed, and its failure is its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import make_hyperparameters

from pairjax.config import default_config
from pairjax.data.pairs import make_pools
from pairjax.data.sources import Digits
from pairjax.errors import UserError
from pairjax.models.layers import Branches, Head
from pairjax.models.networks import PairModel, PairOutput
from pairjax.models.registry import MODELS
from pairjax.training import train_step
from pairjax.training.optimizers import check_optimizer_config
from pairjax.training.state import Purpose, run_key

SHALLOW = {'model.name': 'ShallowModel', 'model.widths': (4,)}
TINY = {'model.name': 'TinyNet', 'model.widths': (16,), 'optimizer.name': 'adamw'}


class TinyNet(PairModel):
    """All that a network can have but convolutions, which take long to compile."""

    width_names = ('hidden',)

    def __init__(self, model, num_classes, rngs):
        widths = (196, *model.widths, num_classes)
        self.digit_head = Branches(lambda: Head(widths, rngs), model.weight_sharing)
        self.main_head = Head((2 * num_classes, 2), rngs)

    def __call__(self, images, dropout=None):
        a, b = images.reshape(-1, 2, 196).transpose(1, 0, 2)
        digits = self.digit_head(a, b, dropout)
        return PairOutput(self.main_head(jnp.concatenate(digits, axis=1), dropout), *digits)


@pytest.fixture(autouse=True)
def with_tiny_net(monkeypatch):
    monkeypatch.setitem(MODELS, 'TinyNet', TinyNet)


def make_random_pools():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (36, 14, 14)).astype(np.uint8)
    labels = rng.integers(0, 5, 36).astype(np.int32)
    digits = Digits(images[:24], labels[:24], images[24:], labels[24:])
    return jax.device_put(make_pools(digits))


POOLS = make_random_pools()


def make_config(fields):
    """7 train pairs in batches of 3, with `fields` set."""
    config = default_config()
    config.data.update(num_train_pairs=7, num_validation_pairs=3, num_test_pairs=4)
    config.update_from_flattened_dict({'train.batch_size': 3, **fields})
    return config


HYPERPARAMETERS = make_hyperparameters()


def programs(fields, pools=POOLS, jit=jax.jit):
    """(init(seed, hyperparameters), train_epoch(state, hyperparameters)) of a config."""
    config = make_config(fields)
    return (
        jit(lambda seed, h: train_step.init_state(config, pools, seed, h)),
        jit(lambda state, h: train_step.train_epoch(config, pools, state, h)),
    )


@pytest.fixture(scope='module')
def shallow():
    """The programs of ShallowModel with shuffled batches."""
    return programs({**SHALLOW, 'train.shuffle': True})


def assert_trees_equal(one, two):
    jax.tree.map(np.testing.assert_array_equal, one, two)


def trees_differ(one, two):
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True)
    return any(np.any(np.asarray(a) != np.asarray(b)) for a, b in leaves)


def of_run(stacked, i):
    return jax.tree.map(lambda leaf: leaf[i], stacked)


def test_a_run_that_diverges_is_marked_and_its_neighbour_is_not_touched():
    init, train_epoch = programs(SHALLOW, jit=lambda f: jax.jit(jax.vmap(f)))

    def train(first_learning_rate):
        rates = np.float32([first_learning_rate, 0.01])
        hyperparameters = jax.tree.map(lambda h: np.full(2, h), make_hyperparameters())
        hyperparameters = hyperparameters._replace(learning_rate=rates)
        state = init(np.int32([0, 1]), hyperparameters)
        losses = []
        for _ in range(3):
            state, loss = train_epoch(state, hyperparameters)
            losses.append(np.asarray(loss))
        return state, np.stack(losses)

    beside_failure, losses = train(1e30)
    beside_health, healthy_losses = train(0.01)
    assert np.isnan(losses[:, 0]).all() and np.isfinite(healthy_losses).all()
    assert list(beside_failure.failed) == [True, False]
    assert list(beside_health.failed) == [False, False]
    np.testing.assert_array_equal(losses[:, 1], healthy_losses[:, 1])
    assert_trees_equal(of_run(beside_failure, 1), of_run(beside_health, 1))

    # Once failed, a run stays failed, also where its loss is finite again.
    revived = beside_health.replace(failed=beside_failure.failed)
    state, loss = train_epoch(revived, jax.tree.map(lambda h: np.full(2, h), HYPERPARAMETERS))
    assert list(np.isnan(loss)) == list(state.failed) == [True, False]


def test_an_infinite_loss_is_a_failure_too(shallow):
    init, train_epoch = shallow
    state = init(0, HYPERPARAMETERS)
    # Each batch's loss is finite, their sum is not, and no parameter becomes so.
    state, loss = train_epoch(state, make_hyperparameters(main_weight=3e38, learning_rate=0))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.learned.variables.params))
    assert np.isnan(loss) and state.failed


def test_every_hyperparameter_is_traced_and_has_its_effect():
    traces = []
    config = make_config(TINY)

    @jax.jit
    def train_epoch(state, hyperparameters):
        traces.append(hyperparameters)
        return train_step.train_epoch(config, POOLS, state, hyperparameters)

    base = {'main_weight': 1.0, 'aux_weight': 1.0}
    state = programs(TINY)[0](0, make_hyperparameters())

    def train(**fields):
        return train_epoch(state, make_hyperparameters(**{**base, **fields}))

    after, loss = train()
    for field, value in {'learning_rate': 0.02, 'weight_decay': 0.5}.items():
        assert trees_differ(
            train(**{field: value})[0].learned.variables.params, after.learned.variables.params
        ), field
    for field in ('main_weight', 'aux_weight', 'dropout_rate'):
        assert train(**{field: 0.5})[1] != loss, field
    # At rate 0 nothing moves, and the loss is linear in its weights.
    still, loss = train(learning_rate=0)
    assert_trees_equal(still.learned.variables.params, state.learned.variables.params)
    _, main = train(learning_rate=0, aux_weight=0)
    _, aux = train(learning_rate=0, main_weight=0)
    np.testing.assert_allclose(loss, main + aux, rtol=1e-5)
    assert len(traces) == 1


def test_a_run_is_reproduced_bit_by_bit(shallow):
    def run(programs, seed):
        init, train_epoch = programs
        state = init(seed, HYPERPARAMETERS)
        assert (state.seed, state.epoch, bool(state.failed)) == (seed, 0, False)
        return state, train_epoch(state, HYPERPARAMETERS)

    first = run(shallow, 2)
    assert_trees_equal(first, run(shallow, 2))
    assert_trees_equal(first, run(programs({**SHALLOW, 'train.shuffle': True}), 2))
    other_seed = run(shallow, 3)
    assert trees_differ(first[0].pairs, other_seed[0].pairs)
    assert trees_differ(first[0].learned.variables.params, other_seed[0].learned.variables.params)


def test_initial_pairs_and_parameters_depend_on_the_seed_alone(shallow):
    init, _ = shallow
    state = init(0, HYPERPARAMETERS)
    other_rate = init(0, make_hyperparameters(learning_rate=0.5, main_weight=3))
    assert_trees_equal(state, other_rate)
    fields = {'data.num_train_pairs': 5, 'train.batch_size': 2, 'optimizer.name': 'adamw'}
    other_size = programs({**SHALLOW, **fields})[0](0, HYPERPARAMETERS)
    assert_trees_equal(state.learned.variables.params, other_size.learned.variables.params)
    assert_trees_equal(state.pairs.validation, other_size.pairs.validation)


def test_a_step_of_sgd_is_as_long_as_its_gradient():
    """One batch an epoch: twice the loss goes twice as far, and with Adam as far as before."""
    fields = {'optimizer.name': 'sgd', 'train.batch_size': 7, 'model.dropout_rate': 0.0}
    init, train_epoch = programs({**TINY, **fields})
    steps = []
    for weight in (1, 2):
        weights = {'main_weight': weight, 'aux_weight': 2 * weight}
        hyperparameters = make_hyperparameters(learning_rate=1e-3, dropout_rate=0.0, **weights)
        state = init(0, hyperparameters)
        start = state.learned.variables.params
        after = train_epoch(state, hyperparameters)[0].learned.variables.params
        steps.append(jax.tree.map(lambda a, b: a - b, after, start))
    for one, two in zip(*map(jax.tree.leaves, steps), strict=True):
        np.testing.assert_allclose(2 * one, two, rtol=1e-3, atol=1e-7)
    assert any(np.abs(leaf).max() > 1e-5 for leaf in jax.tree.leaves(steps[0]))


def test_no_two_uses_share_a_key():
    purposes = Purpose.__members__.values()
    keys = [run_key(seed, purpose) for seed in (0, 1) for purpose in purposes]
    keys += [run_key(0, purpose, epoch) for purpose in purposes for epoch in (0, 1)]
    keys += [run_key(0, Purpose.DROPOUT, epoch, step) for epoch in (0, 1) for step in (0, 1, 2)]
    assert len({tuple(jax.random.key_data(key).tolist()) for key in keys}) == len(keys)


def test_each_step_and_each_epoch_drops_other_units():
    # All pairs alike and nothing learned: only the masks can make losses differ.
    pools = POOLS.replace(images=POOLS.images * 0 + 1, labels=POOLS.labels * 0)
    alike = {**TINY, 'data.standardize': False, 'train.batch_size': 1}
    _, one_step = programs({**alike, 'data.num_train_pairs': 1}, pools)
    init, two_steps = programs({**alike, 'data.num_train_pairs': 2}, pools)
    for rate, same in ((0.0, True), (0.5, False)):
        hyperparameters = make_hyperparameters(learning_rate=0, dropout_rate=rate)
        state = init(0, hyperparameters)
        _, both_steps = two_steps(state, hyperparameters)
        state = state.replace(pairs=state.pairs._replace(train=state.pairs.train[:1]))
        state, first_epoch = one_step(state, hyperparameters)
        state, second_epoch = one_step(state, hyperparameters)
        assert np.isclose(first_epoch, second_epoch, rtol=1e-6) == same
        assert np.isclose(first_epoch, both_steps, rtol=1e-6) == same


@pytest.mark.parametrize(
    ('optimizer', 'parts'),
    [
        ({'name': 'adamm'}, ("optimizer.name='adamm'", "did you mean 'adam", 'adam, adamw')),
        ({'name': 'zzz'}, ('does not exist; choose from adam, adamw',)),
        (
            {'name': 'adam', 'weight_decay': 0.1},
            ('optimizer.weight_decay=0.1 is not used by adam', 'optimizer.name=adamw'),
        ),
    ],
)
def test_optimizers_that_cannot_be_are_refused(optimizer, parts):
    config = default_config().optimizer
    config.update(optimizer)
    with pytest.raises(UserError) as caught:
        check_optimizer_config(config)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_optimizers_that_can_be_are_accepted():
    config = default_config().optimizer
    check_optimizer_config(config)
    config.update(name='adamw', weight_decay=0.1)
    check_optimizer_config(config)
