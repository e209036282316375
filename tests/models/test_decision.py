"""Comparing digits without parameters, against loops over all pairs of classes."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairjax.data.pairs import RELATIONS, relation_table
from pairjax.models.decision import compare_digits

HOLDS = {
    'less_equal': lambda a, b: a <= b,
    'less': lambda a, b: a < b,
    'equal': lambda a, b: a == b,
    'same_parity': lambda a, b: (a - b) % 2 == 0,
}


def softmax(x):
    exps = np.exp(x.astype(np.float64) - x.max())
    return exps / exps.sum()


def digit_logits(seed, classes, scale=3.0):
    return np.random.default_rng(seed).normal(0, scale, (2, 6, classes)).astype(np.float32)


def test_every_relation_has_its_table():
    assert set(HOLDS) == set(RELATIONS)
    for relation, holds in HOLDS.items():
        expected = [[holds(i, j) for j in range(7)] for i in range(7)]
        np.testing.assert_array_equal(relation_table(relation, 7), expected)


@pytest.mark.parametrize('relation', HOLDS)
@given(seed=st.integers(0, 1000), classes=st.integers(2, 12))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_probability_is_the_sum_over_pairs_of_classes(relation, seed, classes):
    a, b = digit_logits(seed, classes)
    logits = compare_digits('probability', relation, a, b)
    for row in range(len(a)):
        p, q = softmax(a[row]), softmax(b[row])
        holds = sum(
            p[i] * q[j] for i in range(classes) for j in range(classes) if HOLDS[relation](i, j)
        )
        np.testing.assert_allclose(np.exp(logits[row]), [1 - holds, holds], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('relation', HOLDS)
def test_argmax_is_the_relation_of_the_likeliest_digits(relation):
    a, b = digit_logits(0, 10, scale=1.0)
    answers = compare_digits('argmax', relation, a, b).argmax(axis=1)
    expected = [HOLDS[relation](i, j) for i, j in zip(a.argmax(1), b.argmax(1), strict=True)]
    np.testing.assert_array_equal(answers, expected)


def test_the_two_heads_differ_where_the_likeliest_digits_mislead():
    """Digits that are likeliest 1 and 0, but with P(a <= b) above a half."""
    a = np.log(np.array([[0.49, 0.51, 1e-9]], np.float32))
    b = np.log(np.array([[0.40, 0.30, 0.30]], np.float32))
    argmax, probability = (
        compare_digits(head, 'less_equal', a, b) for head in ('argmax', 'probability')
    )
    assert probability.argmax(axis=1) == 1 and argmax.argmax(axis=1) == 0
    # As sure as the probability is, of the other answer.
    np.testing.assert_allclose(argmax[:, ::-1], probability, rtol=1e-6)


def test_certain_digits_give_finite_logits_and_gradients():
    a = b = np.array([[200.0, -200.0, -200.0]], np.float32)

    def loss(a):
        return compare_digits('probability', 'less', a, b)[0, 1]

    value, gradient = jax.value_and_grad(loss)(a)
    assert np.isfinite(value) and value < -300 and np.isfinite(gradient).all()
