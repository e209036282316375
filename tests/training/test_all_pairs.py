"""Accuracy over all ordered pairs, against every pair built and asked."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairjax.data.pairs import RELATIONS, relation_table
from pairjax.training.all_pairs import (
    accuracy_of,
    argmax_correct_by_image,
    probability_correct_by_image,
    sampled_pairs,
)


def holds(relation, a, b):
    """Each relation again, in plain Python."""
    return {
        'less_equal': a <= b,
        'less': a < b,
        'equal': a == b,
        'same_parity': (a + b) % 2 == 0,
    }[relation]


def brute_force(relation, labels, decide):
    """The share of right decisions, each ordered pair of distinct images asked in turn."""
    pairs = list(itertools.permutations(range(len(labels)), 2))
    right = [decide(i, j) == holds(relation, labels[i], labels[j]) for i, j in pairs]
    return sum(right) / len(pairs)


@st.composite
def pools(draw, make_reading):
    """A relation, labels, and what is read in each image in the first and in the second place."""
    num_classes = draw(st.integers(2, 5))
    size = draw(st.integers(2, 12))
    label = st.integers(0, num_classes - 1)
    labels = draw(st.lists(label, min_size=size, max_size=size))
    readings = st.lists(make_reading(num_classes), min_size=size, max_size=size)
    first, second = draw(readings), draw(readings)
    return draw(st.sampled_from(sorted(RELATIONS))), num_classes, labels, first, second


def eighths(num_classes):
    """Probabilities in eighths: their sums are exact, so that P = 1/2 is a tie and no rounding."""
    cuts = st.lists(st.integers(0, 8), min_size=num_classes - 1, max_size=num_classes - 1)
    return cuts.map(lambda c: np.diff([0, *sorted(c), 8]) / 8)


@pytest.mark.parametrize('relation', sorted(RELATIONS))
def test_the_table_says_for_every_two_classes_whether_the_relation_holds(relation):
    expected = [[holds(relation, a, b) for b in range(7)] for a in range(7)]
    np.testing.assert_array_equal(relation_table(relation, 7), expected)


@given(pools(lambda num_classes: st.integers(0, num_classes - 1)))
def test_counting_classes_equals_asking_every_pair(pool):
    relation, num_classes, labels, first, second = pool
    counts = argmax_correct_by_image(
        np.array(first), np.array(second), np.array(labels), relation_table(relation, num_classes)
    )
    expected = brute_force(relation, labels, lambda i, j: holds(relation, first[i], second[j]))
    assert accuracy_of(counts) == expected


@given(pools(eighths))
def test_products_of_probabilities_equal_asking_every_pair(pool):
    relation, num_classes, labels, first, second = pool

    def decide(i, j):
        classes = itertools.product(range(num_classes), repeat=2)
        return sum(first[i][a] * second[j][b] for a, b in classes if holds(relation, a, b)) > 0.5

    counts = probability_correct_by_image(
        np.array(first), np.array(second), np.array(labels), relation_table(relation, num_classes)
    )
    assert accuracy_of(counts) == brute_force(relation, labels, decide)


def test_a_tie_of_probabilities_means_no():
    # Even and odd are equally likely in both images: P is exactly 1/2.
    even_or_odd, table = np.full((2, 2), 0.5), relation_table('same_parity', 2)
    for labels, accuracy in (([0, 0], 0.0), ([0, 1], 1.0)):
        counts = probability_correct_by_image(even_or_odd, even_or_odd, np.array(labels), table)
        assert accuracy_of(counts) == accuracy


def test_certain_readings_of_10_000_images_count_the_same_both_ways_in_bounded_memory():
    generator = np.random.default_rng(0)
    labels = generator.integers(10, size=10_000)
    read = np.where(generator.random(10_000) < 0.05, generator.integers(10, size=10_000), labels)
    table, certain = relation_table('less_equal', 10), np.eye(10)[read]
    tracemalloc.start()
    by_products = accuracy_of(probability_correct_by_image(certain, certain, labels, table))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert by_products == accuracy_of(argmax_correct_by_image(read, read, labels, table))
    assert 0.9 < by_products < 1
    assert peak < 150e6  # One byte for each pair would be 100 MB, a float64 800 MB.


def test_fewer_than_two_images_make_no_pair():
    one, table = np.zeros(1, int), relation_table('equal', 2)
    with pytest.raises(ValueError, match='1 images'):
        argmax_correct_by_image(one, one, one, table)
    with pytest.raises(ValueError, match='1 images'):
        probability_correct_by_image(np.eye(2)[one], np.eye(2)[one], one, table)
    with pytest.raises(ValueError, match='1 images'):
        sampled_pairs(1)


@given(num_images=st.integers(2, 60), num_pairs=st.integers(1, 500))
def test_sampled_pairs_are_distinct_and_of_distinct_images(num_images, num_pairs):
    pairs = sampled_pairs(num_images, num_pairs)
    assert pairs.shape == (min(num_pairs, num_images * (num_images - 1)), 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert pairs.min() >= 0 and pairs.max() < num_images
    assert len(set(map(tuple, pairs.tolist()))) == len(pairs)


def test_sampled_pairs_are_the_same_each_time_and_lie_evenly_over_the_pool():
    pairs = sampled_pairs(10_000)
    np.testing.assert_array_equal(pairs, sampled_pairs(10_000))
    assert not np.array_equal(pairs, sampled_pairs(10_000, seed=1))
    # 10,000 draws of the mean of a uniform distribution: 5 standard errors are 144.
    assert np.abs(pairs.mean(axis=0) - 4999.5).max() < 5 * 10_000 / np.sqrt(12) / 100
    # Either order is as likely: 5 standard errors of a share are 0.025.
    assert abs((pairs[:, 0] < pairs[:, 1]).mean() - 0.5) < 0.025


def test_a_small_pool_is_sampled_whole():
    pairs = sampled_pairs(7)
    assert sorted(map(tuple, pairs.tolist())) == sorted(itertools.permutations(range(7), 2))
