"""What tests of data sources share."""

from pathlib import Path

import numpy as np
import pytest

from pairjax.data.sources import load_digits
from pairjax.errors import UserError


def message_of(*arguments, **keywords):
    """The one-line message of the UserError that load_digits must raise."""
    with pytest.raises(UserError) as caught:
        load_digits(*arguments, **keywords)
    message = str(caught.value)
    assert '\n' not in message
    return message


def assert_same_digits(one, two):
    """The same arrays, of the same types, and as many classes."""
    for left, right in zip(one.arrays, two.arrays, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    assert one.num_classes == two.num_classes


def as_npz(tmp_path, arrays):
    """The digits of these arrays, by way of an .npz file."""
    np.savez(tmp_path / 'same.npz', **arrays)
    return load_digits('npz', str(tmp_path / 'same.npz'))


class Trap:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)
