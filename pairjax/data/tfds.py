"""The source tfds: image-classification data sets prepared by TensorFlow Datasets."""

import fnmatch
import importlib.util
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pairjax.data.cache import cached_arrays, file_states
from pairjax.data.digits import ARRAY_NAMES, Pool, RawDigits, SourceConfig
from pairjax.data.emnist import is_emnist, turn_upright
from pairjax.data.resize import check_image_shape, describe_loss, shrink
from pairjax.data.tfds_features import check_tfds_features
from pairjax.errors import UserError, describe_error, did_you_mean, shown

_BATCH = 1000
_VERSION = re.compile(r'\d+\.\d+\.\d+')


def read_tfds(source: SourceConfig) -> RawDigits:
    """An image-classification data set prepared by TFDS, read without TensorFlow.

    Raises: UserError where it is missing, damaged, in a format of TensorFlow, or has no images,
      labels or splits train and test.
    """
    directory = prepared_tfds_directory(source.directory, source.dataset)
    name = directory.parent.name
    states = file_states(path for path in directory.iterdir() if path.is_file())
    arrays = cached_arrays(f'tfds-{name}', states, lambda: _read(directory))
    names = [f'{kind} of {directory}' for kind in ARRAY_NAMES]
    four = [arrays[kind] for kind in ARRAY_NAMES]
    pools = (Pool(*four[i : i + 2], *names[i : i + 2]) for i in (0, 2))
    raw = RawDigits(*pools, notes=tuple(arrays['notes'].tolist()))
    # A split of EMNIST is a config: emnist/letters/3.1.0.
    parts = [part for part in directory.parts[-3:-1] if is_emnist(part)]
    if parts:
        return turn_upright(raw, f'{parts[0]}-{name}' if name != parts[0] else name, directory)
    return raw


def prepared_tfds_directory(root: Path | None, dataset: str) -> Path:
    """The directory of a prepared TFDS data set; looked for here since TFDS asks the network.

    Args:
        root: TFDS's data_dir, or the directory of one data set or version; None means TFDS's own
            default.
        dataset: 'name', 'name/config', either with ':1.2.3' or ':1.*.*'; the newest version that
            fits is taken. Case and - or _ make no difference.

    Raises:
        UserError: it is not there.
    """
    if root is None:
        root = Path(os.path.expanduser(os.environ.get('TFDS_DATA_DIR') or '~/tensorflow_datasets'))
    if (root / 'dataset_info.json').is_file():
        return root
    prepared: dict[str, list[str]] = {}
    for level in ('*', '*/*', '*/*/*'):
        for path in root.glob(f'{level}/dataset_info.json'):
            if _VERSION.fullmatch(path.parent.name):
                name = path.parent.parent.relative_to(root).as_posix()
                prepared.setdefault(name, []).append(path.parent.name)
    wanted, _, version = dataset.partition(':')
    if list(prepared) == ['.']:
        name = '.'  # data.dir is the directory of this one data set.
    else:
        name = next((known for known in prepared if _plain(known) == _plain(wanted)), wanted)
    fits = [text for text in prepared.get(name, []) if fnmatch.fnmatch(text, version or '*')]
    if fits:
        return root / name / max(fits, key=lambda text: [int(number) for number in text.split('.')])
    raise _not_prepared(root, dataset, wanted, prepared)


def _plain(name: str) -> str:
    return name.lower().replace('-', '_')


def _not_prepared(
    root: Path, dataset: str, wanted: str, prepared: dict[str, list[str]]
) -> UserError:
    there = sorted(f'{known}:{text}' for known in prepared for text in prepared[known])
    suggestion = did_you_mean(wanted, sorted(prepared))
    return UserError(
        f'data.dataset={shown(dataset)} is not prepared in {root} (found there: '
        f'{", ".join(there) or "nothing"}); {suggestion}name a prepared one or its directory '
        'in data.dir, or prepare it once where TensorFlow and the network are at hand, with: '
        f'tfds build {_plain(wanted)} --data_dir={root} --file_format=array_record'
    )


def _read(directory: Path) -> dict[str, np.ndarray]:
    if importlib.util.find_spec('array_record') is None:
        raise UserError(
            'data.source=tfds needs the package array_record, which is not installed and has no '
            'wheels for Windows; choose npz, idx, parquet or folder there.'
        )
    check_tfds_features(directory / 'features.json')
    # Imported here because the import takes half a second, wasted if the arrays are cached.
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder_from_directory(directory)
        info = builder.info
        formats = {file_format.value for file_format in info.available_file_formats()}
        features = {name: info.features[name] for name in ('image', 'label')}
        sizes = {split: info.splits[split].num_examples for split in ('train', 'test')}
    # TFDS, protobuf and array_record each raise exceptions of their own for damaged files.
    except Exception as error:
        raise UserError(
            f'{directory} is not a TFDS data set with the features image and label and the splits '
            f'train and test ({describe_error(error)}); choose another or prepare it again.'
        ) from error
    if 'array_record' not in formats:
        raise UserError(
            f'{directory} is prepared as {", ".join(formats) or "an unknown format"}, which '
            'only TensorFlow can read; prepare it again with --file_format=array_record.'
        )
    check_image_shape(features['image'].shape, f'image of {directory}')
    arrays, losses = [], []
    for split, size in sizes.items():
        if not size:
            raise UserError(f'{directory} has no images in its split {split}; choose another.')
        try:
            images, labels, loss = _read_split(builder.as_data_source(split))
        except Exception as error:
            raise UserError(
                f'{directory}: the split {split} cannot be read ({describe_error(error)}); check '
                'that all its files are there and whole, or prepare it again in another directory.'
            ) from error
        arrays += [images, labels]
        losses += [loss] if loss else []
    notes = np.array(losses[:1], np.str_)
    return {**dict(zip(ARRAY_NAMES, arrays, strict=True)), 'notes': notes}


def _read_split(data_source: Sequence) -> tuple[np.ndarray, np.ndarray, str]:
    images, labels, loss = [], [], ''
    for start in range(0, len(data_source), _BATCH):
        # Batches read a quarter faster; resized at once, since originals may be large.
        batch = data_source.__getitems__(range(len(data_source))[start : start + _BATCH])
        stack = np.stack([example['image'] for example in batch])
        loss = loss or describe_loss(stack)
        images.append(shrink(stack))
        labels.extend(example['label'] for example in batch)
    return np.concatenate(images), np.array(labels), loss
