"""Images in folders of classes, as torchvision's ImageFolder reads them."""

import shutil

import numpy as np
import pytest
from data_checks import as_npz, assert_same_digits, message_of
from data_files import write_images
from PIL import Image
from tfds_files import small_arrays

from pairjax.data import encoded
from pairjax.data.sources import load_digits

NAMES = ('0', '1', '2')


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def by_class(arrays):
    """The arrays in the order in which a folder is read: by class, then by name."""
    found = {}
    for split in ('train', 'test'):
        order = np.argsort(arrays[f'{split}_labels'], kind='stable')
        for kind in ('images', 'labels'):
            found[f'{split}_{kind}'] = arrays[f'{split}_{kind}'][order]
    return found


def write_set(root, train='train', test='test', **options):
    arrays = small_arrays()
    write_images(root / train, arrays['train_images'], arrays['train_labels'], **options)
    write_images(root / test, arrays['test_images'], arrays['test_labels'], **options)


@pytest.mark.parametrize(
    ('train', 'test'),
    [
        ('train', 'test'),
        ('Train', 'Test'),  # the Devanagari characters of UCI
        ('mnist_png/training', 'mnist_png/testing'),  # github.com/myleott/mnist_png
        ('train', 'val'),
    ],
)
def test_folders_give_the_same_digits_as_an_npz_file(tmp_path, train, test):
    write_set(tmp_path / 'own', train, test)
    (tmp_path / 'own' / train / '0' / 'Thumbs.db').write_bytes(b'')
    (tmp_path / 'own' / train / '0' / '._00000.png').write_bytes(b'')
    (tmp_path / 'own' / train / 'empty').mkdir()
    digits = load_digits('folder', str(tmp_path / 'own'))
    assert_same_digits(digits, as_npz(tmp_path, by_class(small_arrays())))
    assert digits.class_names == NAMES
    assert digits.notes == (
        ('there is no test split: its validation images are the test pool',)
        if test == 'val'
        else ()
    )


def test_classes_are_sorted_by_number_or_name_over_both_splits(tmp_path):
    write_set(tmp_path / 'numbers', names=('10', '9', '2'))
    assert load_digits('folder', str(tmp_path / 'numbers')).class_names == ('2', '9', '10')
    write_set(tmp_path / 'names', names=('tee', 'bag', 'coat'))
    write_images(tmp_path / 'names' / 'test', small_arrays()['test_images'][:1], [0], ('zebra',))
    digits = load_digits('folder', str(tmp_path / 'names'))
    assert digits.class_names == ('bag', 'coat', 'tee', 'zebra')
    np.testing.assert_array_equal(np.bincount(digits.test_labels), [2, 1, 2, 1])


def some_images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 14, 14), dtype=np.uint8)


def pools(digits):
    return [
        {image.tobytes() for image in pool} for pool in (digits.train_images, digits.test_images)
    ]


def test_a_split_by_content_does_not_change_when_files_are_added_or_renamed(tmp_path):
    write_images(tmp_path / 'own', some_images(60), np.arange(60) % 3)
    train, test = pools(load_digits('folder', str(tmp_path / 'own')))
    assert len(train) + len(test) == 60 and 5 <= len(test) <= 25
    write_images(tmp_path / 'own', some_images(40, seed=1), np.arange(40) % 3, suffix='.bmp')
    # A copy of an image is never in the other pool.
    write_images(tmp_path / 'own', some_images(60), np.arange(60) % 3, suffix='_copy.png')
    (tmp_path / 'own' / '0').rename(tmp_path / 'own' / 'zero')
    digits = load_digits('folder', str(tmp_path / 'own'))
    assert len(digits.train_labels) + len(digits.test_labels) == 160
    for before, after in zip((train, test), pools(digits), strict=True):
        assert before < after
    assert 'no test split' in digits.notes[0]


def test_test_images_without_classes_are_not_used(tmp_path):
    write_images(tmp_path / 'own' / 'train', some_images(60), np.arange(60) % 3)
    (tmp_path / 'own' / 'test').mkdir()
    shutil.copy(tmp_path / 'own' / 'train' / '0' / '00000.png', tmp_path / 'own' / 'test')
    digits = load_digits('folder', str(tmp_path / 'own'))
    assert len(digits.train_labels) + len(digits.test_labels) == 60
    assert 'test has no images in folders of classes' in digits.notes[0]


def test_the_cache_goes_by_content_and_not_by_place(tmp_path, monkeypatch):
    write_set(tmp_path / 'own')
    first = load_digits('folder', str(tmp_path / 'own'))
    shutil.copytree(tmp_path / 'own', tmp_path / 'elsewhere', copy_function=shutil.copyfile)
    with monkeypatch.context() as patched:
        patched.setattr(encoded, 'shrink_chunk', None)
        assert_same_digits(load_digits('folder', str(tmp_path / 'elsewhere')), first)
    path = tmp_path / 'own' / 'train' / '0' / '00000.png'
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(path)
    assert not load_digits('folder', str(tmp_path / 'own')).train_images[0].any()


def test_a_few_unreadable_files_are_left_out_and_more_are_refused(tmp_path):
    """notMNIST is published with a few broken files."""
    write_images(tmp_path / 'own', some_images(60), np.arange(60) % 3)
    broken = tmp_path / 'own' / '1' / '00001.png'
    broken.write_bytes(b'\x89PNG')
    digits = load_digits('folder', str(tmp_path / 'own'))
    assert len(digits.train_labels) + len(digits.test_labels) == 59
    assert f'{broken} cannot be read as an image' in digits.notes[0]
    for number in range(4, 20, 3):
        (tmp_path / 'own' / '1' / f'{number:05d}.png').write_bytes(b'')
    assert 'nor can 6 others of 60' in message_of('folder', str(tmp_path / 'own'))


def test_what_is_no_folder_of_classes_is_told_what_one_is(tmp_path):
    for data_dir in ('', str(tmp_path / 'nowhere'), str(tmp_path)):
        assert 'expected SPLIT/CLASS/*.png' in message_of('folder', data_dir)
    write_images(tmp_path / 'one', some_images(9), [0] * 9)
    assert 'holds only class 0' in message_of('folder', str(tmp_path / 'one'))
