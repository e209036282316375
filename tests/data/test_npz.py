"""The npz reader: archives as their publishers make them, and those that are no such thing."""

import io

import numpy as np
import pytest
from data_checks import Trap, assert_same_digits, message_of
from tfds_files import small_arrays

from pairjax.data.sources import load_digits


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
    'missing key': ({'test_labels': None}, 'test_images (5, 28, 28) uint8'),
    'flat images of no square': ({'train_images': np.zeros((12, 785))}, '(785,)'),
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
    'labels with fractions': ({'train_labels': np.arange(12.0) / 2}, 'with fractions'),
    'labels of one pool one-hot': ({'train_labels': np.eye(12, dtype=int)}, 'multi-label'),
    'names in one pool alone': ({'train_labels': np.array(['a', 'b', 'c'] * 4)}, 'test_labels'),
    'volumes': ({'train_images': np.zeros((12, 28, 28, 28))}, 'volumes, not images'),
    'volumes in colour': ({'test_images': np.zeros((5, 9, 9, 9, 3))}, 'volumes, not images'),
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
    expected = 'is empty' if contents == 'empty' else 'cannot be read'
    assert f'{path} {expected}' in message_of('npz', str(path))


def test_npz_that_is_not_there_is_named(tmp_path):
    assert 'data.dir' in message_of('npz')
    assert str(tmp_path / 'none.npz') in message_of('npz', str(tmp_path / 'none.npz'))
    assert 'holds 0 .npz files' in message_of('npz', str(tmp_path))


# ----------------------------------------------- files as their publishers make and name them


@pytest.fixture
def plain(tmp_path):
    np.savez(tmp_path / 'plain.npz', **small_arrays())
    return load_digits('npz', str(tmp_path / 'plain.npz'))


def four(arrays):
    return [
        arrays[f'{split}_{kind}'] for split in ('train', 'test') for kind in ('images', 'labels')
    ]


def test_medmnist_as_published(tmp_path, plain):
    """Keys and label shape as in medmnist/dataset.py of github.com/MedMNIST/MedMNIST."""
    arrays = small_arrays()
    arrays |= {'val_images': arrays['test_images'], 'val_labels': arrays['test_labels']}
    columns = {name: a[:, None] for name, a in arrays.items() if name.endswith('labels')}
    np.savez(tmp_path / 'breastmnist.npz', **{**arrays, **columns})
    digits = load_digits('npz', str(tmp_path / 'breastmnist.npz'))
    assert_same_digits(digits, plain)
    assert digits.notes == ('the images of the split validation are not used',)


def test_medmnist_in_colour_says_what_is_lost(tmp_path):
    arrays = small_arrays()
    for name in ('train_images', 'test_images'):
        arrays[name] = np.stack([arrays[name], arrays[name] // 2, arrays[name]], axis=-1)
    np.savez(tmp_path / 'bloodmnist.npz', **arrays)
    digits = load_digits('npz', str(tmp_path / 'bloodmnist.npz'))
    expected = arrays['train_images'] @ np.float32([0.299, 0.587, 0.114])
    expected = expected.reshape(-1, 14, 2, 14, 2).mean((2, 4))
    np.testing.assert_allclose(digits.train_images, expected, rtol=1e-5)
    assert '28x28 colour images' in digits.notes[0]


def test_multi_label_data_sets_are_refused_by_name(tmp_path):
    arrays = small_arrays()
    arrays['train_labels'] = np.arange(12 * 14).reshape(12, 14) % 3 // 2
    arrays['test_labels'] = arrays['train_labels'][:5]
    np.savez(tmp_path / 'chestmnist.npz', **arrays)
    message = message_of('npz', str(tmp_path / 'chestmnist.npz'))
    assert 'multi-label' in message and '14 labels an image' in message


def test_one_of_the_data_sets_in_a_directory_is_chosen_by_name(tmp_path, plain):
    np.savez(tmp_path / 'pathmnist.npz', **small_arrays())
    message = message_of('npz', str(tmp_path))
    assert 'pathmnist, plain' in message and 'data.dataset' in message
    assert_same_digits(load_digits('npz', str(tmp_path), 'PathMNIST'), plain)
    assert "'octmnist' is not in" in message_of('npz', str(tmp_path), 'octmnist')


@pytest.mark.parametrize(
    'names',
    [
        ('x_train', 'y_train', 'x_test', 'y_test'),  # Keras: mnist.npz of keras.datasets.mnist
        ('X_train', 'y_train', 'X_test', 'y_test'),
        ('xtrain', 'ytrain', 'xtest', 'ytest'),
        ('trainImages', 'trainLabels', 'testImages', 'testLabels'),
        ('training_data', 'training_targets', 'test_data', 'test_targets'),
    ],
)
def test_names_of_arrays(tmp_path, plain, names):
    arrays = dict(zip(names, four(small_arrays()), strict=True))
    np.savez(tmp_path / 'named.npz', **arrays, class_list=np.array(['a', 'b', 'c']))
    assert_same_digits(load_digits('npz', str(tmp_path / 'named.npz')), plain)


FOUR_FILES = {
    # download_data.py of github.com/rois-codh/kmnist
    'Kuzushiji': ('k49-train-imgs', 'k49-train-labels', 'k49-test-imgs', 'k49-test-labels'),
    # github.com/vinayprabhu/Kannada_MNIST
    'Kannada': (
        *('X_kannada_MNIST_train', 'y_kannada_MNIST_train'),
        *('X_kannada_MNIST_test', 'y_kannada_MNIST_test'),
    ),
}


@pytest.mark.parametrize('publisher', FOUR_FILES)
@pytest.mark.parametrize('folder', ['', 'Kannada_MNIST_npz/Kannada_MNIST'])
def test_four_files_of_one_array_each(tmp_path, plain, publisher, folder):
    directory = tmp_path / 'own' / folder
    directory.mkdir(parents=True)
    for name, array in zip(FOUR_FILES[publisher], four(small_arrays()), strict=True):
        np.savez_compressed(directory / f'{name}.npz', array)
    # The 10,000 digits of Kannada's second test set, which has no train images.
    np.savez_compressed(directory / 'X_dig_MNIST.npz', small_arrays()['test_images'])
    np.savez_compressed(directory / 'k49_classmap.npz', np.arange(3))
    assert_same_digits(load_digits('npz', str(tmp_path / 'own')), plain)


IMAGE_LAYOUTS = {
    'flat': lambda images: images.reshape(len(images), -1),
    'one channel first': lambda images: images[:, None],
    'one channel last': lambda images: images[..., None],
    'int64': lambda images: images.astype(np.int64),
    'three channels first': lambda images: np.stack([images] * 3, axis=1),
}
LABEL_LAYOUTS = {
    'whole floats': lambda labels: labels.astype(np.float32),
    'columns': lambda labels: labels[:, None].astype(np.uint8),
    'one-hot': lambda labels: np.eye(3)[labels],
}


@pytest.mark.parametrize('layout', [*IMAGE_LAYOUTS, *LABEL_LAYOUTS])
def test_layouts_of_images_and_labels(tmp_path, plain, layout):
    arrays = small_arrays()
    kind, change = next(
        (kind, layouts[layout])
        for kind, layouts in (('images', IMAGE_LAYOUTS), ('labels', LABEL_LAYOUTS))
        if layout in layouts
    )
    for split in ('train', 'test'):
        arrays[f'{split}_{kind}'] = change(arrays[f'{split}_{kind}'])
    np.savez(tmp_path / 'other.npz', **arrays)
    digits = load_digits('npz', str(tmp_path / 'other.npz'))
    assert digits.num_classes == 3
    np.testing.assert_array_equal(digits.test_labels, plain.test_labels)
    np.testing.assert_allclose(digits.train_images, plain.train_images, rtol=1e-5)


def test_bool_images_are_black_and_white(tmp_path):
    arrays = small_arrays()
    arrays |= {name: arrays[name] > 127 for name in ('train_images', 'test_images')}
    np.savez(tmp_path / 'bool.npz', **arrays)
    images = load_digits('npz', str(tmp_path / 'bool.npz')).train_images
    expected = 255 * arrays['train_images'].reshape(-1, 14, 2, 14, 2).mean((2, 4))
    np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize(
    ('texts', 'names'),
    [
        (np.array(['bag', 'coat', 'ankle']), ('ankle', 'bag', 'coat')),
        (np.array(['10', '9', '2']), ('2', '9', '10')),
        (np.array(['ä', 'b', 'c']).astype('U'), ('b', 'c', 'ä')),
        (np.array([b'x', b'y', b'z']), ('x', 'y', 'z')),
    ],
)
def test_names_as_labels_are_kept(tmp_path, texts, names):
    arrays = small_arrays()
    for split in ('train', 'test'):
        arrays[f'{split}_labels'] = texts[arrays[f'{split}_labels']]
    np.savez(tmp_path / 'names.npz', **arrays)
    digits = load_digits('npz', str(tmp_path / 'names.npz'))
    assert digits.class_names == names and digits.num_classes == 3
    found = np.array(names)[digits.train_labels]
    expected = arrays['train_labels']
    np.testing.assert_array_equal(found, expected.astype(str))


def test_one_pool_is_split_by_content_and_stays_split_when_images_are_added(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (200, 14, 14), dtype=np.uint8), np.arange(200) % 5
    np.savez(tmp_path / 'half.npz', images=images[:120], labels=labels[:120])
    np.savez(tmp_path / 'whole.npz', data=images[::-1], target=labels[::-1])
    half, whole = (load_digits('npz', str(tmp_path / f'{n}.npz')) for n in ('half', 'whole'))
    assert len(half.train_labels) + len(half.test_labels) == 120
    assert 20 <= len(whole.test_labels) <= 60 and 'no test split' in whole.notes[0]
    for part in ('train_images', 'test_images'):
        pools = [{image.tobytes() for image in getattr(digits, part)} for digits in (half, whole)]
        assert pools[0] < pools[1]


def test_what_was_found_and_what_is_expected_is_listed(tmp_path):
    np.savez(tmp_path / 'odd.npz', a=np.zeros((3, 4)), b=np.arange(3, dtype=np.int16))
    message = message_of('npz', str(tmp_path / 'odd.npz'))
    assert 'holds a (3, 4) float64, b (3,) int16' in message
    assert 'train_images' in message and 'x_train' in message and 'k49-train-imgs.npz' in message
    assert str(tmp_path / 'odd.npz') in message


@pytest.mark.parametrize(
    ('contents', 'expected'),
    [
        (b'<!DOCTYPE html><html>', 'is a web page, not data'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'is a Git LFS pointer'),
    ],
)
def test_what_is_under_the_name_of_an_npz_file_is_called_what_it_is(tmp_path, contents, expected):
    (tmp_path / 'bad.npz').write_bytes(contents)
    assert f'{tmp_path / "bad.npz"} {expected}' in message_of('npz', str(tmp_path / 'bad.npz'))
