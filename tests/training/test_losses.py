"""The weighted loss against the same formula in NumPy float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairjax.models.networks import PairOutput
from pairjax.training.losses import pair_loss as eager_pair_loss

BATCH = 6
pair_loss = jax.jit(eager_pair_loss)


def make_batch(seed, num_classes=10, scale=3.0):
    rng = np.random.default_rng(seed)
    shapes = (2, num_classes, num_classes)
    logits = [rng.normal(0, scale, (BATCH, n)).astype(np.float32) for n in shapes]
    classes = rng.integers(0, num_classes, (BATCH, 2)).astype(np.int32)
    return PairOutput(*logits), classes, rng.integers(0, 2, BATCH).astype(np.int32)


def cross_entropy(logits, labels):
    """Mean over the batch, float64."""
    logits = logits.astype(np.float64)
    highest = logits.max(axis=1, keepdims=True)
    log_sums = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
    return (log_sums - logits[np.arange(len(labels)), labels]).mean()


def three_cross_entropies(output, classes, targets):
    return (
        cross_entropy(output.main_logits, targets),
        cross_entropy(output.digit_logits_a, classes[:, 0]),
        cross_entropy(output.digit_logits_b, classes[:, 1]),
    )


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.integers(0, 1000), st.floats(0, 10), st.floats(0, 10), st.sampled_from([0.1, 3.0, 50.0]))
def test_loss_is_the_designs_formula(seed, main_weight, aux_weight, scale):
    batch = make_batch(seed, scale=scale)
    main, digit_a, digit_b = three_cross_entropies(*batch)
    expected = main_weight * main + aux_weight * (digit_a + digit_b) / 2
    loss = pair_loss(*batch, np.float32(main_weight), np.float32(aux_weight))
    assert loss.shape == () and loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6)


def test_the_first_reports_weights_are_the_plain_sum_of_three():
    batch = make_batch(0)
    np.testing.assert_allclose(
        pair_loss(*batch, 1.0, 2.0), sum(three_cross_entropies(*batch)), rtol=1e-6
    )


def test_number_of_classes_is_the_datas():
    batch = make_batch(1, num_classes=26)
    main, digit_a, digit_b = three_cross_entropies(*batch)
    loss = pair_loss(*batch, 0.25, 0.75)
    np.testing.assert_allclose(loss, 0.25 * main + 0.75 * (digit_a + digit_b) / 2, rtol=1e-5)


def test_without_digit_heads_only_the_main_head_counts():
    output, classes, targets = make_batch(2)
    loss = pair_loss(PairOutput(output.main_logits), classes, targets, 0.5, 0.0)
    np.testing.assert_allclose(loss, 0.5 * cross_entropy(output.main_logits, targets), rtol=1e-6)


@pytest.mark.parametrize('size', [1e4, 1e30])
def test_extreme_logits_stay_finite(size):
    output, classes, targets = make_batch(3)
    output = jax.tree.map(lambda x: (size * np.sign(x)).astype(np.float32), output)
    loss, gradient = jax.value_and_grad(pair_loss)(output, classes, targets, 1.0, 2.0)
    assert np.isfinite(loss)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradient))
    # A right answer without doubt costs nothing.
    certain = np.where(np.arange(2) == targets[:, None], size, -size).astype(np.float32)
    assert pair_loss(PairOutput(certain), classes, targets, 1.0, 0.0) == 0


@pytest.mark.parametrize('weights', [(0.0, 1.0), (1.0, 0.0), (0.3, 0.6)])
def test_gradient_is_weighted_softmax_minus_the_label(weights):
    output, classes, targets = make_batch(4)
    gradient = jax.grad(pair_loss)(output, classes, targets, *weights)
    labels = (targets, classes[:, 0], classes[:, 1])
    weight_of = (weights[0], weights[1] / 2, weights[1] / 2)
    for found, logits, label, weight in zip(gradient, output, labels, weight_of, strict=True):
        one_hot = np.arange(logits.shape[1]) == label[:, None]
        expected = weight * (np.asarray(jax.nn.softmax(logits)) - one_hot) / BATCH
        np.testing.assert_allclose(found, expected, atol=1e-7)


def test_gradient_in_the_weights_is_the_cross_entropies():
    batch = make_batch(5)
    main, digit_a, digit_b = three_cross_entropies(*batch)
    gradient = jax.grad(pair_loss, argnums=(3, 4))(*batch, 1.0, 1.0)
    np.testing.assert_allclose(gradient, (main, (digit_a + digit_b) / 2), rtol=1e-5)
