"""Parquet files as Hugging Face publishes them.

Layout: an image is struct<bytes: binary, path: string> (features/image.py of
github.com/huggingface/datasets); the schema's metadata `huggingface` has the features as JSON
(features/features.py). File names and columns: the dataset cards of ylecun/mnist,
zalando-datasets/fashion_mnist, ufldl-stanford/svhn, uoft-cs/cifar10 and uoft-cs/cifar100.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_checks import as_npz, assert_same_digits, message_of
from data_files import write_parquet
from tfds_files import small_arrays

from pairjax.data import encoded
from pairjax.data.sources import load_digits

DIGIT_NAMES = tuple('012')


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def write_splits(root, train, test, **columns):
    arrays = small_arrays()
    for split, path in (('train', train), ('test', test)):
        write_parquet(
            root / path, arrays[f'{split}_images'], label=arrays[f'{split}_labels'], **columns
        )


FILES = {
    'mnist': ('mnist/train-00000-of-00001.parquet', 'mnist/test-00000-of-00001.parquet'),
    'a hash in the name': (
        *('data/train-00000-of-00001-b2c479666084dd68.parquet',),
        *('data/test-00000-of-00001-f55adbf147c120d9.parquet',),
    ),
    'converted by the Hub': ('mnist/train/0000.parquet', 'mnist/test/0000.parquet'),
    'to_parquet': ('train.parquet', 'test.parquet'),
    'older': ('svhn-train.parquet', 'svhn-test.parquet'),
    'validation only': ('data/train-00000.parquet', 'data/validation-00000.parquet'),
}


@pytest.mark.parametrize('layout', FILES)
def test_files_as_published_give_the_same_digits_as_an_npz_file(tmp_path, layout):
    write_splits(tmp_path / 'own', *FILES[layout])
    digits = load_digits('parquet', str(tmp_path / 'own'))
    assert_same_digits(digits, as_npz(tmp_path, small_arrays()))
    assert digits.class_names == DIGIT_NAMES
    assert len(digits.notes) == (layout == 'validation only')


def test_shards_bytes_alone_and_labels_without_metadata(tmp_path):
    arrays = small_arrays()
    images, labels = arrays['train_images'], arrays['train_labels']
    for shard, rows in enumerate((slice(0, 5), slice(5, 12))):
        path = tmp_path / 'own' / f'train-0000{shard}-of-00002.parquet'
        write_parquet(path, images[rows], as_struct=False, names=(), label=labels[rows])
    path = tmp_path / 'own' / 'test-00000-of-00001.parquet'
    write_parquet(
        path, arrays['test_images'], as_struct=False, names=(), label=arrays['test_labels']
    )
    digits = load_digits('parquet', str(tmp_path / 'own'))
    assert_same_digits(digits, as_npz(tmp_path, arrays))
    assert digits.class_names == ()


def test_of_several_configurations_one_is_chosen_and_an_extra_split_is_not_used(tmp_path):
    """SVHN: cropped_digits with the splits train, test and extra beside full_numbers."""
    files = ('train-00000-of-00001.parquet', 'test-00000-of-00001.parquet')
    for folder in ('cropped_digits', 'full_numbers'):
        write_splits(tmp_path / folder, *files)
    arrays = small_arrays()
    path = tmp_path / 'cropped_digits' / 'extra-00000-of-00002.parquet'
    write_parquet(path, arrays['train_images'], label=arrays['train_labels'])
    assert 'cropped-digits, full-numbers' in message_of('parquet', str(tmp_path))
    digits = load_digits('parquet', str(tmp_path), 'cropped_digits')
    assert_same_digits(digits, as_npz(tmp_path, arrays))


def test_colour_images_and_class_names_of_cifar(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    labels, names = np.arange(9) % 3, ('airplane', 'automobile', 'bird', 'cat')
    for split in ('train', 'test'):
        path = tmp_path / 'plain_text' / f'{split}-00000-of-00001.parquet'
        write_parquet(path, images, image='img', names=names, label=labels)
    digits = load_digits('parquet', str(tmp_path))
    assert digits.class_names == names and digits.num_classes == 4
    assert digits.notes[0].startswith('32x32 colour images become 14x14 grey ones')
    expected = as_npz(
        tmp_path,
        {
            **{'train_images': images, 'train_labels': labels},
            **{'test_images': images, 'test_labels': labels},
        },
    )
    np.testing.assert_allclose(digits.train_images, expected.train_images, rtol=1e-5)


def test_of_several_label_columns_one_is_chosen(tmp_path):
    arrays = small_arrays()
    for split in ('train', 'test'):
        labels = arrays[f'{split}_labels']
        path = tmp_path / 'cifar100' / f'{split}-00000-of-00001.parquet'
        images = arrays[f'{split}_images']
        write_parquet(path, images, image='img', fine_label=labels, coarse_label=labels // 2)
    message = message_of('parquet', str(tmp_path))
    assert 'data.label' in message and 'fine_label, coarse_label' in message
    assert "did you mean 'coarse_label'" in message_of('parquet', str(tmp_path), label='coarse')
    digits = load_digits('parquet', str(tmp_path), label='fine_label')
    np.testing.assert_array_equal(digits.train_labels, arrays['train_labels'])
    digits = load_digits('parquet', str(tmp_path), label='coarse_label')
    np.testing.assert_array_equal(digits.train_labels, arrays['train_labels'] // 2)


def test_names_as_labels_and_one_file_split_by_content(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 14, 14), dtype=np.uint8)
    names = np.array(['shirt', 'bag', 'coat'])[np.arange(60) % 3]
    write_parquet(tmp_path / 'all.parquet', images, names=(), label=names)
    digits = load_digits('parquet', str(tmp_path / 'all.parquet'))
    assert digits.class_names == ('bag', 'coat', 'shirt')
    assert 'no test split' in digits.notes[0]
    pools = ((digits.train_images, digits.train_labels), (digits.test_images, digits.test_labels))
    found = {
        image.tobytes(): digits.class_names[label]
        for pool in pools
        for image, label in zip(*pool, strict=True)
    }
    assert len(found) == 60 and 5 <= len(digits.test_labels) <= 25
    assert all(found[image.tobytes()] == name for image, name in zip(images, names, strict=True))


def test_decoded_images_are_kept_until_the_files_change(tmp_path, monkeypatch):
    files = ('train.parquet', 'test.parquet')
    write_splits(tmp_path / 'own', *files)
    first = load_digits('parquet', str(tmp_path / 'own'))
    with monkeypatch.context() as patched:
        patched.setattr(encoded, 'shrink_chunk', None)
        assert_same_digits(load_digits('parquet', str(tmp_path / 'own')), first)
    arrays = small_arrays()
    write_parquet(tmp_path / 'own' / 'test.parquet', arrays['test_images'], label=[0, 0, 0, 0, 1])
    second = load_digits('parquet', str(tmp_path / 'own'))
    np.testing.assert_array_equal(second.test_labels, [0, 0, 0, 0, 1])


def test_files_that_cannot_be_read_are_named(tmp_path):
    path = tmp_path / 'own' / 'train.parquet'
    assert 'needs data.dir' in message_of('parquet')
    assert 'does not exist' in message_of('parquet', str(tmp_path / 'nowhere'))
    assert 'holds no .parquet files' in message_of('parquet', str(tmp_path))
    write_splits(tmp_path / 'own', 'train.parquet', 'test.parquet')
    good = path.read_bytes()
    for contents, expected in (
        (good[: len(good) // 2], 'cannot be read as a parquet file'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'is a Git LFS pointer'),
        (b'<html>', 'is a web page'),
    ):
        path.write_bytes(contents)
        message = message_of('parquet', str(tmp_path / 'own'))
        assert str(path) in message and expected in message
    # The format need not have checksums of its pages; an image has its own.
    path.write_bytes(good[:200] + bytes(800) + good[1000:])
    message = message_of('parquet', str(tmp_path / 'own'))
    assert 'image 0 of' in message and 'cannot be read as an image' in message


def test_columns_that_are_missing_are_named_with_those_there(tmp_path):
    pq.write_table(pa.table({'text': ['a'], 'label': [1]}), tmp_path / 'train.parquet')
    message = message_of('parquet', str(tmp_path))
    assert '0 columns of encoded images' in message and 'text: string, label: int64' in message
    nested = pa.array([[{'label': 1}]])  # full_numbers of SVHN
    table = pa.table({'image': pa.array([b'x'], pa.binary()), 'digits': nested})
    pq.write_table(table, tmp_path / 'train.parquet')
    assert 'no column of labels' in message_of('parquet', str(tmp_path))
    kind = pa.struct([('bytes', pa.binary()), ('path', pa.string())])
    elsewhere = pa.array([{'bytes': None, 'path': 'a.png'}], kind)
    pq.write_table(pa.table({'image': elsewhere, 'label': [1]}), tmp_path / 'train.parquet')
    assert 'without image bytes' in message_of('parquet', str(tmp_path))
