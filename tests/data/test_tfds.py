"""Data sets prepared by TensorFlow Datasets, read without TensorFlow."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from data_checks import as_npz, assert_same_digits, message_of
from tfds_files import small_arrays, write_tfds

from pairjax.data import tfds as tfds_module
from pairjax.data.sources import load_digits


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError('the network was touched')

    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    monkeypatch.setattr(socket.socket, 'connect', refuse)


def test_tfds_gives_the_images_that_were_prepared(tmp_path, monkeypatch, no_network):
    write_tfds(tmp_path)
    monkeypatch.setattr(tfds_module, '_BATCH', 5)
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    for data_dir in (str(tmp_path), ''):
        digits = load_digits('tfds', data_dir, dataset='tiny')
        assert_same_digits(digits, as_npz(tmp_path, small_arrays()))


def test_nothing_slow_is_imported_and_tensorflow_never(tmp_path):
    write_tfds(tmp_path)
    (tmp_path / 'tensorflow').mkdir()
    (tmp_path / 'tensorflow' / '__init__.py').write_text('raise SystemExit("imported")')
    code = f"""
import sys
from pairjax.data.sources import load_digits
assert not {{'jax', 'tensorflow_datasets', 'mlxtend', 'pyarrow'}} & set(sys.modules)
sys.path.insert(0, {str(tmp_path)!r})
print(load_digits('tfds', {str(tmp_path)!r}, 'tiny').num_classes)
"""
    root = Path(tfds_module.__file__).parents[2]
    found = subprocess.run([sys.executable, '-c', code], cwd=root, capture_output=True, text=True)
    assert found.stdout == '3\n', found.stderr


def test_tfds_reads_the_newest_version_or_the_one_named(tmp_path):
    newest = {name: array[::-1] for name, array in small_arrays().items()}
    write_tfds(tmp_path, version='9.0.0')
    write_tfds(tmp_path, version='10.0.0', arrays=newest)
    assert_same_digits(load_digits('tfds', str(tmp_path), 'tiny'), as_npz(tmp_path, newest))
    old = load_digits('tfds', str(tmp_path), 'tiny:9.0.0')
    assert_same_digits(old, as_npz(tmp_path, small_arrays()))


def test_tfds_that_is_not_prepared_is_told_at_once(tmp_path, no_network):
    message = message_of('tfds', str(tmp_path / 'nowhere'), 'mnist')
    assert "data.dataset='mnist'" in message and 'found there: nothing' in message
    assert f'tfds build mnist --data_dir={tmp_path / "nowhere"}' in message
    write_tfds(tmp_path)
    for dataset in ('mnist', 'tiny:2.0.0', 'tiny/config', '../tiny', ''):
        assert 'found there: tiny:1.0.0' in message_of('tfds', str(tmp_path), dataset)


def test_without_array_record_other_sources_are_named(tmp_path, monkeypatch, no_network):
    """As on Windows, for which it has no wheels (0.8.6)."""
    write_tfds(tmp_path)
    monkeypatch.setitem(sys.modules, 'array_record', None)
    text = message_of('tfds', tmp_path, dataset='tiny')
    assert text.startswith('data.source=tfds needs the package array_record') and 'npz' in text


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


@pytest.mark.parametrize('name', ['fashion-mnist', 'Fashion_MNIST', 'fashion_mnist:3.*.*'])
def test_names_and_versions_that_tfds_takes_for_the_same(tmp_path, name):
    newest = {kind: array[::-1] for kind, array in small_arrays().items()}
    write_tfds(tmp_path, 'fashion_mnist', '3.0.1')
    write_tfds(tmp_path, 'fashion_mnist', '3.0.10', arrays=newest)
    found = load_digits('tfds', str(tmp_path), name)
    assert_same_digits(found, as_npz(tmp_path, newest))
    assert 'found there' in message_of('tfds', str(tmp_path), 'fashion_mnist:4.*.*')
    assert "did you mean 'fashion_mnist'?" in message_of('tfds', str(tmp_path), 'fashionmnist')


@pytest.mark.parametrize('inside', ['fashion_mnist', 'fashion_mnist/3.0.1'])
def test_the_data_sets_own_directory(tmp_path, inside):
    write_tfds(tmp_path, 'fashion_mnist', '3.0.1')
    found = load_digits('tfds', str(tmp_path / inside))
    assert_same_digits(found, as_npz(tmp_path, small_arrays()))


@pytest.mark.parametrize('data_dir', ['', 'emnist', 'emnist/letters/3.1.0'])
def test_emnist_is_upright_and_counts_letters_from_0_as_from_its_own_files(tmp_path, data_dir):
    """tensorflow.org/datasets/catalog/emnist: images as published, on their side."""
    arrays = small_arrays()
    sideways = {
        name: array.transpose(0, 2, 1) if array.ndim == 3 else array + 1
        for name, array in arrays.items()
    }
    write_tfds(tmp_path / 'emnist', 'letters', '3.1.0', arrays=sideways)
    dataset = 'letters' if data_dir else 'emnist/letters'
    found = load_digits('tfds', str(tmp_path / data_dir), dataset)
    assert_same_digits(found, as_npz(tmp_path, arrays))
    assert any('turned upright' in note for note in found.notes)
