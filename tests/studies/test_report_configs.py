"""The configs of both papers: their trials, and protocols equal to those of the plain configs."""

import itertools
import runpy
from pathlib import Path

import pytest
from made_results import base_fields

from pairjax.config import default_config, flatten, validate
from pairjax.errors import UserError
from pairjax.runtime.plan import checked_trials, group_trials, select_trials
from pairjax.studies.reproduction.recorded import (
    recorded_learning_rates,
    recorded_search,
    recorded_widths,
)
from pairjax.studies.reproduction.results import NETWORKS, SEARCHES, experiment_names
from pairjax.studies.reproduction.searches import SETTINGS
from pairjax.trials import expand_trials

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SWEPT_WIDTHS = ('basicnet1_widths', 'auxnet1_widths', 'auxnet2_widths', 'auxnet3_widths')


def load(path):
    """A config as --config names it, without configs/ and .py."""
    file, *name = path.split(':')
    return validate(runpy.run_path(str(CONFIGS / f'{file}.py'))['get_config'](*name))


def values_of(config, *fields):
    return [tuple(t.hyperparameters[field] for field in fields) for t in expand_trials(config)]


def test_every_config_of_the_papers_is_run():
    for paper, searches in SEARCHES.items():
        module = runpy.run_path(str(CONFIGS / f'report{paper}.py'))
        assert set(module['EXPERIMENTS']) == set(searches)
        for name in searches:
            assert load(f'report{paper}:{name}').name == name
            assert f'  {name} ' in module['__doc__']
        for name in NETWORKS[paper].values():
            assert load(name).name == name
    names = [name for paper in (1, 2) for name in experiment_names(paper)]
    assert len(set(names)) == len(names)  # Each has a workdir of its own.


@pytest.mark.parametrize('file', ['report1', 'report2'])
def test_an_unknown_search_is_answered_with_the_nearest(file):
    for name in (['nothing'], []):
        with pytest.raises(UserError, match=rf'{file}\.py:NAME.*choose from'):
            runpy.run_path(str(CONFIGS / f'{file}.py'))['get_config'](*name)
    known = next(iter(SEARCHES[int(file[-1])]))
    with pytest.raises(UserError, match=f'did you mean {known!r}'):
        load(f'{file}:{known[:-1]}')


@pytest.mark.parametrize('name', SEARCHES[1])
def test_first_paper_keeps_its_protocol(name):
    config = load(f'report1:{name}')
    own = {'model.name': config.model.name, 'train.evaluate_all_every': 25}
    expected = base_fields(default_config()) | own
    if config.model.name == 'BasicNet1':
        expected['loss.aux_weight'] = 0.0
    if name == 'fastest':
        expected |= {'train.batch_size': 200, 'train.evaluate_every': 25}
    assert base_fields(config) == expected
    assert config.num_seeds == (10 if name == 'fastest' else 5)


def test_width_sweeps_hold_every_width_in_the_budget():
    widths = set(itertools.product((16, 32, 64, 128, 256, 512), repeat=4))
    for name in SWEPT_WIDTHS:
        sweep = load(f'report1:{name}').sweep
        ((field, values),) = sweep.product
        assert field == 'model.widths' and set(values) == widths and len(values) == 6**4
        assert sweep.param_range == (65_000, 75_000) and sweep.settings == ()


@pytest.mark.parametrize('model', ['BasicNet1', 'AuxNet2', 'AuxNet3'])
def test_the_budget_admits_the_widths_that_are_recorded(model):
    """Those and no others, of which every thirtieth is tried, since counting takes a while."""
    config = load(f'report1:{model.lower()}_widths')
    ((field, values),) = config.sweep.product
    recorded = set(recorded_widths(model))
    some = tuple(widths for i, widths in enumerate(values) if widths in recorded or i % 30 == 0)
    config = validate({**flatten(config), 'sweep.product': ((field, some),)})
    trials, num_params = select_trials(config, checked_trials(config), num_classes=10)
    assert {tuple(trial.config.model.widths) for trial in trials} == recorded
    assert all(65_000 < n < 75_000 for n in num_params) and len(some) > len(recorded) + 20


def test_learning_rates_are_the_recorded_ones_in_one_program():
    config = load('report1:auxnet2_learning_rates')
    assert dict(values_of(config, 'optimizer.learning_rate', 'train.batch_size')) == dict.fromkeys(
        recorded_learning_rates(), 100
    )
    assert len(group_trials(expand_trials(config))) == 1
    assert tuple(config.model.widths) == (32, 32, 64, 256)


def test_batch_sizes_of_the_first_paper():
    config = load('report1:auxnet2_batch_sizes')
    sizes = [25, 50, 100, 200, 500, 1000]
    assert values_of(config, 'train.batch_size') == [(size,) for size in sizes]
    assert config.optimizer.learning_rate == 5e-3
    assert tuple(config.model.widths) == (32, 32, 64, 256)


SECOND = ['shallow', 'deep', 'deep_shared']


@pytest.mark.parametrize('name', SECOND)
def test_second_paper_keeps_the_protocol_of_its_final_runs(name):
    final = load(name)
    searches = [f'{name}_search'] + ['shallow_search_adam'] * (name == 'shallow')
    for experiment in (f'{name}_sgd', f'{name}_headline', *searches):
        config = load(f'report2:{experiment}')
        # Recorded: the rounds and the shallow search ran SGD, the deep searches Adam.
        kind = experiment.removeprefix(name)
        sgd = kind == '_sgd' or (name == 'shallow' and kind in ('_headline', '_search'))
        own = {'optimizer.name': 'sgd' if sgd else 'adam'}
        if 'search' in experiment:
            own['train.evaluate_all_every'] = 25
        else:
            assert config.model.widths == final.model.widths
        assert base_fields(config) == base_fields(final) | own
    sizes = [load(f'report2:{name}_{kind}').num_seeds for kind in ('sgd', 'headline', 'search')]
    assert sizes == [10, 20, 4] and final.num_seeds == 10


@pytest.mark.parametrize('name', SECOND)
def test_searches_hold_the_recorded_cells(name):
    config = load(f'report2:{name}_search')
    fields = ('optimizer.learning_rate', 'train.batch_size', 'model.widths', 'loss.aux_weight')
    rows = [(rate, size, *widths, w) for rate, size, widths, w in values_of(config, *fields)]
    recorded = recorded_search(name).drop(columns='accuracy')
    assert sorted(rows) == sorted(recorded.itertuples(index=False, name=None))
    if name != 'shallow':
        weights = values_of(config, 'loss.aux_weight', 'loss.main_weight')
        assert all(main == 1 - aux for aux, main in weights)
    reported = SETTINGS[name]
    assert (
        sum(
            all(trial.hyperparameters[field] == value for field, value in reported.items())
            for trial in expand_trials(config)
        )
        == 1
    )
