"""Running both papers again: their configs, what a quick run leaves out, and failures."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import make_hyperparameters
from made_results import DATA, make_trial, save_experiment

from pairjax.config import flatten, validate
from pairjax.data.pairs import make_pools
from pairjax.data.sources import Digits
from pairjax.errors import UserError
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.plan import group_trials, load_config_digits
from pairjax.runtime.preemption import Interrupted
from pairjax.studies.reproduction import running as reproduction
from pairjax.studies.reproduction.recorded import recorded_widths
from pairjax.studies.reproduction.results import MAJORITY_FILE, experiment_names
from pairjax.system import write_json
from pairjax.training.train_step import init_state
from pairjax.trials import expand_trials

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def digits_config(small_digits_path):
    """The settings that make every config use the small digits."""
    return {
        'data.source': 'npz',
        'data.dir': str(small_digits_path),
        'data.num_train_pairs': 20,
        'data.num_validation_pairs': 8,
        'data.num_test_pairs': 15,
        'num_seeds': 2,
    }


@pytest.fixture
def configs(digits_config):
    return reproduction.load_configs(ROOT / 'configs', (2,), digits_config)


def run_made(config, workdir, callbacks=()):
    """Stands for training: leaves what an experiment leaves."""
    save_experiment(workdir, [make_trial([0.8, 0.82])])
    content = {'config': validate(config).to_dict(), 'data': DATA, 'versions': {}}
    write_json(workdir / 'config.json', content)


def test_configs_are_those_of_the_papers_with_the_settings(digits_config):
    configs = reproduction.load_configs(ROOT / 'configs', (1, 2), digits_config)
    assert list(configs) == experiment_names(1) + experiment_names(2)
    for config in configs.values():
        assert digits_config.items() <= flatten(config).items()
    assert list(reproduction.load_configs(ROOT / 'configs', (1,), {})) == experiment_names(1)


def test_a_failed_experiment_does_not_stop_the_others_and_finished_ones_are_skipped(
    configs, tmp_path
):
    ran, messages, callback = [], [], Callback()
    callback.on_message = messages.append

    def run(config, workdir, callbacks):
        ran.append(config.name)
        if config.name == 'deep_sgd' and ran.count('deep_sgd') == 1:
            raise RuntimeError('out of luck')
        run_made(config, workdir)

    finished = reproduction.reproduce(configs, tmp_path, run=run, callbacks=[callback])
    assert ran == list(configs)
    assert list(finished) == [name for name in configs if name != 'deep_sgd']
    assert any('deep_sgd (2/10) failed' in m and 'out of luck' in m for m in messages)
    assert reproduction.reproduce(configs, tmp_path, run=run) == {
        name: tmp_path / name for name in configs
    }
    assert ran[len(configs) :] == ['deep_sgd']


def test_an_interruption_ends_the_reproduction(configs, tmp_path):
    def run(config, workdir, callbacks):
        raise Interrupted('stopped and saved')

    with pytest.raises(Interrupted):
        reproduction.reproduce(configs, tmp_path, run=run)


def test_digits_that_cannot_be_had_are_said_before_anything_runs(configs, tmp_path):
    for config in configs.values():
        config.data.dir = str(tmp_path / 'nowhere.npz')
    with pytest.raises(UserError, match=r'nowhere\.npz'):
        reproduction.reproduce(configs, tmp_path, run=lambda *a, **k: pytest.fail('ran'))


def test_quick_runs_have_few_programs_and_all_of_their_trials(configs, tmp_path):
    seen = {}

    def run(config, workdir, callbacks):
        seen[config.name] = config
        run_made(config, workdir)

    reproduction.reproduce(configs, tmp_path, quick=True, run=run)
    count = reproduction.QUICK_PROGRAMS
    for name, config in seen.items():
        config = validate(config)
        assert config.train.num_epochs == reproduction.QUICK_EPOCHS
        trials = expand_trials(config)
        full = {str(t.hyperparameters) for t in expand_trials(validate(configs[name]))}
        settings = [str({**t.hyperparameters, 'train.num_epochs': 25}) for t in trials]
        assert set(settings) <= full and len(set(settings)) == len(settings)
        programs = group_trials(trials)
        sweeps = 'search' in name
        assert len(programs) == (count if sweeps else 1)
        # Learning rates, and of the deep networks three losses.
        if sweeps:
            per_program = 9 if name.startswith('deep') else 3
            assert [len(program) for program in programs] == [per_program] * count
    sizes = [t.config.train.batch_size for t in expand_trials(validate(seen['deep_search']))]
    # Both ends are among the chosen programs.
    assert sizes[0] == 1 and sizes[-1] == 1000
    # The configs themselves stay as they are.
    assert configs['deep_sgd'].train.num_epochs == 25


def test_a_quick_width_sweep_stays_within_the_budget():
    config = reproduction.load_configs(ROOT / 'configs', (1,), {})['auxnet3_widths']
    quick = validate(reproduction.quick_config(config, num_classes=10))
    widths = [tuple(trial.config.model.widths) for trial in expand_trials(quick)]
    assert len(set(widths)) == reproduction.QUICK_PROGRAMS
    assert set(widths) <= set(recorded_widths('AuxNet3'))


def test_the_majority_is_that_of_each_seeds_test_pairs(configs, tmp_path):
    reproduction.reproduce(configs, tmp_path, run=run_made)
    shares = json.loads((tmp_path / MAJORITY_FILE).read_text())
    assert list(shares) == ['0', '1']
    config = validate(configs['shallow'])
    pools = make_pools(load_config_digits(config.data))
    for seed, share in shares.items():
        run = init_state(config, pools, np.int32(seed), make_hyperparameters())
        first, second = np.asarray(pools.labels[run.pairs.test]).T
        true = np.mean(first <= second)
        assert share == pytest.approx(max(true, 1 - true))


def test_the_majority_class_may_be_no(configs):
    # In a test pool of ones with a single zero at most one pair in 15 has a > b.
    images = np.zeros((60, 14, 14), np.uint8)
    labels = np.ones(60, np.int32)
    digits = Digits(images, labels, images[:40], np.r_[0, labels[:39]])
    config = next(iter(configs.values()))
    config.num_seeds = 20
    found = set(reproduction.majority_accuracies(validate(config), digits).values())
    assert found == {1.0, 14 / 15}
    # Where the relation hardly ever holds, its opposite is the majority class.
    config.data.relation = 'less'
    found = set(reproduction.majority_accuracies(validate(config), digits).values())
    assert found == {1.0, 14 / 15}


def test_the_launch_script_says_how_to_go_on_and_what_failed(tmp_path):
    """The exit codes of a stop and of a failed experiment, with stubs in the place of training."""
    code = f"""
import runpy, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'tests')!r}]
from pathlib import Path
from conftest import make_hyperparameters
from made_results import make_trial, save_experiment, save_majority
from pairjax.runtime import preemption
from pairjax.studies.reproduction import running as reproduction

def stub(configs, workdir, quick, callbacks):
    if sys.argv[-1] == '--report=1':
        raise preemption.Interrupted('stopped and saved after epoch 3')
    fields = {{'model.name': 'ShallowModel'}}
    save_experiment(workdir / 'shallow', [make_trial([0.8, 0.82, 0.81], fields=fields)])
    save_majority(workdir)
    return {{'shallow': workdir / 'shallow'}}

reproduction.reproduce = stub
runpy.run_path({str(ROOT / 'launch' / 'reproduce.py')!r}, run_name='__main__')
"""

    def launch(*arguments):
        command = [sys.executable, '-c', code, f'--workdir={tmp_path}', *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    stopped = launch('--report=1')
    assert stopped.returncode == 130 and 'Traceback' not in stopped.stderr
    assert re.search(r'stopped and saved after epoch 3; to resume: .*--report=1', stopped.stderr)
    failed = launch('--quick', '--report=2')
    assert failed.returncode == 1 and 'Traceback' not in failed.stderr
    assert (
        failed.stderr.startswith('error: deep_sgd, deep_shared_sgd, ')
        and 'shallow,' not in failed.stderr
    )
    # A quick document stays out of docs, and says what it is.
    text = (tmp_path / 'quick' / 'reproduction.md').read_text()
    assert 'This was a quick run' in text and not (tmp_path / 'docs').exists()


def test_a_report_that_does_not_exist_is_one_line():
    command = [sys.executable, 'launch/reproduce.py', '--report=3']
    wrong = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert wrong.returncode == 1 and wrong.stderr.count('\n') == 1 and 'report' in wrong.stderr
