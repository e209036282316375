"""What several test files share: eight CPU devices, and a small set of digits."""

import atexit
import os
import shutil
import tempfile

import jax
import numpy as np
import pytest
from hypothesis import settings
from processes import Launcher, outcome_of

from pairjax.config import default_config
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.vectorize import configure_jax
from pairjax.system import write_json
from pairjax.trials import TracedHyperparameters

# The user's own cache is left alone, and tests share what they compile: pytest's workers inherit
# the variable from the process that starts them.
if 'PYTEST_XDIST_WORKER' not in os.environ:
    os.environ['PAIRJAX_CACHE_DIR'] = tempfile.mkdtemp(prefix='pairjax-tests-')
    atexit.register(shutil.rmtree, os.environ['PAIRJAX_CACHE_DIR'], ignore_errors=True)
# Compiling is what takes time in tests; programs with options of their own keep those.
os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} --xla_backend_optimization_level=0'
# The same examples every time, however busy the machine is.
settings.register_profile('reproducible', deadline=None, derandomize=True)
settings.load_profile('reproducible')
# Before the first array is made: tests lay runs over 1, 2, 3 and 8 devices.
configure_jax(8)
assert len(jax.devices()) == 8  # Starts the backend, so that no test sets another number first.


def make_hyperparameters(**fields):
    """Those of plain Adam on the main loss alone, with `fields` set."""
    values = {
        'learning_rate': 0.01,
        'weight_decay': 0.0,
        'main_weight': 1.0,
        'aux_weight': 0.0,
        'dropout_rate': 0.0,
    }
    return TracedHyperparameters(**{k: np.float32(v) for k, v in {**values, **fields}.items()})


@pytest.fixture(scope='session')
def small_digits_path(tmp_path_factory):
    """An .npz file of 60 train and 40 test images of ten classes, each class its own pattern."""
    generator = np.random.default_rng(0)
    patterns = generator.uniform(0, 255, (10, 14, 14))

    def pool(size):
        labels = np.arange(size) % 10
        noise = generator.normal(0, 20, (size, 14, 14))
        return (patterns[labels] + noise).astype(np.float32), labels

    arrays = dict(
        zip(
            ('train_images', 'train_labels', 'test_images', 'test_labels'),
            (*pool(60), *pool(40)),
            strict=True,
        )
    )
    path = tmp_path_factory.mktemp('digits') / 'small.npz'
    np.savez(path, **arrays)
    return path


def make_small_config(path):
    """AuxNet2 in small on that file: 20 train, 8 validation, 15 test pairs, 3 seeds, 3 epochs."""
    config = default_config()
    config.num_seeds = 3
    config.data.source, config.data.dir = 'npz', str(path)
    config.data.num_train_pairs = 20
    config.data.num_validation_pairs = 8
    config.data.num_test_pairs = 15
    config.model.widths = (4, 4, 8, 16)
    config.train.batch_size = 5
    config.train.num_epochs = 3
    return config


def make_shallow_config(path):
    """`make_small_config` with networks that compile in a second."""
    config = make_small_config(path)
    config.model.name = 'ShallowModel'
    config.model.dropout_rate = config.loss.aux_weight = 0.0
    return config


@pytest.fixture
def small_config(small_digits_path):
    """A fresh config of `make_small_config` for one test to change."""
    return make_small_config(small_digits_path)


@pytest.fixture(scope='session')
def small_sweep(tmp_path_factory):
    """A workdir `run` of two programs, three trials, three seeds, and its `digits.npz` beside it.

    Trial 0 has no digit heads, 0 and 1 learn nothing, 2 is called selected. Three classes; 150 test
    pairs, more than one batch, to be told by same_parity.
    """
    generator = np.random.default_rng(1)
    patterns = generator.uniform(0, 1, (3, 14, 14))
    directory, arrays = tmp_path_factory.mktemp('sweep'), {}
    for name, size in (('train', 60), ('test', 300)):
        labels = np.arange(size) % 3
        arrays[f'{name}_images'] = patterns[labels] + generator.normal(0, 0.25, (size, 14, 14))
        arrays[f'{name}_labels'] = labels
    np.savez(directory / 'digits.npz', **arrays)
    config = make_small_config(directory / 'digits.npz')
    config.data.relation, config.data.num_test_pairs = 'same_parity', 150
    config.model.widths, config.model.dropout_rate = (8,), 0.0
    config.train.num_epochs = 10
    config.sweep.settings = (
        (
            ('model.name', 'ShallowModel'),
            ('loss.aux_weight', 0.0),
            ('optimizer.learning_rate', 0.0),
        ),
        (('model.name', 'DeepModel'), ('optimizer.learning_rate', 0.0)),
        (('model.name', 'DeepModel'), ('optimizer.learning_rate', 0.01)),
    )
    summary = run_experiment(config, directory / 'run')
    # Whatever so little training makes of them.
    write_json(directory / 'run' / 'summary.json', {**summary, 'selected_trial': 2})
    return directory


@pytest.fixture(scope='session')
def launcher(tmp_path_factory, small_digits_path):
    """Starts tests/stress_config.py in processes of their own."""
    return Launcher(tmp_path_factory.mktemp('launched'), small_digits_path)


@pytest.fixture(scope='session')
def left_alone(launcher, tmp_path_factory):
    """The workdir of a process that nothing disturbed, and its outcome; not to be changed."""
    workdir = tmp_path_factory.mktemp('left alone') / 'workdir'
    launcher.finish(workdir)
    return workdir, outcome_of(workdir)
