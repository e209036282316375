"""Plain data as bytes and back."""

import numpy as np
import pytest

from pairjax.runtime.messages import decode, encode

PLAIN = [
    *(None, True, 0, -(2**70), 0.1, float('inf'), '', 'é "x"'),
    *([], (), {}, [1, (2, [3.5, None])], {'a': {'b': (1,)}, 3: 'three'}),
    {'dict': [['a', 1]], 'array': 0, 'tuple': [1]},
]


@pytest.mark.parametrize('value', PLAIN, ids=str)
def test_plain_data_comes_back_as_it_was(value):
    again = decode(encode(value))
    assert again == value and type(again) is type(value)


def test_numbers_that_are_none_come_back():
    assert np.isnan(decode(encode(float('nan'))))


@pytest.mark.parametrize('dtype', ['bool', 'uint8', 'int32', 'int64', 'float32', 'float64'])
@pytest.mark.parametrize('shape', [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_arrays_come_back_bit_for_bit_and_writable(dtype, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    text, again = decode(encode(['x', array]))
    assert text == 'x' and again.dtype == array.dtype and again.shape == shape
    np.testing.assert_array_equal(again, array)
    assert again.flags.writeable and again.flags.aligned


def test_arrays_keep_their_places_and_strides():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    tree = {'a': [array[:, ::2], array.T], 7: (np.float32('nan'), np.int64(5))}
    again = decode(encode(tree))
    np.testing.assert_array_equal(again['a'][0], array[:, ::2])
    np.testing.assert_array_equal(again['a'][1], array.T)
    assert np.isnan(again[7][0]) and again[7][1] == 5


def test_low_precision_comes_back():
    import ml_dtypes

    array = np.array([1.5, -2], ml_dtypes.bfloat16)
    assert decode(encode(array)).tobytes() == array.tobytes()


@pytest.mark.parametrize('value', [{1}, object(), {(1, 2): 3}, np.array(['a']), b'bytes', print])
def test_anything_else_is_refused_where_it_is_sent(value):
    with pytest.raises(TypeError, match='a message'):
        encode([value])


@pytest.mark.parametrize('cut', [0, 7, 20, -1])
def test_half_a_message_is_an_error(cut):
    whole = encode([np.arange(100)])
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(whole[:cut])
