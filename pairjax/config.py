"""The fields of a config: names, defaults, types and ranges."""

import difflib
import functools
import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from ml_collections import ConfigDict, FrozenConfigDict

from pairjax.errors import UserError, shown


def default_config() -> ConfigDict:
    """The first report's protocol with its best network; configs change what differs from it."""
    return ConfigDict(
        {
            'name': 'auxnet2',
            'seed': 0,
            'num_seeds': 10,
            'data': {
                'source': 'bundled',
                'dir': '',
                'dataset': 'mnist',
                'download': False,
                'num_train_pairs': 1000,
                'num_validation_pairs': 500,
                'num_test_pairs': 1000,
                'standardize': True,
                'relation': 'less_equal',
            },
            'model': {
                'name': 'AuxNet2',
                'widths': (32, 32, 64, 256),
                'weight_sharing': True,
                'dropout_rate': 0.5,
                'normalization': 'none',
                'head': 'learned',
                'num_members': 1,
            },
            'loss': {'main_weight': 1.0, 'aux_weight': 2.0, 'label_smoothing': 0.0},
            'optimizer': {
                'name': 'adam',
                'learning_rate': 5e-3,
                'weight_decay': 0.0,
                'b2': 0.999,
                'schedule': 'constant',
                'warmup': 0.0,  # the fraction of all steps in which the rate rises
            },
            'augment': {  # how far each image is moved, 0 not at all; see data/augmentation.py
                'rotation': 0.0,
                'scale': 0.0,
                'shear': 0.0,
                'shift': 0.0,
                'gamma': 0.0,
                'undistorted': 0.0,  # the last fraction of epochs, with images as they are
            },
            'train': {
                'num_epochs': 25,
                'batch_size': 100,
                'shuffle': False,
                'evaluate_every': 1,  # epochs; the last one is always evaluated
                'evaluate_all_every': 1,  # of those, all sets; test pairs alone in others
            },
            'runs': {'per_batch': 0, 'devices': 0},  # 0: chosen for the backend
            'checkpoint': {'every_seconds': 30.0, 'keep': 1},
            'sweep': {'product': (), 'settings': (), 'param_range': ()},
        }
    )


@functools.cache
def _default_fields() -> Mapping[str, Any]:
    """The fields of default_config(), flat; a sweep checks thousands of configs."""
    return MappingProxyType(flatten(default_config()))


# Fields of earlier versions, each with the value that turns it off.
REMOVED_FIELDS = {
    'model.padded': False,
    'model.overlapping_pools': False,
    'augment.elastic': 0.0,
    'optimizer.ema_decay': 0.0,
}

# A sweep.settings of widths has four levels: settings, setting, field, widths.
MOST_LEVELS = 8
# Beyond this a whole number fits neither an array nor every reader of JSON.
MOST_WHOLE = 2**63


class Range(NamedTuple):
    """The values that a number may take, both ends included."""

    low: float
    high: float
    why: str = ''


_RANGES = {
    'seed': Range(0, 2**31 - 1),
    'num_seeds': Range(1, 10**6),
    'data.num_train_pairs': Range(1, 10**7),
    'data.num_validation_pairs': Range(1, 10**7, 'trials are selected on validation pairs'),
    'data.num_test_pairs': Range(1, 10**7),
    'model.num_members': Range(1, 1000, 'networks of a run, whose softmax is averaged'),
    'model.dropout_rate': Range(0.0, 0.996, 'a rate is rounded to 256ths and must keep some units'),
    'loss.main_weight': Range(0.0, 1e38),
    'loss.aux_weight': Range(0.0, 1e38),
    'loss.label_smoothing': Range(0.0, 0.99, 'the fraction of a target that all classes share'),
    'optimizer.learning_rate': Range(0.0, 1e38),
    'optimizer.weight_decay': Range(0.0, 1e38),
    'optimizer.b2': Range(0.0, 0.999999),
    'optimizer.warmup': Range(0.0, 1.0, 'the fraction of all steps in which the rate rises'),
    'augment.rotation': Range(0.0, 180.0, 'degrees'),
    'augment.scale': Range(0.0, 1.0, 'the logarithm of a factor'),
    'augment.shear': Range(0.0, 1.0),
    'augment.shift': Range(0.0, 7.0, 'pixels'),
    'augment.gamma': Range(0.0, 3.0, 'the logarithm of an exponent'),
    'augment.undistorted': Range(0.0, 1.0, 'the last fraction of epochs, not distorted'),
    'train.num_epochs': Range(1, 10**7),
    'train.batch_size': Range(1, 10**7),
    'train.evaluate_every': Range(1, 10**7),
    'train.evaluate_all_every': Range(1, 10**7),
    'runs.per_batch': Range(0, 10**6, '0 chooses for the backend'),
    'runs.devices': Range(0, 10**6, '0 takes every device'),
    'checkpoint.every_seconds': Range(0.0, 1e9, '0 saves after every epoch'),
    'checkpoint.keep': Range(1, 10**6),
}


def flatten(config: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Nested fields as one dictionary with dotted names; sequences become tuples.

    Raises: UserError where something is nested too deeply for any field.
    """
    if prefix.count('.') > MOST_LEVELS:
        raise UserError(f'{shown(prefix)} is nested too deeply; see default_config()')
    flat = {}
    for name, value in config.items():
        if isinstance(value, Mapping | ConfigDict):
            flat.update(flatten(value, f'{prefix}{name}.'))
        else:
            flat[f'{prefix}{name}'] = _as_tuple(f'{prefix}{name}', value)
    return flat


def _as_tuple(name, value, levels=MOST_LEVELS):
    if not isinstance(value, list | tuple):
        return value
    if not levels:
        raise UserError(f'{shown(name)} is nested too deeply; see default_config()')
    return tuple(_as_tuple(name, v, levels - 1) for v in value)


def upgrade(saved: Mapping[str, Any]) -> dict[str, Any]:
    """A saved config with the fields of this version, to be passed to `validate`.

    Removed fields that are off are dropped, also from its sweep; missing fields get their default.

    Args:
      saved: nested or flat fields, as config.json holds them.

    Returns: flat fields.
    Raises: UserError naming a removed field that is in use.
    """
    return {**_default_fields(), **dict(_without_removed(tuple(flatten(saved).items())))}


def _without_removed(value: Any) -> Any:
    """Drops (removed field, off) pairs at any depth of nested tuples, such as a sweep's."""
    if not isinstance(value, tuple):
        return value
    return tuple(_without_removed(inner) for inner in value if not _is_removed(inner))


def _is_removed(pair: Any) -> bool:
    is_field = isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)
    if not is_field or pair[0] not in REMOVED_FIELDS:
        return False
    name, value = pair
    off, values = REMOVED_FIELDS[name], value if isinstance(value, tuple) else (value,)
    if any(v != off for v in values):
        raise UserError(
            f'the saved config has {name}={shown(value)}, but this version no longer has {name}; '
            'use pairjax 0.2.0 for it'
        )
    return True


def check_field_names(names: Sequence[str], prefix: str = '') -> None:
    """Raises UserError with "did you mean" for the first name that no config has."""
    known = set(_default_fields())
    groups = {name.rpartition('.')[0] for name in known} - {''}
    for name in names:
        if name in groups:
            fields = ', '.join(sorted(k for k in known if k.startswith(f'{name}.')))
            raise UserError(f'{prefix}{name} is a group of fields; set one of {fields}')
        if name not in known:
            # People remember the last part alone: learning_rate for optimizer.learning_rate.
            likely = [k for k in known if k.rpartition('.')[2] == name.rpartition('.')[2]]
            likely += difflib.get_close_matches(name[:100], known, n=1)
            hint = f'did you mean {prefix}{likely[0]}?' if likely else 'see default_config()'
            # In quotes only where it would not be seen, or would break the line.
            text = name if name.isprintable() and 0 < len(name) <= 100 else shown(name)
            raise UserError(f'{prefix}{text} is not a config field; {hint}')


def validate(config: Mapping[str, Any] | ConfigDict) -> FrozenConfigDict:
    """Checks names, types and ranges; what needs a registry is checked where the registry is.

    Args:
      config: nested fields, as a config file makes them or as config.json holds them.

    Returns: the config, frozen.
    Raises: UserError naming the first field that is wrong and what would be right.
    """
    flat, defaults = flatten(config), _default_fields()
    check_field_names(list(flat))
    for name, default in defaults.items():
        if name not in flat:
            raise UserError(f'config field {name} is missing; start from default_config()')
        _check_value(name, flat[name], default)
    if not re.fullmatch(r'\w[\w.+-]{0,99}', flat['name']):
        raise UserError(
            f'name={shown(flat["name"])} names the workdir and must be 1 to 100 letters, digits, '
            'underscores, dots, plus or minus signs, the first no sign or dot'
        )
    if flat['loss.main_weight'] == 0 and flat['loss.aux_weight'] == 0:
        raise UserError('loss.main_weight and loss.aux_weight are both 0: nothing would be trained')
    if flat['seed'] + flat['num_seeds'] > 2**31:
        raise UserError(
            f'seed={flat["seed"]} and num_seeds={flat["num_seeds"]} go past the last '
            f'seed, {2**31 - 1}'
        )
    checked = default_config()
    # A config file may say 1 where a float is meant; the field keeps its type.
    checked.update_from_flattened_dict(
        {k: float(v) if isinstance(defaults[k], float) else v for k, v in flat.items()}
    )
    return FrozenConfigDict(checked)


def _check_value(name: str, value: Any, default: Any) -> None:
    if isinstance(default, bool | str):
        if type(value) is not type(default):
            raise UserError(f'{name}={shown(value)} must be of type {type(default).__name__}')
        if isinstance(value, str) and not value.isprintable():
            raise UserError(f'{name}={shown(value)} must hold printable characters alone')
    elif isinstance(default, tuple):
        if not isinstance(value, tuple):
            raise UserError(f'{name}={shown(value)} must be a tuple, such as {default or "(a, b)"}')
        if not _is_plain(value):
            raise UserError(
                f'{name}={shown(value)} must hold tuples, finite numbers, printable strings, True '
                'and False, and no dictionaries or other objects'
            )
        if name == 'model.widths':
            _check_widths(value)
        if name == 'sweep.param_range':
            _check_param_range(value)
    else:
        _check_number(name, value, default)


def _is_plain(value: Any) -> bool:
    """Whether config.json gives back what is written of a value."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, int):
        return -MOST_WHOLE <= value < MOST_WHOLE
    return isinstance(value, float) and math.isfinite(value)


def _check_param_range(bounds: tuple) -> None:
    numbers = all(isinstance(b, int | float) and not isinstance(b, bool) for b in bounds)
    if bounds and (len(bounds) != 2 or not numbers or not bounds[0] < bounds[1]):
        raise UserError(
            f'sweep.param_range={shown(bounds)} must be (low, high), or () for no bounds'
        )


def _check_widths(widths: tuple) -> None:
    if not all(type(width) is int and 1 <= width <= 65536 for width in widths):
        raise UserError(f'model.widths={shown(widths)} must hold whole numbers from 1 to 65536')


def _check_number(name: str, value: Any, default: float) -> None:
    kind = 'a whole number' if isinstance(default, int) else 'a number'
    allowed = int if isinstance(default, int) else (int, float)
    low, high, why = _RANGES[name]
    right_type = isinstance(value, allowed) and not isinstance(value, bool)
    if not right_type or not low <= value <= high:
        note = f' ({why})' if why else ''
        raise UserError(f'{name}={shown(value)} must be {kind} from {low:g} to {high:g}{note}')
