"""ONE run, against the same training in NumPy float64 where that can be written down."""

import copy
import functools
import itertools

import jax
import numpy as np
import pytest
from conftest import make_hyperparameters
from flax import nnx

from pairjax.config import default_config
from pairjax.data.pairs import PairIndices, make_pools
from pairjax.data.sources import Digits
from pairjax.training import evaluate, train_step


def make_digits(num_train, num_test, num_classes=5):
    rng = np.random.default_rng(0)
    sizes = (num_train, num_test)
    # Bright and dark ones, so that networks have various answers.
    images = [rng.uniform(0, 255, (n, 14, 14)) * rng.random((n, 1, 1)) for n in sizes]
    labels = [rng.integers(0, num_classes, n).astype(np.int32) for n in sizes]
    return Digits(images[0].astype('f4'), labels[0], images[1].astype('f4'), labels[1])


DIGITS = make_digits(24, 12)
POOLS = jax.device_put(make_pools(DIGITS))
SHALLOW = {'model.name': 'ShallowModel', 'model.widths': (4,)}
AUXNET = {'model.name': 'AuxNet1', 'model.widths': (2, 2, 4, 8)}


def make_config(fields):
    """ShallowModel on 7 train pairs in batches of 3, with `fields` set."""
    config = default_config()
    data = {'num_train_pairs': 7, 'num_validation_pairs': 3, 'num_test_pairs': 4}
    few = {f'data.{name}': value for name, value in data.items()}
    config.update_from_flattened_dict({**SHALLOW, **few, 'train.batch_size': 3, **fields})
    return config


HYPERPARAMETERS = make_hyperparameters()


@functools.cache
def programs(**fields):
    """(init(seed, hyperparameters), train_epoch(state, hyperparameters)) of group__field=value."""
    config = make_config({name.replace('__', '.'): value for name, value in fields.items()})
    return (
        jax.jit(lambda seed, h: train_step.init_state(config, POOLS, seed, h)),
        jax.jit(lambda state, h: train_step.train_epoch(config, POOLS, state, h)),
    )


# ---------------------------------------------------------------- against NumPy


def arrays_of(params):
    """ShallowModel's parameters as float64: two kernels, two biases."""
    layers = nnx.to_pure_dict(params)['main_head']['layers']
    return [np.asarray(layers[i][k], np.float64) for k in ('kernel', 'bias') for i in (0, 1)]


def loss_and_gradient(params, x, targets):
    w1, w2, b1, b2 = params
    hidden = x @ w1 + b1
    logits = np.maximum(hidden, 0) @ w2 + b2
    exps = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = exps / exps.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(x)), targets]).mean()
    d_logits = (p - np.eye(2)[targets]) / len(x)
    d_hidden = (d_logits @ w2.T) * (hidden > 0)
    gradient = [
        x.T @ d_hidden,
        np.maximum(hidden, 0).T @ d_logits,
        d_hidden.sum(axis=0),
        d_logits.sum(axis=0),
    ]
    return loss, gradient


class Reference:
    """PyTorch's Adam (or AdamW on the weights, where weight_decay is not 0) on ShallowModel."""

    def __init__(self, params, pairs, learning_rate=0.01, weight_decay=0.0):
        self.params = params
        self.m = self.v = [np.zeros_like(p) for p in params]
        self.t = 0
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        images = DIGITS.train_images[pairs].astype(np.float64)
        self.x = ((images - images.mean()) / images.std(ddof=1)).reshape(len(pairs), -1)
        labels = DIGITS.train_labels[pairs]
        self.targets = (labels[:, 0] <= labels[:, 1]).astype(int)

    def epoch(self, order, batch_size):
        """Trains on the pairs in this order and returns the mean loss over pairs."""
        total = 0
        for start in range(0, len(order), batch_size):
            batch = list(order[start : start + batch_size])
            loss, gradient = loss_and_gradient(self.params, self.x[batch], self.targets[batch])
            total += loss * len(batch)
            self.t += 1
            self.m = [0.9 * m + 0.1 * g for m, g in zip(self.m, gradient, strict=True)]
            self.v = [0.999 * v + 0.001 * g**2 for v, g in zip(self.v, gradient, strict=True)]
            step = self.learning_rate / (1 - 0.9**self.t)
            self.params = [
                # Weights decay, biases do not.
                p * (1 - self.learning_rate * self.weight_decay * (p.ndim > 1))
                - step * m / (np.sqrt(v) / np.sqrt(1 - 0.999**self.t) + 1e-8)
                for p, m, v in zip(self.params, self.m, self.v, strict=True)
            ]
        return total / len(order)

    def distance(self, state):
        return max(
            np.abs(a - b).max()
            for a, b in zip(self.params, arrays_of(state.learned.variables.params), strict=True)
        )


@pytest.mark.parametrize(
    ('optimizer', 'weight_decay', 'batch_size'),
    [('adam', 0.0, 3), ('adamw', 0.1, 3), ('adam', 0.0, 7), ('adam', 0.0, 10)],
)
def test_training_is_pytorchs_adam_on_batches_in_drawn_order(optimizer, weight_decay, batch_size):
    init, train_epoch = programs(optimizer__name=optimizer, train__batch_size=batch_size)
    hyperparameters = make_hyperparameters(weight_decay=weight_decay)
    state = init(0, hyperparameters)
    reference = Reference(
        arrays_of(state.learned.variables.params),
        np.asarray(state.pairs.train),
        weight_decay=weight_decay,
    )
    for epoch in range(3):
        assert state.epoch == epoch
        state, loss = train_epoch(state, hyperparameters)
        # Where 7 pairs are 3 + 3 + 1, the loss still is the mean over all 7.
        np.testing.assert_allclose(loss, reference.epoch(range(7), batch_size), rtol=1e-4)
        assert reference.distance(state) < 1e-5
    assert not state.failed


def test_shuffled_epochs_take_the_same_pairs_in_orders_of_their_own():
    init, train_epoch = programs(train__shuffle=True, train__batch_size=1, data__num_train_pairs=4)
    state = init(0, HYPERPARAMETERS)
    pairs = np.asarray(state.pairs.train)
    reference = Reference(arrays_of(state.learned.variables.params), pairs)
    orders = []
    for _ in range(3):
        state, loss = train_epoch(state, HYPERPARAMETERS)
        # With batches of one pair, each of the 24 orders ends in parameters of its own.
        candidates = {order: copy.copy(reference) for order in itertools.permutations(range(4))}
        losses = {order: r.epoch(order, 1) for order, r in candidates.items()}
        distances = {order: r.distance(state) for order, r in candidates.items()}
        fits = [order for order in distances if distances[order] < 1e-5]
        assert len(fits) == 1
        np.testing.assert_allclose(loss, losses[fits[0]], rtol=1e-4)
        reference = candidates[fits[0]]
        orders += fits
    assert len(set(orders)) == 3
    np.testing.assert_array_equal(state.pairs.train, pairs)


# ---------------------------------------------------------------- standardisation


def test_images_are_standardised_by_the_train_pairs_alone():
    init, _ = programs()
    state = init(3, HYPERPARAMETERS)
    images = DIGITS.train_images[np.asarray(state.pairs.train)].astype(np.float64)
    np.testing.assert_allclose(state.mean, images.mean(), rtol=1e-5)
    np.testing.assert_allclose(state.std, images.std(ddof=1), rtol=1e-5)
    assert images.std() / images.std(ddof=1) < 1 - 5e-5  # n and n - 1 lie further apart
    seen = train_step.standardize(state, POOLS.images[state.pairs.test])
    test_images = DIGITS.test_images[np.asarray(state.pairs.test) - POOLS.num_train]
    expected = (test_images - images.mean()) / images.std(ddof=1)
    np.testing.assert_allclose(seen, expected, rtol=1e-4, atol=1e-5)


def test_images_stay_raw_without_standardisation():
    state = programs(data__standardize=False)[0](3, HYPERPARAMETERS)
    seen = train_step.standardize(state, POOLS.images[state.pairs.train])
    np.testing.assert_array_equal(seen, DIGITS.train_images[np.asarray(state.pairs.train)])


def test_images_of_one_colour_do_not_divide_by_zero():
    black = [np.zeros((n, 14, 14), np.uint8) for n in (24, 12)]
    digits = DIGITS._replace(train_images=black[0], test_images=black[1])
    pools, config = jax.device_put(make_pools(digits)), make_config({})
    state = jax.jit(lambda: train_step.init_state(config, pools, 0, HYPERPARAMETERS))()
    seen = train_step.standardize(state, pools.images[state.pairs.train])
    np.testing.assert_array_equal(seen, np.zeros((7, 2, 14, 14)))


# ---------------------------------------------------------------- evaluation


def test_evaluation_counts_what_the_model_answers():
    """Sets of 103, 7 and 100 pairs, none but the last a whole number of passes."""
    digits = make_digits(230, 200)
    pools = jax.device_put(make_pools(digits))
    sizes = {'num_train_pairs': 103, 'num_validation_pairs': 7, 'num_test_pairs': 100}
    config = make_config({**AUXNET, **{f'data.{k}': v for k, v in sizes.items()}})
    state = jax.jit(lambda seed: train_step.init_state(config, pools, seed, HYPERPARAMETERS))(0)
    rng = np.random.default_rng(12)
    params = jax.tree.map(
        lambda p: rng.normal(size=p.shape).astype(np.float32), state.learned.variables.params
    )
    state = state.replace(
        learned=state.learned._replace(variables=state.learned.variables._replace(params=params))
    )
    structure = train_step.model_structure(config, pools.num_classes, training=False)
    pairs = np.concatenate(state.pairs)
    images = (np.concatenate([digits.train_images, digits.test_images]) - state.mean)[pairs]
    classes = np.concatenate([digits.train_labels, digits.test_labels])[pairs]
    output = jax.jit(nnx.merge(structure, *state.learned.variables))(images / state.std)
    right = output.main_logits.argmax(axis=1) == (classes[:, 0] <= classes[:, 1])
    right_digits = np.stack(output[1:], axis=1).argmax(axis=2) == classes
    # No answer is that of all images.
    assert all(logits.argmax(axis=1).std() > 0.3 for logits in output)
    ends = (103, 110)
    expected = [part.sum() for part in np.split(np.asarray(right), ends)]
    expected_digits = [part.sum() for part in np.split(right_digits, ends)]

    @jax.jit
    def counts(state):
        test_set = PairIndices(None, None, state.pairs.test)
        of_test = evaluate.count_correct(config, pools, state, test_set)
        evaluations = [
            evaluate.evaluate(config, evaluate.EvalRequest(pools, w), state) for w in (True, False)
        ]
        return *evaluations, of_test

    found, test_evaluated, only_test = counts(state)
    assert list(test_evaluated.main) == [0, 0, expected[2]] and test_evaluated.finite
    assert test_evaluated.of_test().main == PairIndices(None, None, expected[2])
    assert test_evaluated.of_test().digits == PairIndices(None, None, expected_digits[2])
    assert list(found.main) == expected
    assert list(found.digits) == expected_digits
    assert only_test.main == PairIndices(None, None, expected[2])
    assert only_test.digits == PairIndices(None, None, expected_digits[2])


def test_models_without_digit_heads_count_no_digits():
    config = make_config({})
    state = programs()[0](0, HYPERPARAMETERS)
    correct = jax.jit(
        lambda state: evaluate.evaluate(config, evaluate.EvalRequest(POOLS, True), state)
    )(state)
    assert correct.digits is None and len(correct.main) == 3
