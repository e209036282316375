"""Labels in the layouts of their publishers as classes from 0."""

from collections.abc import Iterable, Sequence

import numpy as np

from pairjax.errors import UserError


def class_labels(
    labels: Sequence[tuple[np.ndarray, str]], counts: Sequence[int]
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Labels of several pools as (n,) integers, and the names of the classes.

    Takes integers, whole floats, bool and strings, (n,) or (n, 1), and one-hot (n, classes).
    Strings become the index of their name among all names, sorted as by `natural_order`.

    Args:
      labels: an array and its name for messages, per pool.
      counts: the number of images, per pool, for messages.

    Returns:
      The integer labels per pool, and the class names, () unless labels are strings.

    Raises: UserError naming an array that is neither.
    """
    arrays = [_column(array) for array, _ in labels]
    if any(array.dtype.kind in 'US' for array in arrays):
        texts = [_texts(array, name) for array, (_, name) in zip(arrays, labels, strict=True)]
        names = sorted_names({text for pool in texts for text in pool})
        index = {name: i for i, name in enumerate(names)}
        return [np.array([index[text] for text in pool], np.int64) for pool in texts], names
    if all(array.ndim == 2 and _is_one_hot(array) for array in arrays):
        return [np.argmax(array, axis=1) for array in arrays], ()
    return [
        _integers(array, name, count)
        for array, (_, name), count in zip(arrays, labels, counts, strict=True)
    ], ()


def natural_order(name: str) -> tuple:
    """A key that sorts whole numbers by value, before all other names."""
    return (0, int(name), name) if name.isascii() and name.isdecimal() else (1, 0, name)


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of classes in the order of their labels: numbers by value, the others by alphabet."""
    return tuple(sorted(names, key=natural_order))


def _column(labels: np.ndarray) -> np.ndarray:
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def _is_one_hot(labels: np.ndarray) -> bool:
    numbers = labels.dtype.kind in 'buif' and labels.shape[1] > 1 and len(labels) > 0
    return numbers and bool(((labels == 0) | (labels == 1)).all() and (labels.sum(1) == 1).all())


def _texts(labels: np.ndarray, name: str) -> list[str]:
    if labels.ndim != 1 or labels.dtype.kind not in 'US':
        raise _unfit(labels, name, '')
    try:
        return (
            [str(np.char.decode(one, 'utf-8')) for one in labels]
            if labels.dtype.kind == 'S'
            else labels.tolist()
        )
    except UnicodeDecodeError:
        raise UserError(
            f'{name} holds bytes that are no text; expected names of classes.'
        ) from None


def _integers(labels: np.ndarray, name: str, count: int) -> np.ndarray:
    if labels.ndim == 2 and labels.dtype.kind in 'buif' and len(labels) == count:
        raise UserError(
            f'{name} has {labels.shape[1]} labels an image (shape {labels.shape}): a multi-label '
            'data set, in which an image can be of several classes or of none; expected one class '
            'per image, so choose another data set or keep one column of it.'
        )
    if labels.ndim != 1 or labels.dtype.kind not in 'buif':
        raise _unfit(labels, name, '')
    if labels.dtype.kind == 'b':
        return labels.astype(np.uint8)
    if labels.dtype.kind == 'f':
        with np.errstate(invalid='ignore', over='ignore'):
            whole = np.isfinite(labels).all() and (labels == np.floor(labels)).all()
            # Beyond this a conversion to integers would be wrong, and no label is so large.
            if not whole or (np.abs(labels) > 2**53).any():
                raise _unfit(labels, name, ' with fractions, NaN or huge values')
            return labels.astype(np.int64)
    return labels


def _unfit(labels: np.ndarray, name: str, what: str) -> UserError:
    return UserError(
        f'{name} has shape {labels.shape} and type {labels.dtype}{what}; expected one class per '
        'image: integers, whole floats or names of shape (n,) or (n, 1), or one-hot (n, classes).'
    )
