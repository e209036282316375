"""Seeds added in blocks until a difference is resolved, with training replaced by made results."""

import os
import signal

import numpy as np
import pytest
from made_results import make_trial, save_experiment

from pairjax.analysis import paired
from pairjax.config import default_config
from pairjax.errors import UserError
from pairjax.runtime import until_resolved
from pairjax.runtime.preemption import Interrupted, StopRequest
from pairjax.runtime.until_resolved import (
    Settings,
    add_seeds_until_resolved,
    read_arm_configs,
)
from pairjax.system import write_json
from pairjax.workdir.workdir import block_workdir, read_json

CONFIG_FILE = """
from pairjax.config import default_config

def get_config(name='plain'):
    config = default_config()
    config.name = name
    return config
"""


class MadeRuns:
    """Stands in for run_experiment: accuracies by seed around a mean that the config's name has."""

    def __init__(self, means):
        self.means, self.trained = means, []
        self.then = lambda: None

    def __call__(self, config, workdir, callbacks=()):
        seeds = range(config.seed, config.seed + config.num_seeds)
        self.trained.append((config.name, config.num_seeds))
        values = [
            round(self.means[config.name] + float(np.random.default_rng(s).normal(0, 0.004)), 3)
            for s in (1000 * len(config.name) + seed for seed in seeds)
        ]
        save(workdir, values, seeds)
        self.then()


def save(workdir, values, seeds):
    save_experiment(workdir, [make_trial(values)])
    summary = read_json(workdir / 'summary.json')
    summary['trials'][0]['seeds'] = list(seeds)
    write_json(workdir / 'summary.json', summary)
    saved = read_json(workdir / 'config.json')
    saved['config']['num_seeds'] = len(seeds)
    write_json(workdir / 'config.json', saved)


@pytest.fixture
def train(monkeypatch):
    # The ratio of stds is bootstrapped, and nothing here asks for it.
    monkeypatch.setattr(paired, 'std_ratio', lambda a, b: (None, None, None))

    def prepare(**means):
        runs = MadeRuns(means)
        monkeypatch.setattr(until_resolved, 'run_experiment', runs)
        return runs

    return prepare


def configs(*names, seed=0):
    found = {}
    for name in names:
        found[name] = default_config()
        found[name].name, found[name].seed = name, seed
    return found


def test_it_stops_at_the_block_that_settles_it(train, tmp_path):
    runs, looks = train(good=0.95, worse=0.945), []
    settings = Settings(tmp_path, block=5, most_seeds=100)
    result = add_seeds_until_resolved(configs('good', 'worse'), settings, looks.append)
    assert result.pairs[0].verdict == 'better' and len(result.seeds) < 100
    verdicts = [look.pairs[0].verdict for look in looks]
    assert verdicts == ['unresolved'] * (len(looks) - 1) + ['better'] and len(looks) > 1
    assert runs.trained[:3] == [('good', 5), ('worse', 5), ('good', 10)]
    assert (tmp_path / 'good' / 'summary.json').exists()
    assert result.pairs[0].paired.method == 'sequential'


def test_it_stops_at_most_seeds_and_goes_on_with_more(train, tmp_path):
    runs = train(one=0.95, two=0.95)
    settings = Settings(tmp_path, block=4, most_seeds=11)
    result = add_seeds_until_resolved(configs('one', 'two', seed=3), settings, lambda look: None)
    assert result.pairs[0].verdict == 'unresolved' and result.seeds == list(range(3, 11))
    assert [num_seeds for _, num_seeds in runs.trained] == [4, 4, 8, 8]
    # What is there is where it goes on, in blocks of another size, or where it stops at once.
    more = Settings(tmp_path, block=3, most_seeds=16)
    add_seeds_until_resolved(configs('one', 'two', seed=3), more, lambda look: None)
    assert [num_seeds for _, num_seeds in runs.trained[4:]] == [8, 8, 11, 11, 14, 14]
    result = add_seeds_until_resolved(configs('one', 'two', seed=3), settings, lambda look: None)
    assert len(result.seeds) == 14 and len(runs.trained) == 12


def test_seeds_that_are_being_added_are_gone_on_with_in_smaller_blocks(train, tmp_path):
    runs = train(one=0.95, two=0.95)
    pair = configs('one', 'two')
    add_seeds_until_resolved(pair, Settings(tmp_path, block=4, most_seeds=4), lambda look: None)
    begun = block_workdir(tmp_path / 'one', 4, 6)
    begun.mkdir(parents=True)
    (begun / 'config.json').write_text('{}')
    add_seeds_until_resolved(pair, Settings(tmp_path, block=2, most_seeds=10), lambda look: None)
    assert [num_seeds for _, num_seeds in runs.trained[2:]] == [10, 10]


def test_a_signal_in_the_last_epoch_of_an_arm_keeps_the_next_from_starting(train, tmp_path):
    runs = train(one=0.95, two=0.95)
    runs.then = lambda: os.kill(os.getpid(), signal.SIGUSR1)
    # The outer one only keeps the signal from ending the tests.
    with StopRequest(), pytest.raises(Interrupted, match='before two with 5 seeds'):
        add_seeds_until_resolved(configs('one', 'two'), Settings(tmp_path, 5, 10), lambda _: None)
    assert runs.trained == [('one', 5)]


def test_with_a_margin_equal_arms_become_equivalent(train, tmp_path):
    train(one=0.95, other=0.95)
    settings = Settings(tmp_path, block=10, most_seeds=200, margin=0.005)
    result = add_seeds_until_resolved(configs('one', 'other'), settings, lambda look: None)
    assert result.pairs[0].verdict == 'equivalent'


def test_configs_that_cannot_be_paired_are_refused(train, tmp_path):
    train(one=0.95, two=0.95)
    settings = Settings(tmp_path, 5, 10)
    pair = configs('one', 'two')
    pair['two'].seed = 1
    with pytest.raises(UserError, match='begin at 0 and 1'):
        add_seeds_until_resolved(pair, settings, print)
    pair['two'].seed = 0
    pair['two'].sweep.product = (('optimizer.learning_rate', (0.1, 0.2)),)
    with pytest.raises(UserError, match='two has several trials'):
        add_seeds_until_resolved(pair, settings, print)


def test_arms_are_named_by_config_files(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG_FILE)
    found = read_arm_configs(f'{path},{path}:other')
    assert list(found) == ['plain', 'other'] and found['other'].name == 'other'
    assert list(read_arm_configs(f'{path},{path}')) == ['plain', 'plain_2']
    for text, words in [
        (f'{path}', 'must name two'),
        (f'{path},{tmp_path}/nope', 'neither a config file nor a workdir'),
        (f'{path},{tmp_path}', 'config.json does not exist'),
    ]:
        with pytest.raises(UserError, match=words):
            read_arm_configs(text)
