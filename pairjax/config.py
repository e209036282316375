"""The fields of a config: names, defaults, types and ranges."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ml_collections import ConfigDict, FrozenConfigDict

from pairjax.errors import UserError, shown, shown_name


class Field(NamedTuple):
    """A config field: its default, and for a number the range it may take, both ends included."""

    default: Any
    low: float | None = None
    high: float | None = None
    note: str = ''


# The first report's protocol with its best network; configs change what differs from it.
FIELDS = {
    'name': Field('auxnet2'),
    'seed': Field(0, 0, 2**31 - 1),
    'num_seeds': Field(10, 1, 10**6),
    'data.source': Field('bundled'),
    'data.dir': Field(''),
    'data.dataset': Field('mnist'),
    'data.download': Field(False),
    'data.label': Field(''),
    'data.num_train_pairs': Field(1000, 1, 10**7),
    'data.num_validation_pairs': Field(500, 1, 10**7, 'validation pairs select trials'),
    'data.num_test_pairs': Field(1000, 1, 10**7),
    'data.standardize': Field(True),
    'data.relation': Field('less_equal'),
    'model.name': Field('AuxNet2'),
    'model.widths': Field((32, 32, 64, 256)),
    'model.weight_sharing': Field(True),
    'model.dropout_rate': Field(0.5, 0, 0.996, 'rounded to 256ths; some units must stay'),
    'model.normalization': Field('none'),
    'model.head': Field('learned'),
    'model.num_members': Field(1, 1, 1000, 'networks of a run, whose softmax is averaged'),
    'loss.name': Field('weighted'),
    'loss.main_weight': Field(1.0, 0, 1e38),
    'loss.aux_weight': Field(2.0, 0, 1e38),
    'loss.label_smoothing': Field(0.0, 0, 0.99, 'the fraction of a target that all classes share'),
    'optimizer.name': Field('adam'),
    'optimizer.learning_rate': Field(5e-3, 0, 1e38),
    'optimizer.weight_decay': Field(0.0, 0, 1e38),
    'optimizer.b2': Field(0.999, 0, 0.999999, 'of adam and adamw'),
    'optimizer.momentum': Field(0.0, 0, 0.999999, 'of sgd'),
    'optimizer.schedule': Field('constant'),
    'optimizer.warmup': Field(0.0, 0, 1, 'the fraction of all steps in which the rate rises'),
    # How far each image is moved, 0 not at all; see data/augmentation.py.
    'augment.rotation': Field(0.0, 0, 180, 'degrees'),
    'augment.scale': Field(0.0, 0, 1, 'the logarithm of a factor'),
    'augment.shear': Field(0.0, 0, 1),
    'augment.shift': Field(0.0, 0, 7, 'pixels'),
    'augment.gamma': Field(0.0, 0, 3, 'the logarithm of an exponent'),
    'augment.undistorted': Field(0.0, 0, 1, 'the last fraction of epochs, not distorted'),
    'train.num_epochs': Field(25, 1, 10**7),
    'train.batch_size': Field(100, 1, 10**7),
    'train.shuffle': Field(False),
    # In epochs; the last one is always evaluated.
    'train.evaluate_every': Field(1, 1, 10**7),
    # Of the epochs evaluated: all sets; the others evaluate test pairs alone.
    'train.evaluate_all_every': Field(1, 1, 10**7),
    'runs.per_batch': Field(0, 0, 10**6, '0 chooses for the backend'),
    'runs.devices': Field(0, 0, 10**6, '0 takes every device'),
    'checkpoint.every_seconds': Field(30.0, 0, 1e9, '0 saves after every epoch'),
    'checkpoint.keep': Field(1, 1, 10**6),
    'sweep.product': Field(()),
    'sweep.settings': Field(()),
    'sweep.param_range': Field(()),
    # Such as '3/20': the third of twenty parts of the sweep's trials, see runtime/parts.py.
    'sweep.part': Field(''),
}


def default_config() -> ConfigDict:
    """The defaults of `FIELDS`, nested."""
    nested: dict[str, Any] = {}
    for name, field in FIELDS.items():
        *groups, last = name.split('.')
        group = nested.setdefault(groups[0], {}) if groups else nested
        group[last] = field.default
    return ConfigDict(nested)


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
    defaults = {name: field.default for name, field in FIELDS.items()}
    return {**defaults, **dict(_without_removed(tuple(flatten(saved).items())))}


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
    groups = {name.rpartition('.')[0] for name in FIELDS} - {''}
    for name in names:
        if name in groups:
            fields = ', '.join(sorted(k for k in FIELDS if k.startswith(f'{name}.')))
            raise UserError(f'{prefix}{name} is a group of fields; set one of {fields}')
        if name not in FIELDS:
            # People remember the last part alone: learning_rate for optimizer.learning_rate.
            likely = [k for k in FIELDS if k.rpartition('.')[2] == name.rpartition('.')[2]]
            likely += difflib.get_close_matches(name[:100], FIELDS, n=1)
            hint = f'did you mean {prefix}{likely[0]}?' if likely else 'see default_config()'
            raise UserError(f'{prefix}{shown_name(name)} is not a config field; {hint}')


def validate(config: Mapping[str, Any] | ConfigDict) -> FrozenConfigDict:
    """Checks names, types and ranges; what needs a registry is checked where the registry is.

    Args:
      config: nested fields, as a config file makes them or as config.json holds them.

    Returns: the config, frozen.
    Raises: UserError naming the first field that is wrong and what would be right.
    """
    flat = flatten(config)
    check_field_names(list(flat))
    for name, field in FIELDS.items():
        if name not in flat:
            raise UserError(f'config field {name} is missing; start from default_config()')
        _check_value(name, flat[name], field)
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
    if flat['sweep.part'] and not _is_part(flat['sweep.part']):
        raise UserError(
            f'sweep.part={shown(flat["sweep.part"])} must be NUMBER/COUNT with NUMBER from 1 to '
            'COUNT, such as 3/20, or empty for the whole sweep'
        )
    checked = default_config()
    # A config file may say 1 where a float is meant; the field keeps its type.
    checked.update_from_flattened_dict(
        {k: float(v) if isinstance(FIELDS[k].default, float) else v for k, v in flat.items()}
    )
    return FrozenConfigDict(checked)


def _check_value(name: str, value: Any, field: Field) -> None:
    """Raises UserError where a field cannot have this value."""
    default = field.default
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
        if name == 'model.widths' and not all(type(w) is int and 1 <= w <= 65536 for w in value):
            raise UserError(f'{name}={shown(value)} must hold whole numbers from 1 to 65536')
        if name == 'sweep.param_range' and value and not _is_range(value):
            raise UserError(f'{name}={shown(value)} must be (low, high), or () for no bounds')
    else:
        kind, types = ('a whole number', int) if type(default) is int else ('a number', int | float)
        is_number = isinstance(value, types) and not isinstance(value, bool)
        if not is_number or not field.low <= value <= field.high:
            note = f' ({field.note})' if field.note else ''
            raise UserError(
                f'{name}={shown(value)} must be {kind} from {field.low:g} to {field.high:g}{note}'
            )


def _is_plain(value: Any) -> bool:
    """Whether config.json gives back what is written of a value."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    if isinstance(value, str):
        return value.isprintable()
    if isinstance(value, int):
        return -MOST_WHOLE <= value < MOST_WHOLE
    return isinstance(value, float) and math.isfinite(value)


def _is_part(text: str) -> bool:
    match = re.fullmatch(r'([1-9]\d{0,4})/([1-9]\d{0,4})', text, re.ASCII)
    return match is not None and int(match[1]) <= int(match[2])


def _is_range(bounds: tuple) -> bool:
    numbers = [b for b in bounds if isinstance(b, int | float) and not isinstance(b, bool)]
    return len(bounds) == len(numbers) == 2 and bounds[0] < bounds[1]
