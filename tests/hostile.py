"""What the tests with hostile input share: how much of it, and values of every wrong kind."""

import os

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# A long run: PAIRJAX_HOSTILE=10 python -m pytest tests/test_hostile_*.py
TIMES = float(os.environ.get('PAIRJAX_HOSTILE', '1'))


def hostile(examples):
    """The same so many examples in every run, and TIMES as many in a long one."""
    return settings(
        max_examples=max(1, round(examples * TIMES)),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def nested(levels, value=()):
    """A tuple in a tuple, and so on."""
    for _ in range(levels):
        value = (value,)
    return value


# What JSON can hold, and what it should not.
JSON_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**31, 2**63, -(2**63), 10**400, 10**4000]),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(['\ud800', '\0', '$\\nope{$', '[/red]', '<b>', 'x' * 5000, '1e3', 'nan']),
)
JSON = st.recursive(
    JSON_LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2**31 - 1, 2**31, 2**63, -(2**63) - 1, 10**400]),
    # More digits than Python writes, and so than it could show in this list.
    st.integers(4300, 5000).map(lambda digits: 10**digits),
    st.sampled_from([float('nan'), float('inf'), float('-inf'), -0.0, 1e-300, 1e38, 1e39, 1e308]),
    st.sampled_from([np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True), 1 + 2j]),
    st.fractions(),
    st.decimals(),
)
OBJECTS = st.sampled_from(
    [None, b'bytes', object(), len, {}, {'a': 1}, set(), {1, 2}, range(3), np.arange(3), ..., int]
    + [np.zeros((2, 2)), bytearray(3), np.array('text'), np.float64('nan'), [[[]]]]
)
DEEP = st.integers(5, 5000).map(nested)  # Too deep for a list of values to be shown.
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(['', ' ', '\0', 'a\nb', '\udcff', '~\0', '/', '..', '/dev/zero', 'x' * 10**5]),
    st.sampled_from(['AuxNet2', 'auxnet2', 'DeepModel', 'adam', 'sgd', 'npz', 'less', 'idx']),
)
LEAVES = st.one_of(NUMBERS, TEXTS, OBJECTS, DEEP)
WILD = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)
