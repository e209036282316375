"""The schema of the JSON files of a workdir, checked before they are used."""

import json
import math
from pathlib import Path
from typing import Any

from pairjax.errors import UserError, shown

# A schema is a range for the whole numbers in it, float for every finite number, another type,
# None for null, a tuple of schemas for any of them, a list of one schema for lists of such, and an
# object for objects that have at least these fields; a field that ends in '?' may be missing.
COUNT = range(2**31)
SIZE = range(1, 2**31)
POOL = range(1, 10**9)
DATA = {'source': str, 'train_pool': POOL, 'test_pool': POOL, 'num_classes': SIZE}
DATA |= {'black?': float, 'white?': float, 'class_names?': [str]}
SETTING = (str, bool, float, [(str, bool, float)])
STATISTIC = {
    'values': [(None, float)],
    'mean': (None, float),
    'std': (None, float),
    'ci95': (None, [float]),
}
STATISTICS = (
    'final_test_accuracy',
    'best_epoch_test_accuracy',
    'best_validation_epoch_test_accuracy',
    'final_validation_accuracy',
    'final_train_accuracy',
)
TRIAL = {
    'hyperparameters': {'model.name': str, 'model.widths': [SIZE], 'model.weight_sharing': bool},
    'num_params': range(1, 2**63),
    'seeds': [COUNT],
    'failed_seeds': [COUNT],
    'failure?': (None, str),
    **dict.fromkeys(STATISTICS, STATISTIC),
    'final_digit_accuracy': (None, STATISTIC),
}
SUMMARY = {
    'name': str,
    'data': {**DATA, 'fingerprint': str},
    'trials': [TRIAL],
    'selected_trial': (None, COUNT),
    'timing': {
        'all_pairs_seconds?': float,
        **dict.fromkeys(('compile_seconds', 'train_seconds', 'seconds_per_run', 'devices'), float),
    },
}
LINE = {
    **{'trial': COUNT, 'seed': COUNT, 'epoch': SIZE},
    **dict.fromkeys(('train_loss', 'train_accuracy', 'validation_accuracy'), (None, float)),
    **dict.fromkeys(('test_accuracy', 'test_digit_accuracy'), (None, float)),
    **dict.fromkeys(('train_seconds', 'compile_seconds', 'whole_pool_seconds?'), float),
}
# Of the config, what is read without `config.validate`; workdirs of any version have these.
CONFIG_FILE = {
    'format?': COUNT,
    'config': {
        'name': str,
        'seed': COUNT,
        'num_seeds': SIZE,
        'data': {f'num_{name}_pairs': SIZE for name in ('train', 'validation', 'test')},
    },
    'data': DATA,
    'versions': {},
    'resumed_with?': [{}],
}


def parse_json(text: str | bytes) -> Any:
    """JSON of finite numbers and whole characters, as pairjax writes it; else raises ValueError."""
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise ValueError('it is nested too deeply') from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f'{text} is no finite number')
    return number


def mismatch(value: Any, shape: Any, where: str = 'it') -> str | None:
    """How a JSON value differs from a schema, in words; None where it does not."""
    if isinstance(shape, tuple):
        found = [mismatch(value, one, where) for one in shape]
        return None if None in found else found[-1]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f'{where} is no object'
        for field, inner in shape.items():
            name = field.removesuffix('?')
            if name in value:
                found = mismatch(value[name], inner, f'{where}.{name}'.removeprefix('it.'))
            else:
                found = f'{where} lacks {name}' if name == field else None
            if found:
                return found
        return None
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f'{where} is no list'
        found = (mismatch(v, shape[0], f'{where}[{i}]') for i, v in enumerate(value))
        return next(filter(None, found), None)
    if isinstance(shape, range):
        fits = type(value) is int and value in shape
    elif shape is float:
        # Beyond this a whole number is none that pairjax measures.
        fits = type(value) is float or (type(value) is int and abs(value) < 2**63)
    else:
        fits = value is None if shape is None else type(value) is shape
    return None if fits else f'{where} is {shown(value)}'


def check_shape(value: Any, shape: Any, path: Path) -> None:
    """Raises UserError where the content of a file is not what pairjax writes there."""
    difference = mismatch(value, shape)
    if difference:
        raise UserError(
            f'{path} was not written by pairjax ({difference}); put an intact copy back, or name '
            'another workdir'
        )
