"""The idx reader: MNIST, EMNIST, QMNIST and others under their own names, and damaged files."""

import gzip
import hashlib
import http.server
import os
import socket
import struct
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from data_files import idx_bytes, typed_idx
from hypothesis import given, settings
from hypothesis import strategies as st

from pairjax.data import idx, mnist_download
from pairjax.data.cache import cache_directory
from pairjax.data.sources import load_digits
from pairjax.errors import UserError

SHARED = Path(__file__).resolve().parents[3] / 'shared'
NAMES = (
    'train-images-idx3-ubyte',
    'train-labels-idx1-ubyte',
    't10k-images-idx3-ubyte',
    't10k-labels-idx1-ubyte',
)


def small_arrays(side=28):
    """Four arrays in the order of NAMES: 12 train and 5 test images of 3 classes."""
    rng = np.random.default_rng(0)
    train, test = rng.integers(0, 256, (12, side, side)), rng.integers(0, 256, (5, side, side))
    return train, np.arange(12) % 3, test, np.arange(5) % 3


def write_set(directory, suffix='', arrays=None):
    directory.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, arrays or small_arrays(), strict=True):
        contents = idx_bytes(array)
        (directory / f'{name}{suffix}').write_bytes(gzip.compress(contents) if suffix else contents)
    return directory


def message_of(*arguments, **keywords):
    """The one-line message of the UserError that load_digits must raise."""
    with pytest.raises(UserError) as caught:
        load_digits(*arguments, **keywords)
    message = str(caught.value)
    assert '\n' not in message
    return message


@pytest.mark.parametrize('separator', ['-', '.'])
@pytest.mark.parametrize('suffix', ['', '.gz'])
def test_all_usual_file_names_give_the_same_digits(tmp_path, suffix, separator):
    for path in list(write_set(tmp_path, suffix).iterdir()):
        path.rename(tmp_path / path.name.replace('-idx', f'{separator}idx'))
    digits = load_digits('idx', str(tmp_path))
    images, labels, test_images, test_labels = small_arrays()
    # An average over 2 x 2 pixels is exact in float32, whatever the order of summation.
    for found, source in ((digits.train_images, images), (digits.test_images, test_images)):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, source.reshape(-1, 14, 2, 14, 2).mean((2, 4)))
    np.testing.assert_array_equal(digits.train_labels, labels)
    np.testing.assert_array_equal(digits.test_labels, test_labels)
    assert digits.train_labels.dtype == digits.test_labels.dtype == np.int32
    assert digits.num_classes == 3


def test_gz_name_on_an_unpacked_file_is_read(tmp_path):
    write_set(tmp_path)
    (tmp_path / NAMES[0]).rename(tmp_path / f'{NAMES[0]}.gz')
    assert load_digits('idx', str(tmp_path)).train_images.shape == (12, 14, 14)


def test_bytes_of_14_by_14_stay_as_they_are(tmp_path):
    arrays = small_arrays(side=14)
    digits = load_digits('idx', str(write_set(tmp_path, arrays=arrays)))
    assert digits.train_images.dtype == np.uint8
    np.testing.assert_array_equal(digits.train_images, arrays[0])


# ----------------------------------------------- files as their publishers make and name them


def write_files(directory, files):
    for name, contents in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(contents) if name.endswith('.gz') else contents)
    return str(directory)


def write_emnist(directory, split='letters', first_label=1):
    """As EMNIST's gzip.zip: names by split, rows and columns exchanged, letters from 1.

    Documented in EMNIST_Readme.txt of its publisher and in torchvision/datasets/mnist.py.
    """
    images, labels, test_images, test_labels = small_arrays()
    files = {}
    for part, stack, classes in (('train', images, labels), ('test', test_images, test_labels)):
        stem = f'emnist-{split}-{part}'
        files[f'{stem}-images-idx3-ubyte.gz'] = idx_bytes(stack.transpose(0, 2, 1))
        files[f'{stem}-labels-idx1-ubyte.gz'] = idx_bytes(classes + first_label)
    write_files(directory, files)


def assert_same(digits, expected):
    for found, array in zip(digits.arrays, expected.arrays, strict=True):
        np.testing.assert_array_equal(found, array)
    assert digits.num_classes == expected.num_classes


@pytest.fixture
def plain(tmp_path):
    """The same images under MNIST's names."""
    return load_digits('idx', str(write_set(tmp_path / 'plain')))


def test_emnist_letters_are_upright_and_counted_from_0(tmp_path, plain):
    write_emnist(tmp_path / 'emnist' / 'gzip')
    mapping = tmp_path / 'emnist' / 'gzip' / 'emnist-letters-mapping.txt'
    mapping.write_text('1 65 97\n2 66 98\n3 67 99\n')
    digits = load_digits('idx', str(tmp_path / 'emnist'))
    assert_same(digits, plain)
    assert digits.class_names == ('A/a', 'B/b', 'C/c')
    upright, dropped = digits.notes
    assert 'turned upright' in upright and 'class 0 was dropped' in dropped


def test_one_of_several_splits_of_emnist_is_chosen_by_name(tmp_path, plain):
    write_emnist(tmp_path / 'emnist', 'letters')
    write_emnist(tmp_path / 'emnist', 'mnist', first_label=0)
    message = message_of('idx', str(tmp_path / 'emnist'))
    assert 'emnist-letters, emnist-mnist' in message and 'data.dataset' in message
    for name in ('letters', 'emnist-letters', 'EMNIST/letters', 'emnist-mnist'):
        assert_same(load_digits('idx', str(tmp_path / 'emnist'), name), plain)
    message = message_of('idx', str(tmp_path / 'emnist'), 'balanced')
    assert "'balanced'" in message and 'choose from emnist-letters, emnist-mnist' in message


def test_qmnist_has_the_class_in_the_first_of_eight_columns(tmp_path, plain):
    """As https://github.com/facebookresearch/qmnist says: idx2-int, big-endian, 8 columns."""
    images, labels, test_images, test_labels = small_arrays()
    files = {}
    for part, stack, classes in (('train', images, labels), ('test', test_images, test_labels)):
        others = np.arange(7 * len(classes)).reshape(-1, 7) + 100
        extended = np.column_stack([classes, others])
        files[f'qmnist-{part}-images-idx3-ubyte.gz'] = idx_bytes(stack)
        files[f'qmnist-{part}-labels-idx2-int.gz'] = typed_idx(extended, 12, '>i4')
    digits = load_digits('idx', write_files(tmp_path / 'qmnist', files))
    assert_same(digits, plain)
    assert 'first is the class' in digits.notes[0]


LAYOUTS = {
    # Kannada-MNIST of its publisher: github.com/vinayprabhu/Kannada_MNIST, MNIST_format.
    'Kannada': (
        *('X_kannada_MNIST_train-idx3-ubyte.gz', 'y_kannada_MNIST_train-idx1-ubyte.gz'),
        *('X_kannada_MNIST_test-idx3-ubyte.gz', 'y_kannada_MNIST_test-idx1-ubyte.gz'),
    ),
    'torchvision': tuple(f'FashionMNIST/raw/{name}' for name in NAMES),
    'Kaggle': tuple(f'{name}/{name}' for name in NAMES),
    'Kaggle with dots': tuple(f'mnist/{n}/{n}'.replace('-idx', '.idx') for n in NAMES),
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_folders_and_names_of_other_publishers(tmp_path, plain, layout):
    contents = map(idx_bytes, small_arrays())
    files = dict(zip(LAYOUTS[layout], contents, strict=True))
    assert_same(load_digits('idx', write_files(tmp_path / 'own', files)), plain)


def test_one_of_torchvisions_data_sets_is_chosen_by_its_folder(tmp_path, plain):
    for folder in ('FashionMNIST', 'KMNIST'):
        write_set(tmp_path / 'root' / folder / 'raw')
    write_emnist(tmp_path / 'root' / 'EMNIST' / 'raw')
    assert 'emnist-letters, fashion-mnist, kmnist' in message_of('idx', str(tmp_path / 'root'))
    for name in ('fashion_mnist', 'kmnist', 'letters'):
        assert_same(load_digits('idx', str(tmp_path / 'root'), name), plain)
    write_set(tmp_path / 'root' / 'MNIST' / 'raw')
    assert load_digits('idx', str(tmp_path / 'root')).notes == ()


@pytest.mark.parametrize(
    ('code', 'kind'), [(8, 'u1'), (9, 'i1'), (11, '>i2'), (12, '>i4'), (13, '>f4'), (14, '>f8')]
)
def test_every_element_type_keeps_its_values(tmp_path, code, kind):
    images, labels, test_images, test_labels = small_arrays()
    arrays = (images // 2, labels, test_images // 2, test_labels)
    expected = load_digits('idx', str(write_set(tmp_path / 'plain', arrays=arrays)))
    contents = [typed_idx(array, code, kind) for array in arrays]
    files = dict(zip(NAMES, contents, strict=True))
    assert_same(load_digits('idx', write_files(tmp_path / 'typed', files)), expected)


def test_a_split_that_lacks_a_file_is_named(tmp_path):
    write_emnist(tmp_path)
    (tmp_path / 'emnist-letters-test-labels-idx1-ubyte.gz').unlink()
    assert 'lacks emnist-letters: test labels' in message_of('idx', str(tmp_path))


# ------------------------------------------------------------------------------ damaged files

IMAGES, LABELS = small_arrays()[:2]
DAMAGES = {
    'empty file': (0, b'', 'is empty'),
    'cut in the header': (0, idx_bytes(IMAGES)[:9], 'begins with'),
    'shorter than its header says': (0, idx_bytes(IMAGES)[:-1], 'holds 9407 bytes'),
    'longer than its header says': (0, idx_bytes(IMAGES) + b'x', 'holds more bytes of'),
    'web page': (0, b'<!doctype html><html>not found</html>', 'is a web page, not data'),
    'page after a space': (1, b'\n <HTML><body>', 'is a web page, not data'),
    'Git LFS pointer': (
        0,
        b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9912422\n',
        'is a Git LFS pointer, not the data; fetch it with: git lfs pull',
    ),
    'zip archive': (0, b'PK\x03\x04' + bytes(60), 'is a zip archive; unpack it'),
    'truncated gzip': (0, gzip.compress(idx_bytes(IMAGES))[:-20], 'cannot be read'),
    'damaged gzip': (0, gzip.compress(idx_bytes(IMAGES))[:40] + bytes(90), 'cannot be read'),
    'web page packed': (0, gzip.compress(b'<!doctype html>'), 'is a web page, not data'),
    'labels as images': (0, idx_bytes(LABELS), 'an idx file of images'),
    'images as labels': (1, idx_bytes(IMAGES), 'an idx file of labels'),
    'wrong type code': (0, idx_bytes(IMAGES, type_code=0x0D), 'but its header says'),
    'no type code': (0, idx_bytes(IMAGES, type_code=0x0A), 'not with two zeros'),
    'no images': (0, idx_bytes(IMAGES[:0]), 'its header says (0, 28, 28)'),
    'no labels': (1, idx_bytes(LABELS[:0]), 'its header says (0,)'),
    'sizes beyond any array': (
        0,
        struct.pack('>4I', 0x803, 2**32 - 1, 2**32 - 1, 0),
        'header says',
    ),
    'sizes beyond memory': (0, struct.pack('>4I', 0x803, *[2**32 - 1] * 3), '16 bytes long'),
    'oblong images': (0, idx_bytes(np.zeros((12, 28, 20))), '(28, 20)'),
    'tiny images': (0, idx_bytes(np.zeros((12, 3, 3))), '(3, 3)'),
    'one label too few': (1, idx_bytes(LABELS[1:]), '12 images'),
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_files_are_named_with_what_is_wrong(tmp_path, damage):
    index, contents, expected = DAMAGES[damage]
    path = write_set(tmp_path) / NAMES[index]
    path.write_bytes(contents)
    message = message_of('idx', str(tmp_path))
    assert str(path) in message and expected in message
    assert 'delete' not in message  # Nobody is told to delete what may be good.


@pytest.fixture(scope='module')
def set_to_damage(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp('set_to_damage'), '.gz')


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_damage_raises_anything_but_user_error(set_to_damage, data):
    name = data.draw(st.sampled_from(NAMES))
    contents = bytearray((set_to_damage / f'{name}.gz').read_bytes())
    if data.draw(st.booleans()):
        contents = bytearray(gzip.decompress(contents))
    for _ in range(data.draw(st.integers(0, 3))):
        last = data.draw(st.sampled_from([min(15, len(contents) - 1), len(contents) - 1]))
        contents[data.draw(st.integers(0, last))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        contents = contents[: data.draw(st.integers(0, len(contents)))]
    # The unpacked file is preferred, so the good one beside it need not be touched.
    with tempfile.TemporaryDirectory() as directory:
        for path in set_to_damage.iterdir():
            Path(directory, path.name).symlink_to(path)
        Path(directory, name).write_bytes(contents)
        try:
            digits = load_digits('idx', directory)
        except UserError:
            return
    assert digits.train_images.shape[1:] == (14, 14)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(contents=st.binary(max_size=64), magic=st.sampled_from([b'', b'\0\0\x08\3', b'\x1f\x8b']))
def test_no_bytes_raise_anything_but_user_error(contents, magic):
    with tempfile.NamedTemporaryFile() as file:
        file.write(magic + contents)
        file.flush()
        try:
            idx.read_idx(Path(file.name))
        except UserError as error:
            assert file.name in str(error)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **keywords):
        raise AssertionError('the network was touched')

    monkeypatch.setattr(socket, 'getaddrinfo', refuse)
    monkeypatch.setattr(socket.socket, 'connect', refuse)


def test_missing_files_are_named_without_touching_the_network(tmp_path, monkeypatch, no_network):
    message = message_of('idx', str(tmp_path / 'nowhere'))
    assert 'nowhere is not a directory' in message and 'data.download=True' in message
    (write_set(tmp_path / 'set') / NAMES[2]).unlink()
    message = message_of('idx', str(tmp_path / 'set'))
    assert f'lacks {NAMES[2]}.gz;' in message and 'data.dir' in message
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'cache'))
    assert str(tmp_path / 'cache' / 'mnist') in message_of('idx', '')


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A small set served at `mirror.url` as if it were MNIST; `mirror.requests` counts."""
    served = write_set(tmp_path / 'served', '.gz')

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=served)

        def log_request(self, *arguments):
            server.requests.append(self.path)

        def log_error(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.requests = []
    server.url = f'http://127.0.0.1:{server.server_port}/'
    server.directory = served
    monkeypatch.setenv('no_proxy', '*')
    monkeypatch.setattr(mnist_download, 'MNIST_MIRRORS', (server.url,))
    known = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in served.iterdir()}
    known = {f'{name}.gz': known[f'{name}.gz'] for name in NAMES}
    monkeypatch.setattr(mnist_download, 'MNIST_MD5', known)
    monkeypatch.setattr(idx, 'MNIST_MD5', known)
    threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01}).start()
    yield server
    server.shutdown()
    server.server_close()


def test_download_fetches_what_is_missing_once(tmp_path, monkeypatch, mirror):
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'cache'))
    target = tmp_path / 'cache' / 'mnist'
    target.mkdir(parents=True)
    (target / NAMES[1]).write_bytes(idx_bytes(LABELS))
    fetched = load_digits('idx', download=True)
    assert sorted(mirror.requests) == sorted(f'/{name}.gz' for name in NAMES if name != NAMES[1])
    again = load_digits('idx', download=True)
    assert len(mirror.requests) == 3
    expected = load_digits('idx', str(mirror.directory))
    for one, two, three in zip(fetched, again, expected, strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_next_mirror_is_tried_after_a_failure(tmp_path, monkeypatch, mirror):
    mirrors = (f'{mirror.url}gone/', mirror.url)
    monkeypatch.setattr(mnist_download, 'MNIST_MIRRORS', mirrors)
    assert load_digits('idx', str(tmp_path / 'new'), download=True).num_classes == 3
    assert len(mirror.requests) == 8


def test_wrong_contents_are_never_stored(tmp_path, mirror):
    (mirror.directory / f'{NAMES[0]}.gz').write_bytes(b'<html>maintenance</html>')
    message = message_of('idx', str(tmp_path / 'new'), download=True)
    assert f'{NAMES[0]}.gz' in message and 'MD5' in message and 'by hand' in message
    assert not (tmp_path / 'new').exists()


def test_servers_that_fail_are_all_named(tmp_path, monkeypatch, mirror):
    with socket.create_server(('127.0.0.1', 0)) as silent:
        urls = [f'{mirror.url}gone/', f'http://127.0.0.1:{silent.getsockname()[1]}/']
        with socket.create_server(('127.0.0.1', 0)) as closed:
            urls.append(f'http://127.0.0.1:{closed.getsockname()[1]}/')
        monkeypatch.setattr(mnist_download, 'MNIST_MIRRORS', urls)
        monkeypatch.setattr(mnist_download, 'DOWNLOAD_TIMEOUT_SECONDS', 0.2)
        message = message_of('idx', str(tmp_path / 'new'), download=True)
    assert all(url in message for url in urls)
    assert '404' in message and 'timed out' in message and 'refused' in message


def test_download_into_a_place_that_cannot_hold_it(tmp_path, mirror):
    (tmp_path / 'file').write_bytes(b'')
    message = message_of('idx', str(tmp_path / 'file' / 'mnist'), download=True)
    assert 'data.dir' in message and str(tmp_path / 'file' / 'mnist') in message


def test_failed_write_leaves_no_file(tmp_path, monkeypatch, mirror):
    def full(*arguments):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'replace', full)
    assert 'No space left' in message_of('idx', str(tmp_path / 'new'), download=True)
    assert list((tmp_path / 'new').iterdir()) == []


def test_cache_directory_follows_the_environment(tmp_path, monkeypatch):
    for name in ('PAIRJAX_CACHE_DIR', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    assert cache_directory() == tmp_path / '.cache' / 'pairjax'
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache_directory() == tmp_path / 'xdg' / 'pairjax'
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'own'))
    assert cache_directory() == tmp_path / 'own'


def test_known_md5_are_those_of_real_files():
    if not (SHARED / 'mnist').is_dir():
        pytest.skip('needs the MNIST files in ../shared/mnist')
    # The copy of the train images there is packed anew, so that only its contents compare.
    for name in NAMES[1:]:
        contents = (SHARED / 'mnist' / f'{name}.gz').read_bytes()
        assert hashlib.md5(contents).hexdigest() == mnist_download.MNIST_MD5[f'{name}.gz']
