"""Drawing a round's pairs, the relations between classes, and pools that are too small."""

import operator

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairjax.config import default_config
from pairjax.data.pairs import (
    RELATIONS,
    check_data_config,
    check_test_pool,
    draw_pairs,
    draw_test_pairs,
    make_pools,
    pair_targets,
)
from pairjax.data.sources import Digits
from pairjax.errors import UserError

PYTHON_RELATIONS = {
    'less_equal': operator.le,
    'less': operator.lt,
    'equal': operator.eq,
    'same_parity': lambda a, b: (a - b) % 2 == 0,
}


def data_config(train, validation, test, relation='less_equal'):
    data = default_config().data
    data.update(num_train_pairs=train, num_validation_pairs=validation, num_test_pairs=test)
    data.relation = relation
    return data


def make_digits(num_train, num_test):
    """Images that hold their own index, the test pool counted after the train pool."""
    images = np.broadcast_to(
        np.arange(num_train + num_test, dtype=np.float32)[:, None, None],
        (num_train + num_test, 14, 14),
    )
    labels = (np.arange(num_train + num_test) % 7).astype(np.int32)
    return Digits(images[:num_train], labels[:num_train], images[num_train:], labels[num_train:])


POOLS = make_pools(make_digits(60, 40))
DATA = data_config(20, 9, 18)


def drawn(seed, data=DATA, pools=POOLS):
    return jax.tree.map(np.asarray, draw_pairs(jax.random.key(seed), data, pools))


def assert_same_pairs(one, two):
    jax.tree.map(np.testing.assert_array_equal, one, two)


def test_the_train_pool_stands_before_the_test_pool():
    digits = make_digits(5, 3)._replace(test_labels=np.array([0, 8, 1], np.int32))
    pools = make_pools(digits)
    assert (pools.num_train, pools.num_classes) == (5, 9)
    assert isinstance(pools.images, np.ndarray) and isinstance(pools.labels, np.ndarray)
    np.testing.assert_array_equal(pools.images[:, 0, 0], np.arange(8))
    np.testing.assert_array_equal(pools.labels, [0, 1, 2, 3, 4, 0, 8, 1])


@settings(deadline=None, derandomize=True, max_examples=25)
@given(st.data())
def test_pairs_are_drawn_without_replacement_each_set_from_its_own_pool(data):
    num_train = data.draw(st.sampled_from([4, 5, 30, 61]))
    num_test = data.draw(st.sampled_from([2, 3, 40]))
    train = data.draw(st.integers(1, num_train // 2 - 1))
    validation = data.draw(st.integers(1, num_train // 2 - train))
    test = data.draw(st.integers(1, num_test // 2))
    config = data_config(train, validation, test)
    check_data_config(config, num_train, num_test)
    pools = make_pools(make_digits(num_train, num_test))
    pairs = drawn(data.draw(st.integers(0, 2**31 - 1)), config, pools)
    assert [p.shape for p in pairs] == [(train, 2), (validation, 2), (test, 2)]
    assert all(p.dtype == np.int32 for p in pairs)
    from_train = np.concatenate([pairs.train, pairs.validation]).ravel()
    assert len(set(from_train)) == 2 * (train + validation)
    assert len(set(pairs.test.ravel())) == 2 * test
    assert from_train.min() >= 0 and from_train.max() < num_train
    assert num_train <= pairs.test.min() and pairs.test.max() < num_train + num_test


def test_every_image_of_a_pool_can_be_drawn():
    pairs = drawn(0, data_config(20, 10, 20))
    np.testing.assert_array_equal(np.sort(pairs.test, axis=None), np.arange(60, 100))
    from_train = np.concatenate([pairs.train, pairs.validation])
    np.testing.assert_array_equal(np.sort(from_train, axis=None), np.arange(60))


def test_images_are_drawn_evenly_and_paired_at_random():
    """First train pair over 600 rounds: uniform over the pool, both sides, and unsorted."""
    keys = jax.vmap(jax.random.key)(np.arange(600))
    pairs = np.asarray(jax.vmap(lambda key: draw_pairs(key, DATA, POOLS).train[0])(keys))
    for side in (0, 1):
        counts = np.bincount(pairs[:, side], minlength=60)
        # Chi-squared with 59 degrees of freedom: 98 is its 99.9 % point.
        assert ((counts - 10) ** 2 / 10).sum() < 98
    assert abs((pairs[:, 0] < pairs[:, 1]).mean() - 0.5) < 0.07


def test_validation_and_test_pairs_stay_when_the_number_of_train_pairs_changes():
    few, many = drawn(3), drawn(3, data_config(21, 9, 18))
    assert_same_pairs(few.validation, many.validation)
    assert_same_pairs(few.test, many.test)
    assert_same_pairs(few.train, many.train[:20])
    assert_same_pairs(few.validation[:4], drawn(3, data_config(20, 4, 18)).validation)


def test_a_round_is_a_function_of_its_key():
    assert_same_pairs(drawn(3), drawn(3))
    for one, two in zip(drawn(3), drawn(4), strict=True):
        assert (one != two).any()


def test_draws_under_jit_and_vmap_are_the_eager_ones():
    keys = jax.vmap(jax.random.key)(np.arange(3))
    together = jax.jit(jax.vmap(lambda key: draw_pairs(key, DATA, POOLS)))(keys)
    for seed in range(3):
        assert_same_pairs(jax.tree.map(lambda p, seed=seed: p[seed], together), drawn(seed))


def test_test_pairs_alone_are_those_of_the_round():
    alone = draw_test_pairs(jax.random.key(5), 18, POOLS)
    assert_same_pairs(alone, drawn(5).test)


@pytest.mark.parametrize('relation', sorted(RELATIONS))
def test_relations_are_what_their_names_say(relation):
    classes = np.stack(np.meshgrid(np.arange(12), np.arange(12)), axis=-1).astype(np.int32)
    targets = pair_targets(relation, classes)
    assert targets.dtype == np.int32
    for row, column in np.ndindex(12, 12):
        a, b = classes[row, column].tolist()
        assert targets[row, column] == PYTHON_RELATIONS[relation](a, b), (a, b)


@pytest.mark.parametrize(
    ('config', 'parts'),
    [
        (
            data_config(25, 6, 1),
            ('num_train_pairs=25', 'num_validation_pairs=6', 'need 62', 'has 60', 'at most 30'),
        ),
        (data_config(1, 1, 21), ('num_test_pairs=21', 'needs 42', 'has 40', 'enough for 20')),
        (data_config(1, 1, 1, 'les_equal'), ("'les_equal'", "did you mean 'less_equal'?")),
        (data_config(1, 1, 1, 'zzz'), ('equal, less, less_equal, same_parity',)),
    ],
)
def test_what_a_pool_or_registry_does_not_have_is_named(config, parts):
    with pytest.raises(UserError) as caught:
        check_data_config(config, 60, 40)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_exactly_full_pools_are_enough():
    check_data_config(data_config(25, 5, 20), 60, 40)
    check_test_pool(20, 40, 'npz')
    with pytest.raises(UserError, match=r'data\.num_test_pairs=20 needs 40'):
        check_test_pool(20, 39, 'npz')
