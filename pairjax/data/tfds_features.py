"""Keeps a prepared TFDS data set from running code that came with it."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pairjax.errors import UserError, shown

# What names a class in features.json: as TFDS writes it, as it reads it too, and as it once did.
_CLASS_FIELDS = ('pythonClassName', 'python_class_name', 'type')


def check_tfds_features(path: Path) -> None:
    """Checks the features.json of a data set: TFDS imports every module that it names.

    Raises: UserError where it names a class that is not of TFDS itself.
    """
    try:
        names = list(_class_names(path.read_text('utf-8')))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f'{path} cannot be read ({error}); prepare the data set again.') from None
    for name in names:
        if '.' in name and not name.startswith('tensorflow_datasets.core.features.'):
            raise UserError(
                f'{path} names {shown(name)}, which is no feature of TFDS; to import it would run '
                'code that came with the data, so choose a data set of images and class labels.'
            )


def _class_names(value: Any) -> Iterator[str]:
    """Every class named in JSON, also in strings that hold JSON."""
    if isinstance(value, dict):
        yield from (value[f] for f in _CLASS_FIELDS if isinstance(value.get(f), str))
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _class_names(inner)
    elif isinstance(value, str) and value.lstrip()[:1] in ('{', '['):
        with contextlib.suppress(ValueError):
            yield from _class_names(json.loads(value))
