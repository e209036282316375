"""What the document says, against the summaries that it is made from."""

import numpy as np
import pytest
from scipy import stats

from pairjax.runtime.experiment import run_experiment
from pairjax.studies.pairnet.document import write_pairnet

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


def test_what_is_not_finished_is_left_out(workdir, tmp_path):
    document = write_pairnet({'pairnet': workdir[0]}, tmp_path / 'out', *DIGITS).read_text()
    assert '## What it reaches' in document and 'ingredient is worth' not in document


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
