"""Config fields, their checks, and the trials that a sweep stands for."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairjax.config import REMOVED_FIELDS, default_config, flatten, upgrade, validate
from pairjax.errors import UserError
from pairjax.trials import expand_trials, trial_names

# One other value than the default for each field that defines a trial.
TRACED = {
    'model.dropout_rate': 0.25,
    'loss.main_weight': 0.5,
    'loss.aux_weight': 0.5,
    'optimizer.learning_rate': 0.25,
    'optimizer.weight_decay': 0.25,
}
STRUCTURAL = {
    'data.num_train_pairs': 7,
    'data.num_validation_pairs': 8,
    'data.num_test_pairs': 9,
    'data.standardize': False,
    'data.relation': 'less',
    'model.name': 'AuxNet1',
    'model.widths': (32, 32, 64, 255),
    'model.weight_sharing': False,
    'model.normalization': 'batch',
    'model.head': 'argmax',
    'model.num_members': 2,
    'loss.name': 'other',
    'loss.label_smoothing': 0.25,
    'optimizer.name': 'adamw',
    'optimizer.b2': 0.75,
    'optimizer.momentum': 0.5,
    'optimizer.schedule': 'warmup_cosine',
    'optimizer.warmup': 0.25,
    'augment.rotation': 1.0,
    'augment.scale': 0.25,
    'augment.shear': 0.25,
    'augment.shift': 1.0,
    'augment.gamma': 0.25,
    'augment.undistorted': 0.25,
    'train.num_epochs': 3,
    'train.batch_size': 10,
    'train.shuffle': True,
    'train.evaluate_every': 2,
    'train.evaluate_all_every': 3,
}
OTHER_VALUES = {**TRACED, **STRUCTURAL}


def with_fields(**fields):
    """The default config as plain nested dicts, with `group__field=value` set."""
    config = default_config().to_dict()
    for name, value in fields.items():
        *groups, last = name.split('__')
        target = config
        for group in groups:
            target = target[group]
        target[last] = value
    return config


def message_of(**fields):
    """The one-line message of the UserError that a config with these fields must raise."""
    with pytest.raises(UserError) as caught:
        expand_trials(validate(with_fields(**fields)))
    assert '\n' not in str(caught.value)
    return str(caught.value)


def trials_of(**sweep):
    return expand_trials(validate(with_fields(sweep={**default_config().sweep.to_dict(), **sweep})))


def test_the_default_is_the_first_reports_protocol():
    config = validate(default_config())
    assert (config.train.num_epochs, config.loss.main_weight, config.loss.aux_weight) == (25, 1, 2)
    (trial,) = expand_trials(config)
    assert flatten(trial.config) == flatten(config) == flatten(default_config())


def test_whole_numbers_become_floats_and_lists_tuples():
    config = validate(with_fields(loss__aux_weight=1, model__widths=[1, 2]))
    assert type(config.loss.aux_weight) is float and config.model.widths == (1, 2)


@pytest.mark.parametrize(
    ('field', 'value', 'part'),
    [
        ('num_seeds', 0, 'num_seeds=0 must be a whole number from 1'),
        ('seed', -1, 'seed=-1 must be a whole number from 0'),
        ('seed', 1.5, 'must be a whole number'),
        ('seed', True, 'seed=True must be a whole number'),
        ('train__batch_size', '100', "train.batch_size='100' must be a whole number"),
        ('train__shuffle', 1, 'train.shuffle=1 must be of type bool'),
        ('data__num_validation_pairs', 0, 'validation pairs'),
        ('optimizer__learning_rate', -1e-3, 'optimizer.learning_rate=-0.001 must be a number'),
        ('optimizer__learning_rate', float('nan'), 'optimizer.learning_rate=nan'),
        ('optimizer__learning_rate', float('inf'), 'optimizer.learning_rate=inf'),
        ('optimizer__learning_rate', False, 'optimizer.learning_rate=False must be a number'),
        pytest.param('optimizer__learning_rate', 10**400, 'optimizer.learning_rate=10', id='huge'),
        ('model__dropout_rate', 1.0, '256ths'),
        ('model__name', 3, 'model.name=3 must be of type str'),
        ('model__widths', 32, 'model.widths=32 must be a tuple'),
        ('model__widths', (32, '32'), 'must hold whole numbers'),
        ('model__widths', (32, 32.0), 'must hold whole numbers'),
        ('model__widths', (32, 0), 'must hold whole numbers'),
        ('model__widths', (32, True), 'must hold whole numbers'),
        ('sweep__param_range', (5,), 'must be (low, high)'),
        ('name', '', "name='' names the workdir"),
        ('name', 'a\0b', 'printable characters'),
        ('name', 'a/b', 'names the workdir'),
        ('name', '..', 'names the workdir'),
    ],
)
def test_a_wrong_value_is_named(field, value, part):
    message = message_of(**{field: value})
    assert part in message
    assert message.startswith(field.replace('__', '.'))


def test_fields_that_do_not_go_together():
    assert validate(with_fields(seed=2**31 - 10)).num_seeds == 10  # up to the very last seed
    assert 'go past the last seed' in message_of(seed=2**31 - 9)
    assert 'nothing would be trained' in message_of(loss__main_weight=0, loss__aux_weight=0.0)


@pytest.mark.parametrize(
    ('fields', 'parts'),
    [
        ({'model__nam': 'AuxNet2'}, ('model.nam ', 'did you mean model.name?')),
        ({'learning_rate': 0.1}, ('learning_rate ', 'did you mean optimizer.learning_rate?')),
        ({'keep': 2}, ('keep ', 'did you mean checkpoint.keep?')),
        ({'zzzzzz': 1}, ('zzzzzz ', 'default_config()')),
        ({'model': 'AuxNet2'}, ('model is a group', 'model.name', 'model.widths')),
    ],
)
def test_an_unknown_field_is_answered_with_a_known_one(fields, parts):
    assert all(part in message_of(**fields) for part in parts)


def test_a_missing_field_is_named():
    config = with_fields()
    del config['train']['shuffle']
    with pytest.raises(UserError, match=r'train\.shuffle is missing'):
        validate(config)


# ---------------------------------------------------------------- configs of earlier versions


def saved_by_an_earlier_version(**fields):
    """The default config as config.json of version 0.2.0 holds it: with the removed fields."""
    config = with_fields()
    for name, value in {**REMOVED_FIELDS, **fields}.items():
        group, _, last = name.rpartition('.')
        config[group][last] = value
    return config


def test_removed_fields_that_are_off_are_dropped_and_missing_fields_get_their_defaults():
    off = tuple(REMOVED_FIELDS.items())
    saved = saved_by_an_earlier_version(**{'optimizer.b2': 0.9})
    saved['sweep']['settings'] = [[('loss.aux_weight', 1.0), *off], off]
    saved['sweep']['product'] = [['augment.elastic', [0.0, 0]], ['train.batch_size', [5]]]
    del saved['train']['evaluate_all_every'], saved['augment']
    config = validate(upgrade(saved))
    sweep = {
        'settings': ((('loss.aux_weight', 1.0),), ()),
        'product': (('train.batch_size', (5,)),),
    }
    expected = with_fields(optimizer__b2=0.9, sweep={**sweep, 'param_range': (), 'part': ''})
    assert flatten(config) == flatten(validate(expected))


@pytest.mark.parametrize('field', REMOVED_FIELDS)
def test_a_removed_field_in_use_is_refused_by_name(field):
    saved = saved_by_an_earlier_version(**{field: 0.5})
    with pytest.raises(UserError, match=rf'{field}=0\.5, but this version no longer has'):
        upgrade(saved)
    for sweep in ({'settings': [[[field, 0.5]]]}, {'product': [[field, [0.0, 0.5]]]}):
        saved = saved_by_an_earlier_version()
        saved['sweep'].update(sweep)
        with pytest.raises(UserError, match=f'no longer has {field}'):
            upgrade(saved)


def test_names_of_trials_of_two_versions_tell_what_differs():
    new = {'hyperparameters': trials_of()[0].hyperparameters}
    old = {'hyperparameters': {**new['hyperparameters'], **REMOVED_FIELDS}}
    assert len(set(trial_names([new, old]))) == 1
    old['hyperparameters']['optimizer.ema_decay'] = 0.5
    assert [name.rpartition(' ')[2] for name in trial_names([new, old])] == [
        'optimizer.ema_decay=0.0',
        'optimizer.ema_decay=0.5',
    ]


# ---------------------------------------------------------------- sweeps


def values_of(trials, *fields):
    return [tuple(trial.hyperparameters[field] for field in fields) for trial in trials]


def test_a_product_runs_its_last_field_fastest():
    widths = ((1, 2, 3, 4), (5, 6, 7, 8))
    trials = trials_of(product=(('model.widths', widths), ('loss.aux_weight', (0, 1, 2))))
    expected = list(itertools.product([list(w) for w in widths], (0.0, 1.0, 2.0)))
    assert values_of(trials, 'model.widths', 'loss.aux_weight') == expected
    assert [trial.index for trial in trials] == list(range(6))


def test_a_setting_changes_its_own_trial_and_nothing_else():
    first = (('model.name', 'BasicNet1'), ('loss.aux_weight', 0))
    sweep = {'settings': (first, (('model.name', 'AuxNet1'),)), 'product': (), 'param_range': ()}
    sweep['part'] = ''
    config = validate(with_fields(sweep=sweep))
    for _ in range(2):
        names_and_weights = values_of(expand_trials(config), 'model.name', 'loss.aux_weight')
        assert names_and_weights == [('BasicNet1', 0), ('AuxNet1', 2)]


def test_every_setting_is_combined_with_every_product():
    trials = trials_of(
        settings=((('model.name', 'AuxNet1'),), (('model.name', 'AuxNet3'),)),
        product=(('train.batch_size', (5, 6)),),
    )
    expected = list(itertools.product(('AuxNet1', 'AuxNet3'), (5, 6)))
    assert values_of(trials, 'model.name', 'train.batch_size') == expected


@pytest.mark.parametrize(
    ('sweep', 'part'),
    [
        ({'product': (('num_seeds', (1, 2)),)}, 'sweep: num_seeds does not define a trial'),
        ({'product': (('learning_rate', (1,)),)}, 'mean sweep: optimizer.learning_rate?'),
        ({'settings': ((('model.nme', 'x'),),)}, 'did you mean sweep: model.name?'),
        ({'settings': (((1, 2),),)}, 'sweep.settings'),
        ({'product': (('loss', (1, 2)),)}, 'sweep: loss is a group of fields'),
        ({'product': (('train.batch_size', (5, 0)),)}, 'train.batch_size=0'),
        ({'product': ('train.batch_size', (5, 6))}, 'sweep.product must be'),
        ({'product': (('train.batch_size', 5),)}, 'a tuple of at least one value'),
        ({'product': (('train.batch_size', ()),)}, 'a tuple of at least one value'),
        ({'product': (('model.name', ('AuxNet2')),)}, 'a tuple of at least one value'),
        ({'product': (('train.shuffle', (True,)),) * 2}, 'a field is set twice'),
        ({'settings': (('train.batch_size', 5),)}, 'sweep.settings'),
        ({'settings': ({'train.batch_size': 5},)}, 'sweep.settings'),
    ],
)
def test_a_sweep_that_cannot_be_is_explained(sweep, part):
    assert part in message_of(sweep={**default_config().sweep.to_dict(), **sweep})


def test_hyperparameters_hold_every_field_that_defines_a_trial():
    (trial,) = trials_of()
    assert set(trial.hyperparameters) == set(OTHER_VALUES)
    assert trial.hyperparameters['model.widths'] == [32, 32, 64, 256]


@pytest.mark.parametrize('field', OTHER_VALUES)
def test_structures_are_equal_exactly_where_only_traced_fields_differ(field):
    (default,) = trials_of()
    (other,) = trials_of(settings=(((field, OTHER_VALUES[field]),),))
    assert other.hyperparameters != default.hyperparameters
    assert (other.structure == default.structure) == (field in TRACED)


@pytest.mark.parametrize('field', TRACED)
def test_a_programs_config_has_no_traced_field(field):
    (trial,) = trials_of(settings=(((field, TRACED[field]),),))
    group, name = field.split('.')
    assert getattr(trial.traced, name) == trial.config[group][name] == TRACED[field]
    with pytest.raises(AttributeError):
        getattr(trial.structural_config[group], name)
    structural = flatten(trial.structural_config)
    assert structural == {k: v for k, v in flatten(default_config()).items() if k not in TRACED}


# ---------------------------------------------------------------- anything at all

SCALARS = st.one_of(
    st.sampled_from([None, True, False]),
    st.integers(),
    st.sampled_from([2**31, 10**400, -(10**400)]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([*OTHER_VALUES, 'model', 'sweep.product', 'AuxNet2']),
)
JSON_LIKE = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
        | st.tuples(st.sampled_from(sorted(OTHER_VALUES)), inner)
        | st.tuples(st.sampled_from(sorted(OTHER_VALUES)), st.lists(inner, max_size=2))
    ),
    max_leaves=8,
)
SWEEPS = st.sampled_from(['sweep.settings', 'sweep.product'])
PATHS = st.sampled_from([*flatten(default_config()), 'model', 'sweep', 'nonsense', 'loss.nonsense'])


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.dictionaries(PATHS | SWEEPS, JSON_LIKE, min_size=1, max_size=2))
def test_whatever_stands_in_a_config_only_user_errors_come_of_it(fields):
    config = with_fields()
    for path, value in fields.items():
        group, _, name = path.rpartition('.')
        target = config.get(group) if group else config
        if isinstance(target, dict):
            target[name] = value
    try:
        trials = expand_trials(validate(config))
    except UserError as error:
        assert str(error)
        return
    assert all(trial.hyperparameters for trial in trials)
