"""What the document says, against the summaries that it is made from."""

import numpy as np
import pytest
from scipy import stats

from pairjax.analysis.results import ExperimentResult, TrialResult
from pairjax.analysis.statistics import describe
from pairjax.errors import UserError
from pairjax.runtime.experiment import run_experiment
from pairjax.studies.pairnet.document import MEASURES, ablation_rows, differences, write_pairnet

DIGITS = np.eye(14)[None], {'rotation 90': np.eye(14)[None, ::-1]}


@pytest.fixture
def workdir(small_config, tmp_path):
    """Two trials that share a program, decided by their digits, and their summary."""
    small_config.model.head, small_config.loss.main_weight = 'probability', 1.0
    small_config.train.num_epochs = 12
    small_config.model.dropout_rate = 0.0
    small_config.sweep.product = (('optimizer.learning_rate', (0.02, 0.0)),)
    return tmp_path / 'run', run_experiment(small_config, tmp_path / 'run')


def cells(text, begins):
    line = next(line for line in text.splitlines() if line.startswith(begins))
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_figures_are_those_of_the_summaries(workdir, tmp_path):
    path, summary = workdir
    names = ('pairnet', 'pairnet_ablation')
    document = write_pairnet(dict.fromkeys(names, path), tmp_path / 'out', *DIGITS).read_text()
    first, second = summary['trials']
    exact = np.array([trial['exact_pair_accuracy']['values'] for trial in (first, second)])
    assert (exact > 0).all() and exact.shape == (2, 3)

    reached = cells(document.split('## What each')[0], '| `auxnet2`')
    assert reached[:3] == ['`auxnet2`', f'{first["num_params"]:,}', '3']
    assert reached[3].startswith(f'{100 * exact[0].mean():.2f} +- {100 * exact[0].std(ddof=1):.2f}')

    arm = cells(document, '| `optimizer.learning_rate=0`')
    difference = 100 * (exact[1] - exact[0])
    low, high = stats.t.interval(0.95, 2, difference.mean(), difference.std(ddof=1) / np.sqrt(3))
    assert arm[3] == f'{difference.mean():+z.2f} [{low:+z.2f}, {high:+z.2f}]'
    assert 'the same n = 3 seeds' in document.replace('\n', ' ')
    command = '--num_seeds=3 --num_validation_pairs=8 --data_source=npz'
    assert f'`python launch/pairnet.py {command} --data_dir=path' in ' '.join(document.split())


def test_what_is_not_finished_is_left_out(workdir, tmp_path):
    document = write_pairnet({'pairnet': workdir[0]}, tmp_path / 'out', *DIGITS).read_text()
    assert '## What it reaches' in document and 'ingredient is worth' not in document
    assert '**Missing**, since it did not finish: pairnet_ensemble, pairnet_ablation.' in document


def test_an_arm_that_lacks_a_figure_has_a_dash_there(small_config, tmp_path):
    """A learned head decides no pair by digits alone, so that there is no exact accuracy."""
    small_config.train.num_epochs = 1
    small_config.sweep.product = (
        ('model.head', ('probability', 'learned')),
        ('loss.main_weight', (0.0, 1.0)),
    )
    run_experiment(small_config, tmp_path / 'run')
    document = write_pairnet({'pairnet_ablation': tmp_path / 'run'}, tmp_path / 'out', *DIGITS)
    text = document.read_text()
    learned, probability = (
        cells(text, f'| {changes}')
        for changes in ('`loss.main_weight=1`, `model.head=learned`', '`loss.main_weight=1` ')
    )
    assert learned[3] == '-' and '-' not in (learned[2], learned[4])
    assert '-' not in probability[2:5]


def made_ablation(workdir, values):
    """An ablation of made-up accuracies by seed, per trial with its hyperparameters."""
    trials = [
        {
            'hyperparameters': fields,
            'num_params': 7,
            'seeds': list(range(len(accuracies))),
            'failed_seeds': [s for s, value in enumerate(accuracies) if value is None],
            **{measure: describe(accuracies) for measure in MEASURES},
        }
        for fields, accuracies in values
    ]
    return ExperimentResult(
        workdir, {}, {}, {}, [TrialResult(i, '', trial, None) for i, trial in enumerate(trials)]
    )


def test_removed_options_have_no_row_but_count_for_holm(tmp_path):
    fields = {'optimizer.ema_decay': 0.0, 'model.head': 'argmax'}
    base, lower = [0.90, 0.91, 0.92, 0.93], [0.80, 0.80, 0.81, 0.84]
    experiment = made_ablation(
        tmp_path,
        [
            (fields, base),
            (fields | {'optimizer.ema_decay': 0.9}, lower),
            (fields | {'model.head': 'learned'}, lower),
        ],
    )
    [row] = ablation_rows(experiment)
    assert row[:2] == ['`model.head=learned`', '7']
    assert row[-1] == '0.25'  # Two p-values of 2 / 2**4.


def test_differences_are_over_seeds_that_failed_in_no_trial(tmp_path):
    trials = [({}, [0.9, 0.8, 0.7, None]), ({}, [0.5, None, 0.5, 0.5]), ({}, [0.5, 0.5, 0.6, 0.5])]
    experiment = made_ablation(tmp_path, trials)
    compared = differences(experiment.trials, MEASURES[0])
    assert [paired.n for paired in compared.values()] == [2, 2]
    assert compared[1].mean == pytest.approx(-0.3) and compared[2].mean == pytest.approx(-0.25)
    experiment = made_ablation(tmp_path, [({}, [0.9, None]), ({}, [0.9, 0.8])])
    with pytest.raises(UserError, match='two seeds'):
        differences(experiment.trials, MEASURES[0])
