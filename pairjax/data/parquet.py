"""The source parquet: image data sets as Hugging Face publishes them.

An image is a struct of `bytes` and `path`, or bytes alone; the schema's metadata `huggingface` says
which columns are images and which are labels, and names the classes:
https://github.com/huggingface/datasets (features/image.py, features/features.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pairjax.data.cache import cached_arrays, file_states
from pairjax.data.content_split import SPLIT_NOTE, content_hash, in_test_pool
from pairjax.data.digits import ARRAY_NAMES, Pool, RawDigits, SourceConfig
from pairjax.data.encoded import shrink_encoded
from pairjax.data.file_kinds import foreign_kind, read_beginning
from pairjax.data.names import SPLIT_WORDS, choose_dataset, choose_splits, words_of
from pairjax.errors import UserError, describe_error, unknown_name

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_NAMES = ('image', 'img')
LABEL_NAMES = ('label', 'labels', 'class', 'target')
# What the Hub adds to the name of a shard: its number, and for some a hash.
_SHARD = re.compile(r'[-_]?\d+(-of-\d+)?(-[0-9a-f]{8,})?$')
_BATCH = 2000


class Columns(NamedTuple):
    """Names of the columns to read, and of the classes, () where the file does not say."""

    image: str
    label: str
    class_names: tuple[str, ...]


def read_parquet(source: SourceConfig) -> RawDigits:
    """A parquet file, or a directory of them, of images and labels.

    The split is in a file's or folder's name. Without a test split the validation split is the
    test pool; where there is one split alone, it is split by content. Decoded images are cached.

    Raises: UserError where there are no such files or columns, or several to choose from, and
      where a file is damaged.
    """
    root = source.directory
    if root is None:
        raise UserError(
            'data.source=parquet needs data.dir, a parquet file or the directory of some.'
        )
    datasets = _find_datasets(root)
    name = choose_dataset(datasets, source.dataset, root)
    splits = datasets[name]
    used = [path for paths in splits.values() for path in paths]
    columns = _choose_columns(used[0], source.label)
    train, test, notes = choose_splits(splits)
    chosen = {split: splits[split] for split in (train, test) if split is not None}

    def decode() -> dict[str, np.ndarray]:
        return _decode(chosen, columns, source)

    states = file_states([path for paths in chosen.values() for path in paths])
    arrays = cached_arrays(f'parquet-{name or "images"}', (states, list(chosen), columns), decode)
    names = [f'{kind} of {root}' for kind in ARRAY_NAMES]
    four = [arrays[kind] for kind in ARRAY_NAMES]
    pools = (Pool(*four[i : i + 2], *names[i : i + 2]) for i in (0, 2))
    return RawDigits(*pools, columns.class_names, (*notes, *arrays['notes'].tolist()))


def _find_datasets(root: Path) -> dict[str, dict[str, list[Path]]]:
    """The files of each split, by data set, which a folder or the file's name names."""
    files = [root] if root.is_file() else sorted(root.rglob('*.parquet'))
    if not files:
        raise UserError(
            f'data.dir: {root} '
            + ('holds no .parquet files.' if root.is_dir() else 'does not exist.')
            + ' Expected a parquet file or the directory of some, such as '
            'train-00000-of-00001.parquet.'
        )
    found: dict[str, dict[str, list[Path]]] = {}
    for path in files:
        folders = path.relative_to(root).parts[:-1] if path != root else ()
        words = [*(word for part in folders for word in words_of(part))]
        words += words_of(_SHARD.sub('', path.stem))
        split = next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), '')
        name = '-'.join(word for word in words if word not in SPLIT_WORDS and word != 'data')
        found.setdefault(name, {}).setdefault(split, []).append(path)
    named = {name: splits for name, splits in found.items() if set(splits) - {''}}
    # SVHN's split `extra`: a word of its own beside files that have a split.
    return named or found


def _open(path: Path) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path, page_checksum_verification=True)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        damaged = f'cannot be read as a parquet file ({describe_error(error)}); download it again'
        raise UserError(f'{path} {foreign_kind(read_beginning(path)) or damaged}.') from error


def _choose_columns(path: Path, wanted: str) -> Columns:
    import pyarrow.types as types

    with _open(path) as file:
        schema = file.schema_arrow
    features = _features(schema)
    listed = ', '.join(f'{field.name}: {field.type}' for field in schema)
    images = [field.name for field in schema if _is_image(field.type)]
    image = next((name for name in IMAGE_NAMES if name in images), None)
    if image is None and len(images) != 1:
        raise UserError(
            f'{path} has {len(images)} columns of encoded images (its columns are {listed}); '
            'expected one, or one named image: a struct of bytes and path, or bytes.'
        )
    labels = [name for name in schema.names if _names(features, name) is not None]
    labels = labels or [
        field.name
        for field in schema
        if types.is_integer(field.type) or types.is_boolean(field.type) or _is_text(field.type)
    ]
    if wanted and wanted not in labels:
        raise unknown_name('data.label', wanted, labels)
    label = wanted or next((name for name in LABEL_NAMES if name in labels), None)
    if label is None and len(labels) > 1:
        raise UserError(
            f'{path} has several columns of labels; choose one with data.label: '
            f'{", ".join(labels)}.'
        )
    if label is None and not labels:
        raise UserError(
            f'{path} has no column of labels (its columns are {listed}); expected integers or '
            'strings, one per image.'
        )
    label = label or labels[0]
    return Columns(image or images[0], label, _names(features, label) or ())


def _features(schema: 'pa.Schema') -> Mapping[str, Any]:
    try:
        features = json.loads((schema.metadata or {})[b'huggingface'])['info']['features']
        return features if isinstance(features, dict) else {}
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}


def _names(features: Mapping[str, Any], column: str) -> tuple[str, ...] | None:
    """The names of a ClassLabel's classes; None for other columns."""
    feature = features.get(column)
    if not isinstance(feature, dict) or feature.get('_type') != 'ClassLabel':
        return None
    names = feature.get('names')
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _is_image(kind: 'pa.DataType') -> bool:
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(field.name == 'bytes' and _is_image(field.type) for field in kind.fields)
    return types.is_binary(kind) or types.is_large_binary(kind)


def _is_text(kind: 'pa.DataType') -> bool:
    import pyarrow.types as types

    return types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)


def _decode(
    splits: Mapping[str, list[Path]], columns: Columns, source: SourceConfig
) -> dict[str, np.ndarray]:
    arrays: list[np.ndarray] = []
    notes: list[str] = []
    hashes: list[bytes] = []
    for paths in splits.values():
        images, labels, num_read = [], [], 0
        num_rows = sum(_num_rows(path) for path in paths)
        # One shard at a time, since all of them may not fit the memory.
        for path in paths:
            contents, values = _read_shard(path, columns)
            shrunk = shrink_encoded(
                contents,
                f'image {{}} of {path}'.format,
                partial(_progress_after, source, num_read, num_rows),
            )
            num_read += len(contents)
            images.append(shrunk.images)
            labels.append(values[shrunk.readable])
            notes += shrunk.notes
            if len(splits) == 1:
                readable = zip(contents, shrunk.readable, strict=True)
                hashes += [content_hash(one) for one, good in readable if good]
        arrays += [np.concatenate(images), np.concatenate(labels)]
    if len(splits) == 1:
        test = in_test_pool(hashes)
        arrays = [array[chosen] for chosen in (~test, test) for array in arrays]
        notes.append(SPLIT_NOTE)
    notes = list(dict.fromkeys(notes))
    return {**dict(zip(ARRAY_NAMES, arrays, strict=True)), 'notes': np.array(notes, np.str_)}


def _progress_after(source: SourceConfig, before: int, total: int, done: int, _: int) -> None:
    source.progress(before + done, total)


def _num_rows(path: Path) -> int:
    with _open(path) as file:
        return file.metadata.num_rows


def _read_shard(path: Path, columns: Columns) -> tuple[list[bytes], np.ndarray]:
    contents: list[bytes] = []
    labels = []
    for images, values in _batches(path, columns):
        contents += images
        labels.append(values)
    return contents, np.concatenate(labels) if labels else np.empty(0, np.int64)


def _batches(path: Path, columns: Columns) -> Iterator[tuple[list[bytes], np.ndarray]]:
    """Encoded images and labels, some at a time."""
    import pyarrow

    with _open(path) as file:
        missing = [name for name in columns[:2] if name not in file.schema_arrow.names]
        if missing:
            raise UserError(
                f'{path} has no column {missing[0]}, which other files of its data set have; move '
                'files of another data set elsewhere.'
            )
        try:
            for batch in file.iter_batches(_BATCH, columns=list(columns[:2])):
                images, labels = batch.column(columns.image), batch.column(columns.label)
                if pyarrow.types.is_struct(images.type):
                    images = images.field('bytes')
                if images.null_count or labels.null_count:
                    raise UserError(
                        f'{path} has rows without image bytes or label; expected both in every row '
                        '(a path alone leads to a file that was not published with it).'
                    )
                if pyarrow.types.is_dictionary(labels.type):
                    labels = labels.dictionary_decode()
                labels = labels.to_numpy(zero_copy_only=False)
                yield images.to_pylist(), labels.astype(str) if labels.dtype == object else labels
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            raise UserError(
                f'{path} is damaged ({describe_error(error)}); download it again.'
            ) from error
