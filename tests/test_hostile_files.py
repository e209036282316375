"""Files of digits that are damaged, lie about their size or carry code: a sentence, or the digits.

In one ordinary run about 1,250 of them, see `hostile` for more.
"""

import contextlib
import gzip
import io
import json
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hostile import hostile
from hypothesis import given
from hypothesis import strategies as st
from tfds_files import write_tfds

from pairjax.data import cache as cache_module
from pairjax.data import digits, idx
from pairjax.data.cache import cached_arrays
from pairjax.data.digits import ARRAY_NAMES, SourceConfig
from pairjax.data.idx import read_idx
from pairjax.data.npz import read_npz
from pairjax.data.sources import count_shared_images, load_digits
from pairjax.data.tfds_features import check_tfds_features
from pairjax.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8), np.uint8)
IDX = struct.pack('>4I', 0x803, *IMAGES.shape) + IMAGES.tobytes()
PACKED = gzip.compress(IDX, mtime=0)


def damaged(data, contents):
    """Contents with bytes changed, bits flipped, cut off, put in or put behind."""
    contents = bytearray(contents)
    for _ in range(data.draw(st.integers(1, 3))):
        # Headers and ends are where the sizes stand.
        last = max(0, len(contents) - 1)
        place = data.draw(
            st.integers(0, last) | st.integers(0, 40) | st.integers(last * 7 // 8, last)
        )
        kind = data.draw(st.sampled_from(['byte', 'bit', 'cut', 'put', 'behind', 'size']))
        if kind == 'byte' and place < len(contents):
            contents[place] = data.draw(st.integers(0, 255))
        elif kind == 'bit' and place < len(contents):
            contents[place] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == 'cut':
            del contents[place:]
        elif kind == 'put':
            contents[place:place] = data.draw(st.binary(min_size=1, max_size=9))
        elif kind == 'behind':
            contents += data.draw(st.binary(min_size=1, max_size=40))
        elif kind == 'size':
            number = data.draw(st.sampled_from([0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1]))
            contents[place : place + 4] = struct.pack(
                data.draw(st.sampled_from('><')) + 'I', number
            )
    return bytes(contents)


def one_line(error):
    assert '\n' not in str(error) and len(str(error)) < 3000


@contextlib.contextmanager
def at_most(megabytes):
    """Fails where Python and NumPy take more memory than that at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()


# --------------------------------------------------------------------------------- idx


@hostile(400)
@given(st.data())
def test_damaged_idx_files(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / 'damaged-idx'
    packed = data.draw(st.booleans())
    path.write_bytes(damaged(data, PACKED if packed else IDX))
    with at_most(10):
        try:
            found = read_idx(path)
        except UserError as error:
            one_line(error)
            return
    assert found.nbytes + 8 <= len(IDX) + 1000
    if packed:  # Its checksum notices every change of what is inside.
        np.testing.assert_array_equal(found, IMAGES)


@hostile(150)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(gzip.compress))
def test_random_bytes_as_idx_files(tmp_path_factory, contents):
    path = tmp_path_factory.getbasetemp() / 'random-idx'
    path.write_bytes(contents)
    with pytest.raises(UserError) as caught:
        read_idx(path)
    one_line(caught.value)


@pytest.mark.parametrize('shape', [(1, 8, 8), (2**32 - 1, 28, 28), (2**32 - 1,) * 3])
def test_a_gzip_bomb_is_not_unpacked(tmp_path, shape):
    path = tmp_path / 'bomb.gz'
    zeros = bytes(10**6)
    with gzip.open(path, 'wb') as file:
        file.write(struct.pack('>4I', 0x803, *shape))
        for _ in range(50):
            file.write(zeros)
    assert path.stat().st_size < 10**5
    with at_most(5), pytest.raises(UserError, match='but its header says'):
        read_idx(path)


def test_a_bomb_that_says_what_it_is_is_refused_where_memory_is_too_small(tmp_path, monkeypatch):
    path = tmp_path / 'bomb.gz'
    with gzip.open(path, 'wb') as file:
        file.write(struct.pack('>4I', 0x803, 1000, 100, 100) + bytes(10**7))
    assert read_idx(path).shape == (1000, 100, 100)
    monkeypatch.setattr(idx, 'machine_bytes', lambda: 9e6)
    with at_most(5), pytest.raises(UserError, match=r'unpacks to 0\.01 GB'):
        read_idx(path)


# --------------------------------------------------------------------------------- npz

GENERATOR = np.random.default_rng(1)
ARRAYS = {
    'train_images': GENERATOR.integers(0, 256, (6, 14, 14), np.uint8),
    'train_labels': np.arange(6) % 3,
    'test_images': GENERATOR.integers(0, 256, (5, 14, 14), np.uint8),
    'test_labels': np.arange(5) % 3,
}


def npz_bytes(arrays, save=np.savez):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


STORED, DEFLATED = npz_bytes(ARRAYS), npz_bytes(ARRAYS, np.savez_compressed)


def same(found, expected=ARRAYS):
    return all(np.array_equal(found[name], expected[name]) for name in ARRAY_NAMES)


@hostile(250)
@given(st.data())
def test_damaged_npz_files(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / 'damaged.npz'
    path.write_bytes(damaged(data, data.draw(st.sampled_from([STORED, DEFLATED]))))
    with at_most(10):
        try:
            raw = read_npz(SourceConfig(path, 'mnist', False))
        except UserError as error:
            one_line(error)
            return
    found = dict(zip(ARRAY_NAMES, (*raw.train[:2], *raw.test[:2]), strict=True))
    assert same(found)  # The checksums of a zip file notice every change of what is inside.


@hostile(60)
@given(st.binary(max_size=80))
def test_random_bytes_as_npz_files(tmp_path_factory, contents):
    path = tmp_path_factory.getbasetemp() / 'random.npz'
    path.write_bytes(contents)
    with pytest.raises(UserError) as caught:
        read_npz(SourceConfig(path, 'mnist', False))
    one_line(caught.value)


def npz_with_header(header):
    """train_images with a .npy header of one's own in front of 4 bytes."""
    text = header.encode()
    member = b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text)) + text + bytes(4)
    file = io.BytesIO(npz_bytes({k: v for k, v in ARRAYS.items() if k != 'train_images'}))
    with zipfile.ZipFile(file, 'a') as archive:
        archive.writestr('train_images.npy', member)
    return file.getvalue()


HEADERS = [
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 28, 28)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 14, 14)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
    "{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}",
    "{'descr': __import__('os').abort(), 'fortran_order': False, 'shape': (1,)}",
    '(' * 200 + ')' * 200,
    "{'descr': '|u1', 'fortran_order': False, 'shape': (" + '9' * 5000 + ',)}',
]


@pytest.mark.parametrize('header', HEADERS, ids=lambda header: header[:70])
def test_headers_that_lie_or_carry_code(tmp_path, header):
    path = tmp_path / 'lie.npz'
    path.write_bytes(npz_with_header(header))
    with pytest.raises(UserError) as caught:
        load_digits('npz', str(path))
    one_line(caught.value)


def test_an_npz_bomb_is_refused_where_memory_is_too_small(tmp_path, monkeypatch):
    path = tmp_path / 'bomb.npz'
    path.write_bytes(npz_bytes({**ARRAYS, 'train_images': np.zeros(10**7)}, np.savez_compressed))
    assert path.stat().st_size < 10**6
    monkeypatch.setattr(cache_module, 'machine_bytes', lambda: 7e7)
    with at_most(5), pytest.raises(UserError, match=r'unpacks to 0\.08 GB'):
        load_digits('npz', str(path))


# ------------------------------------------------------------------------ code in data


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), 'w'))


@pytest.fixture
def trap(tmp_path):
    """An object array that leaves a trace when it is unpickled, and where the trace would be."""
    trace = tmp_path / 'trace'
    array = np.empty(1, object)
    array[0] = Trap(trace)
    pickle.loads(pickle.dumps(array))
    assert trace.exists()  # It works.
    trace.unlink()
    return array, trace


@pytest.mark.parametrize('name', ARRAY_NAMES)
def test_an_npz_file_is_never_unpickled(tmp_path, trap, name):
    array, trace = trap
    np.savez(tmp_path / 'trap.npz', **{**ARRAYS, name: array})
    with pytest.raises(UserError):
        load_digits('npz', str(tmp_path / 'trap.npz'))
    # As np.load reads a file that is no zip file where that is allowed.
    (tmp_path / 'trap.npz').write_bytes(pickle.dumps(array))
    with pytest.raises(UserError):
        load_digits('npz', str(tmp_path / 'trap.npz'))
    assert not trace.exists()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'cache'))
    cached_arrays('digits', 'fingerprint', lambda: ARRAYS)
    (path,) = (tmp_path / 'cache').iterdir()
    return path


def test_the_cache_of_decoded_digits_is_never_unpickled(cache, trap):
    array, trace = trap
    np.savez(cache, **{**ARRAYS, 'test_images': array})
    assert same(cached_arrays('digits', 'fingerprint', lambda: ARRAYS))
    assert not trace.exists()
    with np.load(cache) as arrays:  # It was made anew.
        assert same(arrays)


@hostile(100)
@given(st.data())
def test_a_damaged_cache_is_made_anew(cache, data):
    good = cache.read_bytes()
    cache.write_bytes(damaged(data, good))
    assert same(cached_arrays('digits', 'fingerprint', lambda: ARRAYS))
    cached_arrays('digits', 'fingerprint', lambda: ARRAYS)
    cache.write_bytes(good)


FOREIGN = [
    {'pythonClassName': 'trap_module.Feature'},
    {'python_class_name': 'trap_module.Feature'},
    {'type': 'trap_module.Feature', 'content': {}},
    {'featuresDict': {'features': {'image': {'pythonClassName': 'trap_module.Feature'}}}},
    {
        'pythonClassName': 'tensorflow_datasets.core.features.features_dict.FeaturesDict',
        'jsonFeature': {'json': json.dumps({'a': {'type': 'trap_module.Feature', 'content': {}}})},
    },
    {'pythonClassName': 'tensorflow_datasets.core.features/../../trap_module.Feature'},
]


@pytest.mark.parametrize('foreign', FOREIGN, ids=str)
@pytest.mark.parametrize('escaped', [False, True])
def test_a_tfds_data_set_imports_nothing_that_came_with_it(tmp_path, monkeypatch, foreign, escaped):
    directory = write_tfds(tmp_path)
    (tmp_path / 'trap_module.py').write_text(f'open({str(tmp_path / "trace")!r}, "w")')
    monkeypatch.syspath_prepend(tmp_path)
    text = json.dumps(foreign)
    if escaped:
        text = text.replace('trap', '\\u0074rap').replace('type', '\\u0074ype')
    (directory / 'features.json').write_text(text)
    with pytest.raises(UserError) as caught:
        load_digits('tfds', str(tmp_path), 'tiny')
    one_line(caught.value)
    assert not (tmp_path / 'trace').exists()


def test_the_features_of_tfds_itself_are_read(tmp_path):
    check_tfds_features(write_tfds(tmp_path) / 'features.json')


# ------------------------------------------------------------------- images and labels

KINDS = st.sampled_from(
    [np.uint8, np.int8, np.int64, np.uint64, np.float16, np.float32, np.float64, np.longdouble]
    + [bool, complex, 'U3', 'S3', 'datetime64[s]', [('a', 'u1')], '>f4', '>i2']
)
SIZES = st.sampled_from([0, 1, 3, 4, 5, 14, 28])
VALUES = [0, 1, -1, 255, 256, 9_999, 10_000, 2**31, -(2**63), 2**64 - 1]
REALS = [0.5, float('nan'), float('inf'), -float('inf'), 1e308, -1e39, 3.4e38]


@st.composite
def any_array(draw, shapes):
    shape = draw(shapes)
    values = draw(st.lists(st.sampled_from(VALUES + REALS), min_size=1, max_size=3))
    with np.errstate(all='ignore'):
        try:
            return np.resize(np.array(values, object), shape).astype(draw(KINDS))
        except (TypeError, ValueError, OverflowError):
            return np.zeros(shape, np.uint8)


NUMBERS_OF = st.sampled_from([0, 1, 2, 5, 6])
IMAGE_SHAPES = st.one_of(
    st.tuples(NUMBERS_OF, SIZES, SIZES),
    st.tuples(NUMBERS_OF, SIZES).map(lambda s: (s[0], s[1], s[1])),
    st.tuples(NUMBERS_OF, SIZES, st.integers(0, 5)).map(lambda s: (s[0], s[1], s[1], s[2])),
    st.sampled_from([(), (6,), (6, 196), (6, 14, 14, 1, 1)]),
)
LABEL_SHAPES = NUMBERS_OF.map(lambda n: (n,)) | st.sampled_from([(), (6, 1), (0, 3)])


@hostile(300)
@given(st.data())
@pytest.mark.filterwarnings('ignore')
def test_images_and_labels_of_every_kind(tmp_path_factory, data):
    arrays = dict(ARRAYS)
    for name in data.draw(st.lists(st.sampled_from(ARRAY_NAMES), min_size=1, max_size=2)):
        shapes = IMAGE_SHAPES if name.endswith('images') else LABEL_SHAPES
        arrays[name] = data.draw(any_array(shapes), name)
    path = tmp_path_factory.getbasetemp() / 'any.npz'
    np.savez(path, **arrays)
    try:
        found = load_digits('npz', str(path))
    except UserError as error:
        one_line(error)
        return
    for part in ('train', 'test'):
        images, labels = getattr(found, f'{part}_images'), getattr(found, f'{part}_labels')
        assert images.shape == (len(labels), 14, 14) and len(labels) > 0
        assert images.dtype in (np.uint8, np.float32) and np.isfinite(images).all()
        assert labels.dtype == np.int32 and 0 <= labels.min() <= labels.max() < found.num_classes
        expected = arrays[f'{part}_labels'].reshape(-1)
        if found.class_names:  # Labels of both pools were names, or were taken as such.
            labels = np.array(found.class_names)[labels]
            expected = expected.astype(str)
        np.testing.assert_array_equal(labels, expected)
    assert 2 <= found.num_classes <= digits.MAX_CLASSES


def load_with(tmp_path, **arrays):
    np.savez(tmp_path / 'digits.npz', **{**ARRAYS, **arrays})
    return load_digits('npz', str(tmp_path / 'digits.npz'))


def test_classes_may_have_gaps_but_not_be_one_alone(tmp_path):
    labels = np.array([0, 7, 7, 0, 7, 0])
    found = load_with(tmp_path, train_labels=labels, test_labels=labels[:5])
    assert found.num_classes == 8  # An empty class is one that nothing belongs to.
    with pytest.raises(UserError, match='holds only class 7'):
        load_with(tmp_path, train_labels=labels * 0 + 7)


def test_bytes_and_real_numbers_mix_by_value(tmp_path):
    from pairjax.data.pairs import make_pools

    as_reals = load_with(tmp_path, test_images=ARRAYS['test_images'].astype(np.float64))
    assert as_reals.train_images.dtype == np.uint8 != as_reals.test_images.dtype
    pools = make_pools(as_reals)
    expected = np.concatenate([ARRAYS['train_images'], ARRAYS['test_images']])
    np.testing.assert_array_equal(np.asarray(pools.images), expected)
    assert pools.images.dtype == np.float32


def test_images_in_both_pools_are_counted_by_content(tmp_path):
    assert count_shared_images(load_with(tmp_path)) == 0
    test = ARRAYS['test_images'].copy()
    test[[1, 3]] = ARRAYS['train_images'][[5, 0]]
    assert count_shared_images(load_with(tmp_path, test_images=test)) == 2
    # Bytes in one pool and real numbers in the other are the same image, too.
    assert count_shared_images(load_with(tmp_path, test_images=test.astype(np.float32))) == 2
    assert count_shared_images(load_with(tmp_path, test_images=test * 0 + test[1])) == 5
