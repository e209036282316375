"""The HTML report of several experiments, of trials that failed, and its plots of sweeps."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from html_pages import line_of, page_of, random_accuracies, write_workdir, written

from pairjax.analysis.paired import Comparison
from pairjax.analysis.results import read_experiment
from pairjax.analysis.seeds_and_images import RunAccuracies
from pairjax.analysis.summary import summarize
from pairjax.reporting.html import sweep
from pairjax.reporting.html.report import over_images
from pairjax.reporting.html.sweep import sweep_plot, swept_number

# -------------------------------------------------------------------- several experiments


def test_experiments_over_the_same_pairs_are_compared(tmp_path):
    a, b = random_accuracies(2, 6, seed=1)
    other = random_accuracies(1, 6, seed=2)
    rename = lambda name: lambda config: setattr(config, 'name', name)  # noqa: E731
    workdirs = [
        write_workdir(tmp_path / 'a', [a], change=rename('one')),
        write_workdir(tmp_path / 'b', [b], change=rename('two')),
        write_workdir(tmp_path / 'c', other, change=rename('three'), fingerprint='else'),
        write_workdir(tmp_path / 'd', [[0.5, 0.5]], ((0, 0), (0, 1)), change=rename('four')),
    ]
    page = page_of(*workdirs)
    headings, rows, _ = page.table('The selected trial of each experiment')
    cells = [dict(zip(headings, row, strict=True)) for row in rows]
    assert [c['experiment'] for c in cells] == ['one', 'two', 'three']
    assert [c['test %, final epoch'] for c in cells] == [written(a), written(b), written(other[0])]
    assert 'four has no selected trial, because every run failed' in page.text
    assert re.search('three cannot be paired with one .*fingerprint', page.text)
    headings, ((arms, n, difference, *_),), table = page.table('Differences')
    # With six seeds the sign-flip test rejects all but the range of the differences.
    low, high = np.min(np.subtract(a, b)), np.max(np.subtract(a, b))
    assert (arms, n) == ('one - two', '6')
    mean = np.mean(a) - np.mean(b)
    assert difference == f'{100 * mean:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]'
    assert float(table['attributes'][1][2]['data-value']) == pytest.approx(mean)
    # The paragraph to paste is open, and says what the table says.
    (box,) = [attrs for tag, attrs in page.elements if attrs.get('class') == 'paste']
    assert 'open' in box and 'A paragraph to paste' in page.text
    assert f'between one and two is {100 * mean:+.2f} percentage points' in page.text
    links = [attrs['href'] for tag, attrs in page.elements if tag == 'a']
    parts = [attrs['id'] for tag, attrs in page.elements if tag == 'section']
    assert links == [f'#{part}' for part in parts] and len(parts) == 6


def test_experiments_of_one_name_are_told_apart_by_their_paths(tmp_path):
    workdirs = [write_workdir(tmp_path / name, [[0.5, 0.7]]) for name in ('first', 'second')]
    _, rows, _ = page_of(*workdirs).table('The selected trial of each experiment')
    assert [row[0] for row in rows] == [f'auxnet2 in {workdir}' for workdir in workdirs]


def test_an_experiment_in_which_every_run_failed_is_reported(tmp_path):
    workdir = write_workdir(tmp_path / 'failed', [[0.5, 0.5]], ((0, 0), (0, 1)))
    page = page_of(workdir)
    assert 'none, every run failed' in page.text and 'img' not in dict(page.elements)
    assert re.search(r'failed seeds.*no statistic counts: 0 to 1\.', page.text)
    assert 'failed' in page_of(workdir, write_workdir(tmp_path / 'good', [[0.5, 0.6]])).text


def test_a_trial_whose_program_failed_is_named_with_the_reason(tmp_path):
    workdir = write_workdir(tmp_path / 'w', [[0.5, 0.6], [0.7, 0.8]])
    path = workdir / 'summary.json'
    summary = json.loads(path.read_text())
    lines = [line_of(1, seed, epoch, 0.8) for seed in (0, 1) for epoch in (1, 2)]
    (workdir / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    rows = [{k: t[k] for k in ('hyperparameters', 'num_params')} for t in summary['trials']]
    rows[0]['failure'] = 'out of <memory>'
    path.write_text(json.dumps({**summary, **summarize(lines, rows), 'timing': summary['timing']}))
    page = page_of(workdir)
    assert 'learning_rate=0.001 was not trained: out of <memory>.' in page.text
    headings, (failed, trained), _ = page.table('Trials')
    cells = dict(zip(headings, failed, strict=True))
    assert (cells['n'], cells['test %, final epoch'], cells['s/run']) == ('0', '-', '-')
    assert dict(zip(headings, trained, strict=True))['n'] == '2'
    assert 'seeds of each0 to 1' in page.text.replace('\n', '')


# ------------------------------------------------------------------------ plots of sweeps


def test_only_one_number_that_varies_makes_an_axis():
    base = {'a': 1.0, 'b': (1, 2), 'c': True, 'd': 3}
    assert swept_number([base, {**base, 'a': 2.0}, {**base, 'a': 3.0}]) == 'a'
    assert swept_number([base, {**base, 'd': 4}]) == 'd'
    for other in ({**base, 'b': (3, 4)}, {**base, 'c': False}, {**base, 'a': 2.0, 'd': 4}, base):
        assert swept_number([base, other]) is None


def test_of_many_trials_those_with_the_best_validation_are_drawn(tmp_path, monkeypatch):
    def change(config):
        config.sweep.product = (('model.widths', ((1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 6))),)

    workdir = write_workdir(tmp_path / 'w', [[0.5, 0.6], [0.1, 0.2], [0.7, 0.8]], change=change)
    result = read_experiment(workdir)
    drawn = []
    monkeypatch.setattr(sweep, 'draw_trials', lambda rows, title: drawn.append(rows))
    assert sweep_plot(result)[1] == 'Final test accuracy of every trial.'
    assert [row['values'] for row in drawn.pop()] == [[0.5, 0.6], [0.1, 0.2], [0.7, 0.8]]
    monkeypatch.setattr(sweep, 'MOST_ROWS', 2)
    assert 'the 2 of 3 trials that have the best validation' in sweep_plot(result)[1]
    names = [(row['label'], row['values']) for row in drawn.pop()]
    assert names == [('AuxNet2 (3, 4, 5, 6)', [0.7, 0.8]), ('AuxNet2 (1, 2, 3, 4)', [0.5, 0.6])]


def test_intervals_over_images_are_of_the_seeds_that_all_arms_have():
    generator = np.random.default_rng(0)
    found = {
        name: RunAccuracies(range(n), generator.normal(0.9, 0.01, n), np.zeros((n, 50)), 'pairs')
        for name, n in (('one', 9), ('two', 9), ('three', 6))
    }
    arms = [SimpleNamespace(name=name) for name in found]
    pairs = [SimpleNamespace(a='one', b='two')]
    comparison = Comparison('final_test_accuracy', list(range(6)), arms, [], pairs)
    (crossed,) = over_images(comparison, found).crossed
    difference = found['one'].accuracies[:6] - found['two'].accuracies[:6]
    assert crossed.n == 6 and crossed.mean == pytest.approx(difference.mean())
