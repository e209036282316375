"""Every row of docs/data.md: small files in that layout are read with what the row says to type."""

import gzip
import re
from pathlib import Path

import numpy as np
import pytest
from data_checks import as_npz, assert_same_digits
from data_files import idx_bytes, typed_idx, write_images, write_parquet
from tfds_files import write_tfds

from pairjax.data.sources import load_digits

DOCUMENT = Path(__file__).resolve().parents[2] / 'docs' / 'data.md'
ROW = re.compile(r'\| ([^|]+) \| `(data\.source=[^`]+)` \| (\d+) \|')
ROWS = {name: (fields, int(classes)) for name, fields, classes in ROW.findall(DOCUMENT.read_text())}
MNIST = ('train-{}-idx{}-ubyte.gz', 't10k-{}-idx{}-ubyte.gz')
SPLITS = ('train', 'test')


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def made_arrays(classes, side=28, channels=()):
    """Two train images and one test image of each class, none the same as another or symmetric."""
    rng = np.random.default_rng(classes)
    arrays = {}
    for split, count in (('train', 2 * classes), ('test', classes)):
        shape = (count, side, side, *channels)
        arrays[f'{split}_images'] = rng.integers(0, 256, shape, dtype=np.uint8)
        arrays[f'{split}_labels'] = np.arange(count) % classes
    return arrays


def write_idx(root, arrays, names=MNIST, columns=1, sideways=False, first=0):
    root.mkdir(parents=True)
    for split, name in zip(SPLITS, names, strict=True):
        images, labels = arrays[f'{split}_images'], arrays[f'{split}_labels'] + first
        packed = gzip.compress(idx_bytes(images.transpose(0, 2, 1) if sideways else images))
        (root / name.format('images', 3)).write_bytes(packed)
        if columns == 1:
            (root / name.format('labels', 1)).write_bytes(gzip.compress(idx_bytes(labels)))
        else:
            others = np.full((len(labels), columns - 1), 77)
            extended = typed_idx(np.column_stack([labels, others]), 12, '>i4')
            path = root / name.format('labels', 2).replace('ubyte', 'int')
            path.write_bytes(gzip.compress(extended))


def emnist(split, first=0):
    def write(root, arrays):
        names = [f'emnist-{split}-{part}-{{}}-idx{{}}-ubyte.gz' for part in SPLITS]
        write_idx(root / 'gzip', arrays, names, sideways=True, first=first)
        # Another split beside it, as in the publisher's archive.
        other = [name.replace(split, 'digits') for name in names]
        write_idx(root / 'more', made_arrays(10), other, sideways=True)

    return write


def qmnist(root, arrays):
    names = [f'qmnist-{part}-{{}}-idx{{}}-ubyte.gz' for part in SPLITS]
    write_idx(root, arrays, names, columns=8)


def one_array_each(*names):
    def write(root, arrays):
        root.mkdir()
        for name, kind in zip(names, arrays, strict=True):
            np.savez_compressed(root / f'{name}.npz', arrays[kind])

    return write


def keras(path, arrays):
    names = ('x_train', 'y_train', 'x_test', 'y_test')
    np.savez(path, **dict(zip(names, arrays.values(), strict=True)))


def medmnist(path, arrays):
    if path.suffix != '.npz':
        path.mkdir()
        np.savez(path / 'octmnist.npz', **made_arrays(4))
        path = path / 'pathmnist.npz'
    val = {f'val_{kind}': arrays[f'test_{kind}'] for kind in ('images', 'labels')}
    both = {**arrays, **val}
    np.savez(path, **{name: a[:, None] if a.ndim == 1 else a for name, a in both.items()})


def hugging_face(config, image='image', *labels):
    def write(root, arrays):
        names = tuple(f'class {i}' for i in range(1 + arrays['test_labels'].max()))
        for split in SPLITS:
            values = arrays[f'{split}_labels']
            columns = {label: values // (1 + i) for i, label in enumerate(labels or ('label',))}
            path = root / config / f'{split}-00000-of-00001.parquet'
            write_parquet(path, arrays[f'{split}_images'], image=image, names=names, **columns)
        if config == 'cropped_digits':
            other = root / 'full_numbers' / 'train-00000-of-00001.parquet'
            write_parquet(other, arrays['test_images'], label=arrays['test_labels'])

    return write


def devanagari(root, arrays):
    names = [f'character_{i:02d}' for i in range(46)]
    for split, folder in zip(SPLITS, ('Train', 'Test'), strict=True):
        pools = arrays[f'{split}_images'], arrays[f'{split}_labels']
        write_images(root / 'DevanagariHandwrittenCharacterDataset' / folder, *pools, names)


WRITERS = {
    'MNIST': lambda root, arrays: write_idx(root, arrays),
    'Fashion-MNIST': lambda root, arrays: write_idx(root / 'FashionMNIST' / 'raw', arrays),
    'Kuzushiji-MNIST': lambda root, arrays: write_idx(root, arrays),
    'Kuzushiji-49': one_array_each(
        *('k49-train-imgs', 'k49-train-labels', 'k49-test-imgs', 'k49-test-labels')
    ),
    'Kannada-MNIST': one_array_each(
        *('X_kannada_MNIST_train', 'y_kannada_MNIST_train'),
        *('X_kannada_MNIST_test', 'y_kannada_MNIST_test'),
    ),
    'QMNIST': qmnist,
    'EMNIST Letters': emnist('letters', first=1),
    'EMNIST Balanced': emnist('balanced'),
    'EMNIST ByClass': emnist('byclass'),
    'MNIST of Keras': keras,
    **dict.fromkeys(('PathMNIST', 'BloodMNIST', 'PneumoniaMNIST', 'OrganAMNIST'), medmnist),
    'MNIST of Hugging Face': hugging_face('mnist'),
    'SVHN': hugging_face('cropped_digits'),
    'CIFAR-10': hugging_face('plain_text', 'img'),
    'CIFAR-100': hugging_face('cifar100', 'img', 'fine_label', 'coarse_label'),
    'Devanagari characters': devanagari,
    'TFDS, such as KMNIST': lambda root, arrays: write_tfds(root, 'kmnist', '3.0.1', arrays),
}
SHAPES = {
    **dict.fromkeys(('PathMNIST', 'BloodMNIST'), (28, (3,))),
    **dict.fromkeys(('SVHN', 'CIFAR-10', 'CIFAR-100'), (32, (3,))),
    'Devanagari characters': (32, ()),
}


def test_the_document_has_twenty_data_sets_and_each_is_tried():
    assert len(ROWS) == 20 and set(ROWS) == set(WRITERS)


@pytest.mark.parametrize('name', ROWS)
def test_a_public_data_set_is_read_with_what_the_document_says(tmp_path, name):
    fields, classes = ROWS[name]
    flags = dict(field.removeprefix('data.').split('=') for field in fields.split())
    # Where data.download would put MNIST; nothing is missing there.
    place = tmp_path / {'DIR': 'own', 'FILE': 'own.npz', None: 'cache/mnist'}[flags.get('dir')]
    arrays = made_arrays(classes, *SHAPES.get(name, ()))
    WRITERS[name](place, arrays)
    digits = load_digits(
        flags['source'],
        str(place) if 'dir' in flags else None,
        flags.get('dataset', 'mnist'),
        'download' in flags,
        flags.get('label', ''),
    )
    assert digits.num_classes == classes
    if name == 'Devanagari characters':
        # A folder is read by class.
        for split in SPLITS:
            order = np.argsort(arrays[f'{split}_labels'], kind='stable')
            for kind in ('images', 'labels'):
                arrays[f'{split}_{kind}'] = arrays[f'{split}_{kind}'][order]
    expected = as_npz(tmp_path, arrays)
    if SHAPES.get(name, (28, ())) == (28, ()):
        assert_same_digits(digits, expected)
    for found, array in zip(digits.arrays, expected.arrays, strict=True):
        np.testing.assert_allclose(found, array, rtol=1e-5, atol=1e-3)
