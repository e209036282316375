"""The cache of decoded data sets."""

import sys

import numpy as np
import pytest
from data_checks import Trap, as_npz, assert_same_digits
from tfds_files import small_arrays, write_tfds

from pairjax.data.sources import load_digits


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


@pytest.fixture
def forget_tfds(monkeypatch):
    """Call it, and from then on only the cache can give a TFDS data set."""

    def forget():
        monkeypatch.setitem(sys.modules, 'tensorflow_datasets', None)

    return forget


def test_cache_replaces_reading_until_the_source_changes(tmp_path, cache, forget_tfds):
    write_tfds(tmp_path)
    first = load_digits('tfds', str(tmp_path), 'tiny')
    changed = {name: array[::-1] for name, array in small_arrays().items()}
    write_tfds(tmp_path, arrays=changed)
    second = load_digits('tfds', str(tmp_path), 'tiny')
    assert not np.array_equal(first.train_images, second.train_images)
    forget_tfds()
    assert_same_digits(load_digits('tfds', str(tmp_path), 'tiny'), second)
    assert all(path.suffix == '.npz' for path in cache.iterdir())


@pytest.mark.parametrize('damage', ['cut', 'altered', 'foreign', 'pickled'])
def test_damaged_cache_is_made_anew(tmp_path, cache, damage, forget_tfds):
    write_tfds(tmp_path)
    expected = load_digits('tfds', str(tmp_path), 'tiny')
    (path,) = cache.iterdir()
    good = path.read_bytes()
    if damage == 'cut':
        path.write_bytes(good[:5000])
    elif damage == 'altered':
        path.write_bytes(good[:5000] + b'\xff\xfe' + good[5002:])
    elif damage == 'foreign':
        np.savez(path, something=np.zeros(3))
    else:
        np.savez(path, train_images=np.array([Trap(tmp_path / 'sprung')], object))
    assert_same_digits(load_digits('tfds', str(tmp_path), 'tiny'), expected)
    assert not (tmp_path / 'sprung').exists()
    forget_tfds()
    assert_same_digits(load_digits('tfds', str(tmp_path), 'tiny'), expected)


def test_cache_that_cannot_be_written_is_done_without(tmp_path, cache, monkeypatch):
    write_tfds(tmp_path)

    def full(*arguments, **keywords):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patched:
        patched.setattr(np, 'savez', full)
        load_digits('tfds', str(tmp_path), 'tiny')
    assert list(cache.iterdir()) == []
    cache.rmdir()
    cache.write_bytes(b'a file where the directory should be')
    expected = as_npz(tmp_path, small_arrays())
    assert_same_digits(load_digits('tfds', str(tmp_path), 'tiny'), expected)
