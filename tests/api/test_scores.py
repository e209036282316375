"""Scores for rliable: their shape and values, also by rliable itself where it is installed."""

import numpy as np
import pytest
from made_results import save_seeds

import pairjax


@pytest.fixture
def run(small_sweep):
    return small_sweep / 'run'


def test_scores_are_runs_by_tasks(run):
    results = pairjax.load_results(run)
    found = pairjax.scores({'deep': [results, f'{run}:1'], 'shallow': [f'{run}:0', f'{run}:1']})
    trials = results.experiment.trials
    values = [trials[index].statistic('final_test_accuracy')['values'] for index in (2, 1)]
    assert {name: array.shape for name, array in found.items()} == {
        'deep': (3, 2),
        'shallow': (3, 2),
    }
    np.testing.assert_array_equal(found['deep'], np.transpose(values))
    alone = pairjax.scores({'deep': run}, measure='final_validation_accuracy')
    expected = trials[2].statistic('final_validation_accuracy')['values']
    np.testing.assert_array_equal(alone['deep'], np.transpose([expected]))


def test_results_of_several_workdirs_give_all_of_their_seeds(tmp_path):
    finals = [0.91, 0.92, 0.9, 0.94, 0.93]
    paths = save_seeds(tmp_path / 'a', finals[:3]), save_seeds(tmp_path / 'more', finals[3:], 3)
    found = pairjax.scores({'pooled': pairjax.load_results(*paths)})
    np.testing.assert_array_equal(found['pooled'], np.transpose([finals]))


def test_rliable_reads_them(run):
    try:
        from rliable import library, metrics
    except Exception as error:  # Its arch 7 cannot be imported beside pandas 3, with a TypeError.
        pytest.skip(f'rliable cannot be imported ({error!r})')
    found = pairjax.scores({'deep': [run, f'{run}:1'], 'shallow': [f'{run}:0', f'{run}:1']})
    points, intervals = library.get_interval_estimates(
        found, lambda x: np.array([metrics.aggregate_mean(x)]), reps=50
    )
    for name, array in found.items():
        assert points[name] == pytest.approx(array.mean())
        low, high = intervals[name].ravel()
        assert array.min() <= low <= array.mean() <= high <= array.max()


@pytest.mark.parametrize(
    ('arms', 'part'),
    [
        ({}, 'must be a mapping'),
        ([1], 'must be a mapping'),
        ({'a': 7}, 'the task 7 of a must be results'),
        ({'a': ['{run}', '{run}'], 'b': '{run}'}, r'same tasks.*a: 2, b: 1'),
        ({'a': []}, 'at least one'),
        ({'a': '{run}:all'}, 'names 3 trials'),
        ({'a': '{run}x'}, 'runx is no directory'),
    ],
)
def test_mistakes_are_one_sentence(run, arms, part):
    def filled(value):
        if isinstance(value, list):
            return [filled(v) for v in value]
        return value.format(run=run) if isinstance(value, str) else value

    if isinstance(arms, dict):
        arms = {name: filled(tasks) for name, tasks in arms.items()}
    with pytest.raises(pairjax.UserError, match=part) as caught:
        pairjax.scores(arms)
    assert '\n' not in str(caught.value)


def test_an_unknown_measure_and_failed_seeds_are_said(run, monkeypatch):
    with pytest.raises(pairjax.UserError, match="did you mean 'final_test_accuracy'"):
        pairjax.scores({'a': run}, measure='final_test_acuracy')
    trial = pairjax.load_results(run).experiment.trials[2]
    monkeypatch.setattr(type(trial), 'failed_seeds', [1])
    with pytest.raises(pairjax.UserError, match=r'the seeds \[1\] of run:2 failed'):
        pairjax.scores({'a': run})
