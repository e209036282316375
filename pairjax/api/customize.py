"""A network, relation, loss or images of one's own, as an object in the place of a name."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from pairjax.data.digits import Digits, Pool, RawDigits, checked_digits
from pairjax.data.pairs import RELATIONS
from pairjax.data.sources import SOURCES
from pairjax.errors import UserError, shown
from pairjax.models.networks import PairModel
from pairjax.models.registry import MODELS
from pairjax.training.losses import LOSSES


def register(
    model: type[PairModel] | None = None,
    relation: Callable | None = None,
    loss: Callable | None = None,
    data: Any = None,
) -> dict[str, str]:
    """Makes objects known to this process by name, for a config, and for restoring its runs.

    Args:
      model: a subclass of `PairModel`, under the name of the class.
      relation: a function of two int32 arrays of classes to a bool array, under its own name.
      loss: a function with the arguments of `losses.pair_loss`, under its own name.
      data: `Digits`, or (train images, train labels, test images, test labels), images (n, H, W).

    Returns: config fields by dotted name.
    Raises: UserError where an object is of the wrong kind, or its name means another one already.
    """
    fields = {}
    if model is not None:
        if not (isinstance(model, type) and issubclass(model, PairModel)):
            raise UserError(
                f'model={shown(model)} must be a subclass of pairjax.models.networks.PairModel, '
                'which is a flax.nnx module'
            )
        fields['model.name'] = _put(MODELS, model, 'model')
    if relation is not None:
        fields['data.relation'] = _put(RELATIONS, relation, 'relation')
    if loss is not None:
        fields['loss.name'] = _put(LOSSES, loss, 'loss')
    if data is not None:
        raw = _as_raw_digits(data)
        digest = hashlib.blake2b(digest_size=6)
        for array in checked_digits(raw).arrays:
            digest.update(np.ascontiguousarray(array).data)
        # Equal images have one name, so that the same call resumes the same experiment.
        fields['data.source'] = name = f'arrays-{digest.hexdigest()}'
        SOURCES[name] = lambda _: raw
    return fields


def _put(registry: dict[str, Any], item: Any, what: str) -> str:
    name = getattr(item, '__name__', '')
    if not callable(item) or not name.isidentifier():
        raise UserError(f'{what}={shown(item)} must be a function or class with a name of its own')
    known = registry.get(name)
    # A notebook's cell that runs again defines the same thing anew.
    if known is not None and known.__module__ != item.__module__:
        raise UserError(f'{what}: there is a {name} already, of {known.__module__}; rename yours')
    registry[name] = item
    return name


def _as_raw_digits(data: Any) -> RawDigits:
    class_names = data.class_names if isinstance(data, Digits) else ()
    data = data.arrays if isinstance(data, Digits) else data
    arrays = [np.asarray(array) for array in data] if isinstance(data, tuple | list) else []
    if len(arrays) != 4:
        raise UserError(
            f'data={shown(type(data).__name__)} must be four arrays: train images, train labels, '
            'test images, test labels'
        )
    train = Pool(*arrays[:2], 'data: train images', 'data: train labels')
    test = Pool(*arrays[2:], 'data: test images', 'data: test labels')
    return RawDigits(train, test, class_names)
