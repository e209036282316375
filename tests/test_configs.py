"""Every experiment in configs/ builds and is what its header says, and can be traced."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import make_hyperparameters
from flax import nnx

from pairjax.config import flatten, validate
from pairjax.models.registry import build_model, check_model_config, count_params
from pairjax.runtime.plan import make_plan
from pairjax.studies.reproduction.results import SEARCHES as SEARCHES_OF_PAPERS
from pairjax.training import train_step
from pairjax.training.optimizers import check_optimizer_config
from pairjax.trials import expand_trials

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').glob('*.py'))
SEARCHES = {f'configs/report{paper}.py': names for paper, names in SEARCHES_OF_PAPERS.items()}
# As --config names them.
CONFIGS = [file for file in FILES if file not in SEARCHES]
CONFIGS += [f'{file}:{name}' for file, names in SEARCHES.items() for name in names]
PAIRNET = {'pairnet': 1, 'pairnet_ensemble': 5}
REQUIRED = ('basicnet1', 'auxnet1', 'auxnet2', 'auxnet3', 'shallow', 'deep', 'deep_shared')


def load_module(name):
    spec = importlib.util.spec_from_file_location('experiment_config', ROOT / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reports_networks_have_a_config_each():
    assert {f'configs/{name}.py' for name in REQUIRED} <= set(CONFIGS)


@pytest.mark.parametrize('name', CONFIGS)
def test_config_builds_and_names_its_command(name):
    file, *search = name.split(':')
    module = load_module(file)
    for part in (f'--config={file}', 'cost:', 'result:'):
        assert part in module.__doc__
    config = validate(module.get_config(*search))
    # A config of several parts, each an experiment, names the part after a minus sign.
    assert config.name.partition('-')[0] == (search[0] if search else Path(file).stem)
    if config.sweep.param_range:  # Over a thousand trials, of which the budget leaves a few.
        first = tuple((field, values[:9]) for field, values in config.sweep.product)
        config = validate({**flatten(config), 'sweep.product': first})
    for trial in expand_trials(config):
        check_model_config(trial.config)
        check_optimizer_config(trial.config.optimizer)
    model = nnx.eval_shape(lambda: build_model(trial.config.model, 10, nnx.Rngs(0)))
    images = jax.ShapeDtypeStruct((7, 2, 14, 14), 'float32')
    output = nnx.eval_shape(lambda model, images: model(images), model, images)
    learned = trial.config.model.head == 'learned'
    assert output.main_logits.shape == (7, 2) if learned else output.main_logits is None


def test_pairnet_keeps_to_the_first_reports_budget():
    for name, members in PAIRNET.items():
        config = validate(load_module(f'configs/{name}.py').get_config())
        assert count_params(config.model, 10) <= 75_000 * members
        # It learns from the same pairs, and chooses no epoch.
        assert config.data.num_train_pairs == 1000 and config.loss.main_weight == 0


@pytest.mark.parametrize('name', [f'configs/{name}.py' for name in REQUIRED])
def test_an_epoch_of_it_can_be_traced(name, small_digits_path):
    """At its own widths and with its own losses; other tests train small ones."""
    config = load_module(name).get_config()
    config.data.source, config.data.dir = 'npz', str(small_digits_path)
    config.data.num_train_pairs, config.data.num_validation_pairs = 20, 10
    config.data.num_test_pairs, config.train.batch_size = 20, 10
    config.sweep.product = config.sweep.settings = config.sweep.param_range = ()
    plan, hyperparameters = make_plan(validate(config)), make_hyperparameters()

    def train(pools):
        state = train_step.init_state(plan.config, pools, np.uint32(0), hyperparameters)
        return state, train_step.train_epoch(plan.config, pools, state, hyperparameters)

    before, (after, loss) = jax.eval_shape(train, plan.pools)
    assert before == after and loss.shape == () and loss.dtype == np.float32
