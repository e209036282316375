"""The trials of a config's sweep."""

import itertools
import math
from collections import namedtuple
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from ml_collections import FrozenConfigDict

from pairjax.config import (
    REMOVED_FIELDS,
    check_field_names,
    default_config,
    flatten,
    validate,
)
from pairjax.errors import UserError, shown

# Floats that may differ between runs of one compiled program; all other fields are structural.
TRACED_FIELDS = (
    'optimizer.learning_rate',
    'optimizer.weight_decay',
    'loss.main_weight',
    'loss.aux_weight',
    'model.dropout_rate',
)
# One run's values of these fields, float32 scalars, by the last part of the field's name.
TracedHyperparameters = namedtuple(
    'TracedHyperparameters', [field.rpartition('.')[2] for field in TRACED_FIELDS]
)
# The fields that define a trial: what is trained, and on what. The others say where and how.
TRIAL_GROUPS = ('model', 'loss', 'optimizer', 'augment', 'train')
TRIAL_DATA_FIELDS = (
    'data.num_train_pairs',
    'data.num_validation_pairs',
    'data.num_test_pairs',
    'data.standardize',
    'data.relation',
)


# Every trial is checked, and its parameters are counted, before anything trains.
MOST_TRIALS = 10_000


class Trial(NamedTuple):
    """One setting of all hyperparameters."""

    index: int
    config: FrozenConfigDict

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Every field that defines the trial, dotted names, sequences as lists (for JSON)."""
        flat = flatten(self.config)
        values = {name: value for name, value in flat.items() if _defines_trial(name)}
        return {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}

    @property
    def traced(self) -> TracedHyperparameters:
        """The values of the traced fields."""
        return traced_hyperparameters(self.config)

    @property
    def structural_config(self) -> FrozenConfigDict:
        """The config of every trial of this trial's program: it lacks the traced fields.

        Reading one of them raises AttributeError, since the trials differ in it.
        """
        fields = self.config.to_dict()
        for field in TRACED_FIELDS:
            group, name = field.split('.')
            del fields[group][name]
        return FrozenConfigDict(fields)

    @property
    def structure(self) -> tuple:
        """Equal for two trials exactly when one compiled program can train both."""
        return structure_of(self.hyperparameters)


def traced_hyperparameters(config: Any) -> TracedHyperparameters:
    """The values of a config's traced fields, NumPy float32 scalars."""
    values = flatten(config)
    return TracedHyperparameters(*(np.float32(values[field]) for field in TRACED_FIELDS))


def structure_of(hyperparameters: Mapping[str, Any]) -> tuple:
    """`Trial.structure` of a trial known by its hyperparameters alone, as files hold them."""
    return tuple((k, str(v)) for k, v in hyperparameters.items() if k not in TRACED_FIELDS)


def group_by_structure(settings: Iterable[Mapping[str, Any]]) -> list[list[int]]:
    """The trials of each program, in the order in which the structures first appear.

    Args:
      settings: the hyperparameters of every trial.

    Returns: per program the indices of its trials.
    """
    groups: dict[tuple, list[int]] = {}
    for index, hyperparameters in enumerate(settings):
        groups.setdefault(structure_of(hyperparameters), []).append(index)
    return list(groups.values())


def part_of(part: str) -> tuple[int, int]:
    """Number, from 1, and count of a part of a sweep such as '3/20'; (1, 1) for ''."""
    number, count = map(int, (part or '1/1').split('/'))
    return number, count


def split_trials(settings: Iterable[Mapping[str, Any]], count: int) -> list[list[int]]:
    """Divides trials into parts that differ in size by one at most.

    Trials of one structure stay together where that is possible, since each part compiles its own
    programs.

    Args:
      settings: the hyperparameters of every trial.
      count: of the parts.

    Returns: per part the indices of its trials, ascending.
    """
    ordered = list(itertools.chain(*group_by_structure(settings)))
    bounds = [len(ordered) * n // count for n in range(count + 1)]
    return [sorted(ordered[start:end]) for start, end in itertools.pairwise(bounds)]


def expand_trials(config: FrozenConfigDict) -> list[Trial]:
    """The trials of `config.sweep`, in its order; one trial where there is no sweep.

    `sweep.product = ((field, values), ...)` gives every combination, the last
    field fastest; `sweep.settings = (((field, value), ...), ...)` an explicit
    list; with both, every setting is combined with every product. Bounds on the
    number of parameters (`sweep.param_range`) are applied by the caller, who
    can build the models.

    Raises: UserError naming the field that cannot be swept or set so.
    """
    trials = []
    # A trial is no sweep; checking the whole sweep with each of its trials would take its square.
    base = {**flatten(config), 'sweep.product': (), 'sweep.settings': (), 'sweep.param_range': ()}
    base['sweep.part'] = ''
    for overrides in _overrides(config.sweep):
        check_field_names(list(overrides), prefix='sweep: ')
        for name in overrides:
            if not _defines_trial(name):
                raise UserError(f'sweep: {name} does not define a trial and cannot be swept')
        trials.append(Trial(len(trials), validate({**base, **overrides})))
    return trials


def trial_name(trial: Mapping[str, Any]) -> str:
    """A trial's model and widths, such as AuxNet2 (32, 32, 64, 256).

    Args:
      trial: with its `hyperparameters`, as in summary.json.
    """
    hyper = trial['hyperparameters']
    shared = '' if hyper['model.weight_sharing'] else ' not shared'
    return f'{hyper["model.name"]} ({", ".join(map(str, hyper["model.widths"]))}){shared}'


def trial_names(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each trial's name with whatever else tells it from the others.

    Trials of several versions of pairjax may have different fields: one that a trial lacks counts
    as off.
    """
    named = ('model.name', 'model.widths', 'model.weight_sharing')
    off = {**flatten(default_config()), **REMOVED_FIELDS}
    settings = [{**off, **trial['hyperparameters']} for trial in trials]
    differing = [
        field
        for field in dict.fromkeys(itertools.chain(*(t['hyperparameters'] for t in trials)))
        if field not in named and any(s[field] != settings[0][field] for s in settings)
    ]
    return [
        ' '.join([trial_name(trial), *(f'{field}={setting[field]}' for field in differing)])
        for trial, setting in zip(trials, settings, strict=True)
    ]


def _defines_trial(name: str) -> bool:
    return name.partition('.')[0] in TRIAL_GROUPS or name in TRIAL_DATA_FIELDS


def _overrides(sweep: FrozenConfigDict) -> Iterator[dict[str, Any]]:
    product, settings = sweep.product, sweep.settings or ((),)
    if not all(map(_are_fields, [product, *settings])):
        raise UserError(
            'sweep.product must be ((field, (value, ...)), ...) and sweep.settings '
            '(((field, value), ...), ...)'
        )
    for field, values in product:
        if not isinstance(values, tuple) or not values:
            raise UserError(
                f'sweep.product: {shown(field)} must be given a tuple of at least one value, such '
                f'as ({shown(values)},)'
            )
    number = len(settings) * math.prod(len(values) for _, values in product)
    if number > MOST_TRIALS:
        raise UserError(
            f'sweep.product and sweep.settings make more than {MOST_TRIALS:,} trials; sweep '
            'fewer values or fields'
        )
    for setting in settings:
        names = [name for name, _ in setting] + [name for name, _ in product]
        if len(set(names)) < len(names):
            raise UserError(f'sweep: a field is set twice in {shown(", ".join(names))}')
        for values in itertools.product(*(values for _, values in product)):
            yield dict(zip(names, [*(value for _, value in setting), *values], strict=True))


def _are_fields(pairs: Any) -> bool:
    """Whether these are pairs of a field's name and something."""
    return isinstance(pairs, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    )
