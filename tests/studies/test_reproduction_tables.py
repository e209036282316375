"""The tables of a reproduction, against numbers worked by hand."""

import numpy as np
import pytest
from made_results import (
    DATA,
    make_experiment,
    make_trial,
    save_experiment,
    save_majority,
)

from pairjax.errors import UserError
from pairjax.studies.reproduction.recorded import recorded_final
from pairjax.studies.reproduction.results import (
    BEST,
    FINAL,
    epoch_seconds,
    first_epoch_at,
    read_results,
)
from pairjax.studies.reproduction.tables import (
    batch_size_table,
    comparison_table,
    grid_table,
    ran_table,
    recorded_rows,
    sharing_table,
)
from pairjax.system import write_json
from pairjax.workdir.workdir import read_json

SPREAD = np.array([-0.012, -0.004, 0.001, 0.005, 0.010])


def around(mean, **options):
    return make_trial(list(mean + SPREAD), **options)


def cells(table):
    return [[cell.strip() for cell in line.strip('| ').split(' | ')] for line in table.split('\n')]


# ----------------------------------------------------------------------------- reading


def test_results_are_read_as_they_were_left(tmp_path):
    trials = [around(0.8, fields={'train.batch_size': 1}), make_trial([0.7, None, 0.9])]
    save_experiment(tmp_path / 'deep', trials)
    save_majority(tmp_path, 0.56)
    results = read_results({'deep': tmp_path / 'deep'}, tmp_path)
    experiment = results['deep']
    assert results.majority.to_dict() == dict.fromkeys(range(10), 0.56)
    assert experiment.where({'train.batch_size': 1}) is experiment.trials[0]
    assert experiment.trials[1].accuracy(FINAL).to_dict() == {0: 0.7, 2: 0.9}
    assert experiment.trials[1].accuracy(BEST).to_dict() == pytest.approx({0: 0.71, 2: 0.91})
    assert len(experiment.trials[1].metrics) == 9
    assert experiment.selected == 0 and experiment.trial_names[0].endswith('train.batch_size=1')
    with pytest.raises(LookupError, match=r'deep has no trial with train\.batch_size = 7'):
        experiment.where({'train.batch_size': 7})
    with pytest.raises(LookupError, match='shallow did not finish'):
        results['shallow']


def test_experiments_on_other_digits_are_refused(tmp_path):
    save_experiment(tmp_path / 'deep', [around(0.8)])
    save_experiment(tmp_path / 'shallow', [around(0.8)], data={**DATA, 'source': 'bundled'})
    save_majority(tmp_path)
    with pytest.raises(UserError, match='other digits'):
        read_results({name: tmp_path / name for name in ('deep', 'shallow')}, tmp_path)
    with pytest.raises(UserError, match='no experiment is finished'):
        read_results({}, tmp_path)


def test_a_summary_that_contradicts_itself_is_refused(tmp_path):
    save_experiment(tmp_path / 'deep', [around(0.8)])
    save_majority(tmp_path)
    path = tmp_path / 'deep' / 'summary.json'
    summary = read_json(path)
    summary['trials'][0]['final_test_accuracy']['mean'] = 0.9
    write_json(path, summary)
    with pytest.raises(UserError, match=r'deep/summary\.json contradicts itself'):
        read_results({'deep': tmp_path / 'deep'}, tmp_path)


def test_seconds_of_an_epoch_are_the_median_of_all():
    trial = around(0.8)
    slow = trial.metrics.assign(train_seconds=np.where(trial.metrics.epoch == 1, 100.0, 0.5))
    assert epoch_seconds(trial._replace(metrics=slow)) == 0.5
    assert epoch_seconds(trial._replace(metrics=slow[:0])) is None  # Its program failed.


def test_the_first_epoch_at_an_accuracy_is_each_seeds_own():
    trial = make_trial(
        [0.8, 0.8, 0.8, None], train=[(0.5, 1, 1), (1, 0.9, 1), (0, 0, 0), (1, 1, 1)]
    )
    epochs = first_epoch_at(trial, 1.0)
    assert epochs.to_dict() == {0: 2, 1: 1, 2: pytest.approx(np.nan, nan_ok=True)}


# ------------------------------------------------------------------------------ tables


def test_recorded_and_ours_stand_side_by_side():
    """Against numbers worked by hand: 0.92 +- 0.0158 (n = 5) beside 0.90 +- 0.01 (n = 5)."""
    finals = [0.90, 0.92, 0.94, 0.91, 0.93]
    near = make_trial([f - 0.01 for f in finals], bests=finals, num_params=70_000)
    far = make_trial([f - 0.05 for f in finals], bests=finals, num_params=70_001)
    recorded = {
        70_000: {'mean': 0.90, 'std': 0.01, 'n': 5},
        70_001: {'mean': 0.89, 'std': 0.0, 'n': 5},
    }
    rows = recorded_rows([near, far], lambda trial: trial.num_params, recorded)
    assert [row.is_near for row in rows] == [True, False]
    _, _, first, second = cells(comparison_table(rows, 'key'))
    # sqrt(0.0158114**2 / 5 + 0.01**2 / 5) = 0.0083666; 0.02 / 0.0083666 = 2.39;
    # Student's t is 2.7764 for n = 5: 2.7764 * 0.0158114 / sqrt(5) = 0.0196.
    ours = '92.00 +- 1.58 [90.04, 93.96] (n = 5)'
    recorded = '90.00 +- 1.00 (n = 5)'
    assert first == ['70000', '70,000', recorded, ours, '+2.00', '0.84', '+2.4', 'yes']
    # 0.03 / (0.0158114 / sqrt(5)) = 4.24.
    assert second[2:] == ['89.00 +- 0.00 (n = 5)', ours, '+3.00', '0.71', '+4.2', '**no**']


def test_without_recorded_figures_ours_stand_alone():
    rows = recorded_rows([around(0.8)], lambda trial: trial.widths, {})
    heading, _, row = cells(comparison_table(rows, 'widths'))
    assert heading == ['widths', 'parameters', 'ours, best epoch', 'ours, final epoch']
    assert row[0] == '32, 32, 64, 256' and row[2].startswith('81.00') and row[3].startswith('80.00')
    assert rows[0].is_near is None
    failed = recorded_rows([make_trial([None, None])], lambda trial: trial.widths, {})
    assert cells(comparison_table(failed, 'widths'))[2][2:] == ['-', '-']


def test_grids_have_a_line_per_hidden_size_and_mark_the_reported_setting():
    def trial(hidden, rate, weight, mean):
        fields = {'model.widths': [hidden], 'optimizer.learning_rate': rate}
        return around(mean, fields={**fields, 'loss.aux_weight': weight})

    trials = [
        trial(h, r, w, h / 1000 + r + w / 10)
        for w in (0, 1)
        for h in (100, 300)
        for r in (0.01, 0.1)
    ]
    lines = cells(grid_table(make_experiment('deep_grid', trials), reported=trials[1]))
    assert lines[0] == ['w', 'hidden size', 'learning rate 0.01', 'learning rate 0.1']
    deviation = f'{100 * SPREAD.std(ddof=1):.2f}'
    assert lines[2] == ['0', '100', f'11.00 +- {deviation}', f'**20.00 +- {deviation}**']
    assert lines[5] == ['1', '300', f'41.00 +- {deviation}', f'50.00 +- {deviation}']
    alone = [around(0.5, digits=False, fields={'model.widths': [100]})]
    lines = cells(grid_table(make_experiment('shallow_grid', alone), reported=None))
    assert lines[0][0] == 'hidden size' and lines[2][1] == f'50.00 +- {deviation}'


def batches(by_size, **options):
    return [
        around(mean, fields={'train.batch_size': size}, **options) for size, mean in by_size.items()
    ]


def test_batch_sizes_are_compared_with_the_one_recorded_figure():
    experiment = make_experiment('shallow_batch_sizes', batches({1: 0.805, 5: 0.785}))
    _, _, one, five = cells(batch_size_table(experiment, recorded_final('ShallowModel')))
    assert one[0] == '1' and one[1].startswith('80.50 +- ') and one[2].startswith('+2.00 [+0.')
    assert five[2].startswith('+0.00 [-') and five[4].startswith('+1.00 [-')


def test_what_sharing_gains_is_paired_by_seed_and_batch_size():
    shared = make_experiment('s', batches({1: 0.95, 5: 0.9}) + batches({10: 0.9}))
    bests = list(0.925 - SPREAD)  # Those of the others are 0.01 above the final ones.
    separate = [make_trial(list(0.92 - SPREAD), bests, fields={'train.batch_size': 1})]
    separate += [make_trial([*(0.9 + SPREAD / 2)[:4], None], fields={'train.batch_size': 5})]
    one, five = cells(sharing_table(shared, make_experiment('d', separate)))[2:]
    # The differences are 0.03 + 2 * SPREAD.
    half = 2.7764 * 2 * SPREAD.std(ddof=1) / 5**0.5
    expected = f'+3.00 [{100 * (0.03 - half):+.2f}, {100 * (0.03 + half):+.2f}]'
    assert one[:3] == ['1', '5', expected] and one[4].startswith('1.00 [')
    assert one[3].startswith('+3.50 [')
    assert five[:2] == ['5', '4'] and five[4].startswith('2.00 [')


def test_what_ran_is_added_up():
    two = make_experiment('a', [around(0.8), around(0.8)])
    one = make_experiment('b', [make_trial([0.5])])
    lines = cells(ran_table({'a': two, 'b': one}))
    assert lines[2:] == [
        ['a', '2', '10', '2.0', '1.0'],
        ['b', '1', '1', '2.0', '1.0'],
        ['all', '3', '11', '4.0', '2.0'],
    ]
