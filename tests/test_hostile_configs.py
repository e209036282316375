"""Configs, sweeps and command lines that nobody should write: a sentence, or a sound experiment.

In one ordinary run about 1,800 of them, see `hostile` for more.
"""

import contextlib
import io
import json
import math
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import jax
import numpy as np
import pytest
from absl import flags
from forked import run_command
from hostile import LEAVES, NUMBERS, TEXTS, WILD, hostile, nested
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import config_flags

from pairjax import cli
from pairjax.config import default_config, flatten, validate
from pairjax.data.pairs import make_pools
from pairjax.data.sources import Digits
from pairjax.errors import UserError
from pairjax.models.registry import MODELS
from pairjax.runtime import plan
from pairjax.training import train_step
from pairjax.trials import traced_hyperparameters

ROOT = Path(__file__).resolve().parents[1]
DEFAULTS = flatten(default_config())
FIELDS = sorted(DEFAULTS)
LABELS = np.arange(60, dtype=np.int32) % 10
# Every pixel its own, so that the pools share no image.
IMAGES = np.arange(100 * 14 * 14, dtype=np.float32).reshape(100, 14, 14)
DIGITS = Digits(IMAGES[:60], LABELS, IMAGES[60:], LABELS[:40])


def nested_fields(flat):
    """Dotted names as nested dictionaries; a field may replace a group."""
    config = {}
    for name, value in flat.items():
        *groups, last = name.split('.')
        target = config
        for group in groups:
            if not isinstance(target.get(group), dict):
                target[group] = {}
            target = target[group]
        target[last] = value
    return config


def sound(config):
    """Checks an accepted config: it comes back from config.json as it is, and is finite."""
    text = json.dumps(config.to_dict(), allow_nan=False)
    again = validate(json.loads(text))
    assert flatten(again) == flatten(config)
    for value in flatten(config).values():
        assert not isinstance(value, float) or math.isfinite(value)


def judge(config):
    """Everything that is checked without digits; returns the config where it is accepted."""
    try:
        checked = validate(config)
        plan.checked_trials(checked)
    except UserError as error:
        one_line(error)
        return None
    sound(checked)
    return checked


def one_line(error):
    text = str(error)
    assert text and '\n' not in text and len(text) < 3000, text[:3000]
    text.encode()  # A terminal can show it.


def nearly_right(name):
    """Values for a field of which some are right."""
    default = DEFAULTS[name]
    if isinstance(default, bool):
        return st.booleans() | LEAVES
    if isinstance(default, str):
        return TEXTS
    if isinstance(default, tuple):
        return st.lists(NUMBERS | st.integers(1, 9), max_size=4).map(tuple) | WILD
    if isinstance(default, int):
        return st.integers(-1, 20) | NUMBERS
    return st.floats(-1, 2) | NUMBERS


# ------------------------------------------------------------------------------- fields


@hostile(500)
@given(st.dictionaries(st.sampled_from(FIELDS), WILD, min_size=1, max_size=3))
def test_wild_values_of_fields(fields):
    judge(nested_fields({**DEFAULTS, **fields}))


@hostile(300)
@given(st.data())
def test_values_that_are_nearly_right(data):
    names = data.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=2, unique=True))
    fields = {name: data.draw(nearly_right(name), name) for name in names}
    judge(nested_fields({**DEFAULTS, **fields}))


GROUPS = sorted({name.rpartition('.')[0] for name in FIELDS} - {''})
NAMES = st.one_of(
    st.sampled_from(FIELDS).flatmap(
        lambda name: st.integers(0, len(name) - 1).flatmap(
            lambda i: st.sampled_from([name[:i] + name[i + 1 :], name[:i] + 'x' + name[i:]])
        )
    ),
    st.sampled_from(FIELDS).map(lambda name: name.rpartition('.')[2]),
    st.sampled_from([*FIELDS, *GROUPS, '', '.', 'data..dir', 'a' * 10**5, 'a\nb', '\ud800', '..']),
    st.text(max_size=8),
)


@hostile(150)
@given(st.dictionaries(NAMES | st.integers() | st.none(), WILD, min_size=1, max_size=2))
def test_names_that_are_nearly_right(fields):
    # Flat and nested: a config.json may hold either.
    named = {str(name): value for name, value in fields.items()}
    judge({**default_config().to_dict(), **fields})
    judge(nested_fields({**DEFAULTS, **named}))


@hostile(50)
@given(st.sampled_from([*FIELDS, *GROUPS]))
def test_fields_and_groups_that_are_missing(name):
    flat = {k: v for k, v in DEFAULTS.items() if k != name and not k.startswith(f'{name}.')}
    with pytest.raises(UserError, match='is missing'):
        validate(nested_fields(flat))


# ------------------------------------------------------------------------------- sweeps

SWEPT = st.sampled_from(FIELDS) | NAMES | NUMBERS
SHAPES = st.one_of(
    WILD,
    # (field, values) and lists of it, with something wrong anywhere.
    st.lists(st.tuples(SWEPT, st.lists(LEAVES, max_size=3).map(tuple) | WILD), max_size=3),
    st.lists(st.lists(st.tuples(SWEPT, LEAVES), max_size=3).map(tuple), max_size=3),
    st.dictionaries(st.sampled_from(FIELDS), st.lists(LEAVES, max_size=2)),
)
RIGHT = (('optimizer.learning_rate', (0.1, 0.2)), ('model.widths', ((1, 2, 3, 4), (4, 3, 2, 1))))


@hostile(350)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(
    ('product', 'settings', 'param_range'), SHAPES | st.just(RIGHT))))  # fmt: skip
def test_malformed_sweeps(sweep):
    config = default_config().to_dict()
    config['sweep'].update(sweep)
    judge(config)


@pytest.mark.parametrize(
    'product',
    [
        tuple((name, (0.5,) * 100) for name in FIELDS if isinstance(DEFAULTS[name], float)),
        tuple((f'field{i}', tuple(range(10))) for i in range(400)),
        (('train.num_epochs', tuple(range(1, 20_000))),),
    ],
    ids=['every float', 'a number of 400 digits', 'one field'],
)
def test_a_sweep_without_end_is_refused_at_once(product):
    config = default_config()
    config.sweep.product = product
    started = time.monotonic()
    with pytest.raises(UserError, match='more than 10,000 trials'):
        plan.checked_trials(validate(config))
    assert time.monotonic() - started < 5


# ---------------------------------------------------------------- all the way to the runs


@pytest.fixture(scope='module')
def few_digits():
    with mock.patch.object(plan, 'load_config_digits', lambda data, progress: DIGITS):
        yield


SMALL = {
    'name': st.text(max_size=5) | st.just('a'),
    'seed': st.integers(-2, 2**31),
    'num_seeds': st.integers(-1, 30) | st.integers(),
    'data.num_train_pairs': st.integers(0, 30),
    'data.num_validation_pairs': st.integers(0, 12),
    'data.num_test_pairs': st.integers(0, 25) | st.just(10**7),
    'data.relation': st.sampled_from(['less', 'equal', 'same_parity', 'greater', '']),
    'model.name': st.sampled_from([*MODELS, 'auxnet2', '']),
    'model.widths': st.lists(st.integers(1, 5) | st.just(65536), max_size=4).map(tuple),
    'model.weight_sharing': st.booleans(),
    'model.dropout_rate': st.sampled_from([0.0, 0.5, 0.996, 1.0]),
    'loss.aux_weight': st.sampled_from([0.0, 1.0, -1.0]),
    'optimizer.name': st.sampled_from(['adam', 'adamw', 'sgd']),
    'optimizer.weight_decay': st.sampled_from([0.0, 0.1]),
    'train.batch_size': st.integers(0, 30) | st.just(10**7),
    'sweep.param_range': st.sampled_from([(), (1, 10**9), (0.5, 1), (3, 2), (1, 2**62)]),
    'sweep.product': st.sampled_from([(), (('model.widths', ((1, 1, 1, 1), (2, 2, 2, 2))),)]),
}


@hostile(150)
@given(st.fixed_dictionaries({}, optional=SMALL))
def test_plans(few_digits, fields):
    pairs = {f'data.num_{name}_pairs': 5 for name in ('train', 'validation', 'test')}
    try:
        made = plan.make_plan(nested_fields({**DEFAULTS, **pairs, **fields}))
    except UserError as error:
        one_line(error)
        return
    sound(made.config)
    # Counting them has built every model, in shapes.
    assert len(made.trials) == len(made.num_params) > 0 and min(made.num_params) > 0
    number = sum(len(made.runs(n)) for n in range(len(made.programs)))
    assert number == len(made.trials) * made.config.num_seeds


HUGE = {
    'train pairs': {'data.num_train_pairs': 10**7},
    'test pairs': {'data.num_test_pairs': 10**7},
    'widths': {'model.widths': (65536,) * 4},
    'runs': {'num_seeds': 10**6, 'model.widths': (64, 64, 64, 64)},
    'runs of a sweep': {
        'num_seeds': 10**6,
        'model.widths': (1, 1, 1, 1),
        'sweep.product': (('optimizer.learning_rate', tuple(i / 1000 for i in range(300))),),
    },
}


@pytest.mark.parametrize('huge', HUGE)
def test_what_can_never_fit_is_refused_without_trying(few_digits, huge):
    pairs = {f'data.num_{name}_pairs': 5 for name in ('train', 'validation', 'test')}
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(UserError) as caught:
        plan.make_plan(nested_fields({**DEFAULTS, **pairs, **HUGE[huge]}))
    one_line(caught.value)
    assert next(iter(HUGE[huge])).rpartition('.')[2] in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kilobytes
    assert time.monotonic() - started < 60


def test_a_batch_wider_than_all_pairs_takes_no_more_memory_than_they_do(few_digits):
    config = default_config()
    config.data.num_train_pairs, config.train.batch_size = 7, 10**7
    pools = jax.device_put(make_pools(DIGITS))
    config.data.num_validation_pairs = config.data.num_test_pairs = 5
    hyper = traced_hyperparameters(config)
    state = jax.eval_shape(lambda: train_step.init_state(config, pools, 0, hyper))
    jaxpr = jax.make_jaxpr(lambda s: train_step.train_epoch(config, pools, s, hyper))(state)
    sizes = [
        math.prod(variable.aval.shape)
        for equation in jaxpr.eqns
        for variable in equation.outvars
        if hasattr(variable.aval, 'shape')
    ]
    assert max(sizes) < 10**6


# ------------------------------------------------------------------------- command lines

SCALARS = st.sampled_from(
    ['', '0', '-1', '1e400', 'nan', 'inf', '1' * 5000, 'True', 'no', '1.5', '(1,', '()', '{}']
    + ['(((((((((((1)))))))))))', '(' * 500 + ')' * 500, '"', "'a'", 'None', '[1]', '1_0', '\udcff']
    + ['__import__("os").system("true")', '(1, 2, 3, 4)', 'AuxNet2', '0.5', '3', '\0', 'a\nb', '--']
    + ['(("optimizer.learning_rate", (0.1, 1e999)),)', '(("a", 1),)', '(0, 1e999)', '(1, 2)']
)  # fmt: skip
OVERRIDES = st.builds(
    lambda dashes, name, equals, value: f'{dashes}{name}{equals}{value}',
    st.sampled_from(['--', '--', '--', '-', '--no']),
    st.one_of(
        st.sampled_from(FIELDS).map(lambda name: f'config.{name}'),
        NAMES.map(lambda name: f'config.{name}'),
        st.sampled_from(
            ['config', 'workdir', 'overwrite', 'config.model.widths[0]', '', 'flagfile']
        ),
        st.text(max_size=4),
    ),
    st.sampled_from(['=', '=', '=', '', ' ']),
    SCALARS | st.text(max_size=6),
)


def parse(arguments, path='configs/auxnet2.py'):
    """What launch/main.py does with its flags; returns the config where they are accepted."""
    values = flags.FlagValues()
    config = config_flags.DEFINE_config_file('config', None, '', flag_values=values)
    flags.DEFINE_string('workdir', None, '', flag_values=values)
    flags.DEFINE_bool('overwrite', False, '', flag_values=values)
    argv, errors = ['main.py', f'--config={ROOT}/{path}', *arguments], io.StringIO()
    with (
        mock.patch.object(flags, 'FLAGS', values),
        mock.patch.object(sys, 'argv', argv),
        contextlib.redirect_stderr(errors),
    ):
        try:
            cli.parse_flags(argv)
            return cli.config_from_flag(config)
        except SystemExit as ended:
            assert ended.code == 1
            text = errors.getvalue()
            assert text.startswith('error: ') and text.count('\n') == 1, text
        except UserError as error:
            one_line(error)
    return None


@pytest.mark.filterwarnings('ignore')
@hostile(300)
@given(st.lists(OVERRIDES, min_size=1, max_size=2))
def test_command_lines(arguments):
    config = parse(arguments)
    if config is not None:
        judge(config)


@pytest.mark.filterwarnings('ignore')
def test_a_command_line_that_is_right_is_accepted():
    config = parse(['--config.model.widths=(1, 2, 3, 4)', '--config.loss.aux_weight=1'])
    assert config.model.widths == (1, 2, 3, 4) and config.loss.aux_weight == 1.0


CONFIG_FILES = {
    'placeholder': 'config.seed = config_dict.required_placeholder(int)',
    'reference to a placeholder': 'config.model.name = config_dict.placeholder(str)',
    'number as a name': 'config = {**config.to_dict(), 3: 4}',
    'deep': f'config.unlock(); config.sweep.product = {"(" * 60 + "1," + ")" * 60}',
    'huge number': 'config.sweep.param_range = (1, 10**5000)',
    'infinite': 'config.sweep.param_range = (1, float("inf"))',
    'numpy': 'import numpy; config.train.num_epochs = numpy.int64(3)',
    'itself': 'config.unlock(); config.model.itself = config.model',
    'raises': 'raise MemoryError',
    'recursion': 'get_config()',
    'bytes': 'config.unlock(); config.data.dir = b"dir"',
}
COMMANDS = [
    ['--config.num_seeds=' + '9' * 5000],
    ['--config.seed=-1'],
    ['--config.optimizer.learning_rate=nan'],
    ['--config.data.dir=a\nb'],
    ['--config.sweep.param_range=(1, 1e999)'],
    ['--config.sweep.product=(("optimizer.learning_rate", (1e999,)),)'],
    ['--config.sweep.product=' + '(' * 300 + ')' * 300],
    ['--config.sweep.settings=((("model.name", "AuxNet1"), ("model.name", "AuxNet1")),)'],
    ['--config.model.widths=(65536, 65536, 65536, 65536)'],
    ['--config.num_seeds=1000000'],
    ['--config.data.num_train_pairs=10000000'],
    ['--config.runs.devices=1000000'],
    ['--config.' + 'a' * 10**5],
    ['--workdir=/dev/null/x'],
    ['--workdir=' + 'x' * 300],
]


@pytest.fixture(scope='module')
def processes(tmp_path_factory):
    """Per command line its process, two at a time."""
    directory = tmp_path_factory.mktemp('configs')

    def start(arguments):
        command = [sys.executable, 'launch/main.py', f'--workdir={directory}/run', *arguments]
        return run_command(command, timeout=120)

    commands = {str(c): ['--config=configs/auxnet2.py', *c] for c in COMMANDS}
    for name, line in CONFIG_FILES.items():
        path = directory / f'{name}.py'
        path.write_text(
            'from ml_collections import config_dict\nfrom pairjax.config import default_config\n'
            f'def get_config():\n    config = default_config()\n    {line}\n    return config\n'
        )
        commands[name] = [f'--config={path}']
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(start, arguments) for name, arguments in commands.items()}


@pytest.mark.parametrize('name', [*map(str, COMMANDS), *CONFIG_FILES], ids=lambda n: n[:60])
def test_processes_answer_with_one_sentence(processes, name):
    done = processes[name].result()
    assert done.returncode == 1 and 'Traceback' not in done.stdout + done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert len(line) < 3000


def test_nested_is_what_it_says():
    assert nested(2) == (((),),)
