"""What a reproduction's tables hold, against numbers worked by hand."""

import numpy as np
import pytest
from made_results import (
    DATA,
    make_experiment,
    make_results,
    make_trial,
    save_experiment,
    save_majority,
    with_metrics,
)

from pairjax.errors import UserError
from pairjax.studies.reproduction import document
from pairjax.studies.reproduction.results import (
    BEST,
    FINAL,
    WIDTHS,
    epoch_seconds,
    experiment_names,
    first_epoch_at,
    read_reproduction,
)
from pairjax.studies.reproduction.rows import recorded_rows, search_rows
from pairjax.system import write_json
from pairjax.workdir.workdir import read_json

SPREAD = np.array([-0.012, -0.004, 0.001, 0.005, 0.010])


def around(mean, **options):
    return make_trial(list(mean + SPREAD), **options)


@pytest.fixture
def section(monkeypatch, tmp_path):
    """From trials by experiment: the rows of the table below a heading of the document."""
    monkeypatch.setattr(document, 'draw_plots', lambda *_: None)

    def rows(trials, heading):
        papers = [paper for paper in (1, 2) if set(experiment_names(paper)) & set(trials)]
        text = document.reproduction_document(papers, make_results(trials), tmp_path, quick=False)
        _, _, below = text.partition(f'{heading}\n')
        lines = [line for line in below.partition('\n#')[0].split('\n') if line.startswith('|')]
        return [[cell.strip() for cell in line.strip('| ').split(' | ')] for line in lines]

    return rows


# ----------------------------------------------------------------------------- reading


def test_results_are_read_as_they_were_left(tmp_path):
    trials = [around(0.8, fields={'train.batch_size': 1}), make_trial([0.7, None, 0.9])]
    save_experiment(tmp_path / 'deep', trials)
    save_majority(tmp_path, 0.56)
    results = read_reproduction({'deep': tmp_path / 'deep'}, tmp_path)
    experiment = results['deep']
    assert results.majority.to_dict() == dict.fromkeys(range(10), 0.56)
    assert experiment.where({'train.batch_size': 1}) is experiment.trials[0]
    assert experiment.trials[1].values(FINAL).to_dict() == {0: 0.7, 2: 0.9}
    assert experiment.trials[1].values(BEST).to_dict() == pytest.approx({0: 0.71, 2: 0.91})
    assert len(experiment.trials[1].metrics) == 9
    assert experiment.selected == 0 and experiment.trials[0].name.endswith('train.batch_size=1')
    with pytest.raises(LookupError, match=r'deep has no trial with train\.batch_size = 7'):
        experiment.where({'train.batch_size': 7})
    with pytest.raises(LookupError, match='shallow did not finish'):
        results['shallow']


def test_experiments_on_other_digits_are_refused(tmp_path):
    save_experiment(tmp_path / 'deep', [around(0.8)])
    save_experiment(tmp_path / 'shallow', [around(0.8)], data={**DATA, 'source': 'bundled'})
    save_majority(tmp_path)
    with pytest.raises(UserError, match='other digits'):
        read_reproduction({name: tmp_path / name for name in ('deep', 'shallow')}, tmp_path)
    with pytest.raises(UserError, match='no experiment is finished'):
        read_reproduction({}, tmp_path)


def test_a_summary_that_contradicts_itself_is_refused(tmp_path):
    save_experiment(tmp_path / 'deep', [around(0.8)])
    save_majority(tmp_path)
    path = tmp_path / 'deep' / 'summary.json'
    summary = read_json(path)
    summary['trials'][0]['final_test_accuracy']['mean'] = 0.9
    write_json(path, summary)
    with pytest.raises(UserError, match=r'deep/summary\.json contradicts itself'):
        read_reproduction({'deep': tmp_path / 'deep'}, tmp_path)


def test_seconds_of_an_epoch_are_the_median_of_all():
    trial = around(0.8)
    slow = trial.metrics.assign(train_seconds=np.where(trial.metrics.epoch == 1, 100.0, 0.5))
    assert epoch_seconds(with_metrics(trial, slow)) == 0.5
    assert epoch_seconds(with_metrics(trial, slow[:0])) is None  # Its program failed.


def test_the_first_epoch_at_an_accuracy_is_each_seeds_own():
    trial = make_trial(
        [0.8, 0.8, 0.8, None], train=[(0.5, 1, 1), (1, 0.9, 1), (0, 0, 0), (1, 1, 1)]
    )
    epochs = first_epoch_at(trial, 1.0)
    assert epochs.to_dict() == {0: 2, 1: 1, 2: pytest.approx(np.nan, nan_ok=True)}


# ------------------------------------------------------------------------------ tables


def test_recorded_and_ours_are_side_by_side(section):
    """Against numbers worked by hand: 0.92 +- 0.0158 (n = 5) beside 0.9348 +- 0.0092 (n = 5)."""
    finals = [0.90, 0.92, 0.94, 0.91, 0.93]
    near = make_trial(
        [f - 0.01 for f in finals],
        bests=finals,
        num_params=70_000,
        fields={'optimizer.learning_rate': 5e-3},
    )
    far = make_trial(
        [f - 0.05 for f in finals],
        bests=finals,
        num_params=70_001,
        fields={'optimizer.learning_rate': 5e-4},
    )
    trials = {'auxnet2_learning_rates': [near, far]}
    rows = search_rows(make_results(trials))['auxnet2_learning_rates']
    assert [row.is_near for row in rows] == [True, False]
    headings, _, first, second = section(trials, '### Learning rate of AuxNet2')
    assert headings[:4] == ['learning rate', 'parameters', 'recorded', 'ours']
    # sqrt(0.0158114**2 / 5 + 0.00915**2 / 5) = 0.0081698; -0.0148 / 0.0081698 = -1.81;
    # Student's t is 2.7764 for n = 5: 2.7764 * 0.0158114 / sqrt(5) = 0.0196.
    ours = '92.00 +- 1.58 [90.04, 93.96] (n = 5)'
    recorded = '93.48 +- 0.92 (n = 5)'
    assert first == ['0.005', '70,000', recorded, ours, '-1.48', '0.82', '-1.8', 'yes']
    # sqrt(0.0158114**2 / 5 + 0.01436**2 / 5) = 0.0095519; 0.057 / 0.0095519 = 5.97.
    recorded = '86.30 +- 1.44 (n = 5)'
    assert second == ['0.0005', '70,001', recorded, ours, '+5.70', '0.96', '+6.0', '**no**']


def test_without_anything_recorded_ours_are_alone(section):
    trials = {'auxnet1_widths': [around(0.8), make_trial([None, None])]}
    headings, _, row, failed = section(trials, '### Layer widths of AuxNet1')
    assert headings == ['widths', 'parameters', 'ours, best epoch', 'ours, final epoch']
    assert row[0] == '32, 32, 64, 256' and row[2].startswith('81.00') and row[3].startswith('80.00')
    assert failed[2:] == ['-', '-']
    (row,) = recorded_rows(make_experiment('widths', [around(0.8)]), WIDTHS, {})
    assert row.is_near is None and row.verdict == '-' and row.recorded_text == '-'


def batches(by_size, **options):
    return [
        around(mean, fields={'train.batch_size': size}, **options) for size, mean in by_size.items()
    ]


def test_the_search_over_batch_sizes_that_is_not_recorded_has_its_time(section):
    trials = {'auxnet2_batch_sizes': batches({25: 0.805, 1000: 0.785}, seconds=2)}
    _, _, small, large = section(trials, '### Batch size of AuxNet2')
    assert small[0] == '25' and small[1].startswith('81.50') and small[2].startswith('80.50')
    assert large[0] == '1000' and large[3] == '50.00'  # 25 epochs of 2 seconds.


def test_what_ran_is_added_up(section):
    trials = {'deep': [make_trial([0.5])], 'deep_search': [around(0.8), around(0.8)]}
    assert section(trials, '## What ran')[2:] == [
        ['deep', '1', '1', '2.0', '1.0'],
        ['deep_search', '2', '10', '2.0', '1.0'],
        ['all', '3', '11', '4.0', '2.0'],
    ]
