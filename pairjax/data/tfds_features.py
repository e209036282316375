"""Keeps a prepared TFDS data set from running code that came with it."""

import contextlib
import json
from pathlib import Path
from typing import Any

from pairjax.errors import UserError, shown

# What names a class in features.json: as TFDS writes it, as it reads it too, and as it once did.
_CLASS_FIELDS = ('pythonClassName', 'python_class_name', 'type')


def check_tfds_features(path: Path) -> None:
    """Checks the features.json of a data set: TFDS imports every module that it names.

    Raises: UserError where it names a class that is not of TFDS itself.
    """
    names = []

    def note_classes(fields: list[tuple[str, Any]]) -> None:
        for name, value in fields:
            if isinstance(value, str):
                if name in _CLASS_FIELDS:
                    names.append(value)
                with contextlib.suppress(ValueError):  # A string may hold JSON, which TFDS reads.
                    json.loads(value, object_pairs_hook=note_classes)

    try:
        json.loads(path.read_text('utf-8'), object_pairs_hook=note_classes)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f'{path} cannot be read ({error}); prepare the data set again.') from None
    for name in names:
        if '.' in name and not name.startswith('tensorflow_datasets.core.features.'):
            raise UserError(
                f'{path} names {shown(name)}, which is no feature of TFDS; to import it would run '
                'code that came with the data, so choose a data set of images and class labels.'
            )
