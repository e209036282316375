"""The document of a reproduction: main statistics, disagreements, sections."""

import re

import numpy as np
import pytest
from made_results import (
    make_results,
    make_trial,
    save_experiment,
    save_majority,
)

from pairjax.studies.reproduction import plots
from pairjax.studies.reproduction.document import reproduction_document, write_reproduction
from pairjax.studies.reproduction.results import AUX_WEIGHT, BATCH_SIZE, experiment_names
from pairjax.studies.reproduction.rows import main_rows
from pairjax.studies.reproduction.searches import SETTINGS

SPREAD = np.array([-0.012, -0.004, 0.001, 0.005, 0.010])


def around(mean, **options):
    return make_trial(list(mean + SPREAD), **options)


def main_results():
    shallow = {'model.name': 'ShallowModel', 'model.widths': [500]}
    deep = {'model.name': 'DeepModel', 'model.widths': [100], 'model.weight_sharing': False}
    aux3 = {'model.name': 'AuxNet3', 'model.widths': [16, 64, 128, 128]}
    trials = {
        'auxnet2': [around(0.93)],
        'auxnet3': [make_trial(list(0.88 - SPREAD), fields=aux3)],
        'shallow_headline': [around(0.775, fields=shallow, digits=False)],
        'shallow_sgd': [around(0.825, fields=shallow, digits=False)],
        'deep_headline': [around(0.87, fields=deep)],
        'deep': [around(0.92, fields=deep)],
        'fastest': [around(0.8)],
    }
    return make_results(trials)


@pytest.fixture
def no_files(monkeypatch):
    """Plots are drawn, but not written."""
    monkeypatch.setattr(plots, 'save_figure', lambda figure, path: None)


def test_main_statistics_carry_n_interval_and_verdict(tmp_path, no_files):
    rows = {row.key: row for row in main_rows(main_results(), (1, 2))}
    assert rows['shallow_sgd'].verdict == 'does not hold' and rows['deep'].verdict == '-'
    # One run, at its best epoch: 78.5 lies among runs like ours, 92.2 does not.
    assert rows['shallow_headline'].verdict == 'holds'
    assert rows['deep_headline'].verdict == 'does not hold'
    assert rows['deep_headline'].recorded['mean'] == pytest.approx(0.922)
    # Where the rounds were not trained by themselves, seeds of the same setting serve.
    assert rows['deep'].values.mean() == pytest.approx(0.93)
    results = main_results()
    del results.experiments['deep']
    again = {row.key: row for row in main_rows(results, (1, 2))}
    assert again['deep'].values.mean() == pytest.approx(0.88) and again['deep'].recorded is None
    assert rows['fastest'].verdict == '-' and rows['fastest'].recorded is None
    # 93.82 - 89.40 recorded, with std sqrt(0.432**2 + 0.877**2).
    behind = rows['auxnet3_is_behind']
    assert behind.recorded['mean'] == pytest.approx(0.0442)
    assert behind.recorded['std'] == pytest.approx(0.00977, abs=1e-5)
    assert behind.values.mean() == pytest.approx(0.05)
    text = reproduction_document((1, 2), main_results(), tmp_path, quick=False)
    lines = [line.strip('| ').split(' | ') for line in text.split('\n') if line.startswith('| ')]
    table = {line[0]: line for line in lines}
    line = table['AuxNet2 (32, 32, 64, 256), its best run']
    assert line[1:3] == ['best epoch on test', '93.82 +- 0.43 (n = 5)']
    assert line[3].startswith('94.00 +- 0.') and '(n = 5)' in line[3] and '+0.18 [-' in line[4]
    line = table['DeepModel (100) not shared, the one run in the text']
    assert line[1:3] == ['best epoch on test', '92.20 (n = 1)'] and line[4].startswith('-4.20 [-')
    line = table['ShallowModel (500), ten rounds as they ran, SGD']
    assert line[1:3] == ['best epoch on test', '79.16 +- 1.03 (n = 10)']
    # sqrt(0.00843**2 / 5 + 0.0103**2 / 10) = 0.0050; (0.835 - 0.7916) / 0.0050 = 8.7.
    assert line[5] == '+8.7'
    kinds = [(row.key, row.measure) for row in main_rows(main_results(), (2,))]
    both = ('final_test_accuracy', 'best_epoch_test_accuracy')
    assert kinds == [
        ('shallow_headline', both[1]),
        *(('shallow_sgd', measure) for measure in both),
        ('deep_headline', both[1]),
        *(('deep', measure) for measure in both),
    ]
    first = ['auxnet2', 'auxnet3', 'auxnet3_is_behind', 'fastest']
    assert [row.key for row in main_rows(main_results(), (1,))] == first


def disagreements(text):
    """The items of the section, each in one line."""
    _, _, section = text.partition('## Where figures disagree\n')
    _, *items = section.partition('\n## ')[0].split('\n- ')
    return [' '.join(item.split()) for item in items]


def test_disagreements_are_explained_where_there_are_any(tmp_path, no_files):
    results = main_results()
    (first, *_) = disagreements(reproduction_document((2,), results, tmp_path, quick=False))
    start = 'ShallowModel (500), ten rounds as they ran, SGD, final epoch: recorded 78.96 +- 0.99'
    assert first.startswith(f'{start} (n = 10), ours 82.50') and '+3.54 points [+' in first
    assert first.endswith('Nothing that was measured here explains it.')
    far = make_trial(list(0.8 + SPREAD), fields={'model.widths': [16, 16, 256, 64]})
    mine = make_results({'auxnet2_widths': [around(0.93), far]})
    text = reproduction_document((1,), mine, tmp_path, quick=False)
    assert text.startswith('# The first report again\n')
    assert 'reproduce.py --report=1 --data_source=idx --data_dir=path/to/digits`' in text
    (item,) = disagreements(text)
    assert item.startswith('auxnet2_widths: 1 of 2 lie further than 3 standard errors')
    assert '(16, 16, 256, 64) recorded 91.44 +- 0.83' in item and '32, 32' not in item
    assert item.endswith('2 to 4 in 100 lie so far away.')
    assert 'No figure disagrees.' not in text
    near = make_results({'deep': results['deep'].trials})
    text = reproduction_document((2,), near, tmp_path, quick=False)
    assert disagreements(text) == [] and 'No figure disagrees.' in text


# ---------------------------------------------------------------------------- document


def full_results(paper):
    fields = {
        'basicnet1_widths': [{'model.widths': w} for w in ([32, 128, 64, 16], [16, 16, 512, 64])],
        'auxnet2_widths': [{'model.widths': [32, 32, 64, 256]}],
        'auxnet2_learning_rates': [{'optimizer.learning_rate': r} for r in (1e-4, 5e-3)],
        'shallow': [{'model.name': 'ShallowModel'}],
        'deep': [{'model.name': 'DeepModel', 'model.weight_sharing': False}],
        'deep_shared': [{'model.name': 'DeepModel'}],
        **{
            f'{name}_search': [
                {AUX_WEIGHT: 0.0} | setting | {BATCH_SIZE: size} for size in (1, 250)
            ]
            for name, setting in SETTINGS.items()
        },
    }
    trials = {
        name: [around(0.8 + i / 50, fields=f) for i, f in enumerate(fields.get(name, [{}]))]
        for name in experiment_names(paper)
    }
    return trials


def test_the_document_has_every_section_and_only_plots_that_exist(tmp_path):
    trials = full_results(1) | full_results(2)
    text = reproduction_document((1, 2), make_results(trials), tmp_path / 'figures', quick=False)
    headings = re.findall(r'^#+ .*$', text, re.MULTILINE)
    assert headings[:5] == [
        '# Both reports again',
        '## Main figures',
        '## First report: what it says',
        '## Second report: what it says',
        '## Where figures disagree',
    ]
    assert headings[-1] == '## What ran' and len(headings) == len(set(headings)) == 18
    assert 'quick run' not in text and 'did not finish' not in text
    links = re.findall(r'!\[.*?\]\((.*?)\)', text)
    assert len(links) == 11 and all((tmp_path / link).is_file() for link in links)
    assert all((tmp_path / link).with_suffix('.pdf').is_file() for link in links)
    # (16, 16, 512, 64) is above the recorded best in ours, which makes that number 2.
    assert '(32, 128, 64, 16) is number 2 of 2 here' in ' '.join(text.split())
    assert 'From best to worst, recorded: 0.005, 0.0001; ours: 0.005, 0.0001.' in text
    verdicts = re.findall(r'\| \*\*(holds|does not hold|cannot be told)\*\* \|', text)
    assert len(verdicts) == 24  # One for each sentence.
    assert text.count('MNIST') == 2 and 'nan' not in text


def test_the_document_says_what_is_missing_and_that_a_run_was_quick(tmp_path):
    save_experiment(tmp_path / 'deep', [around(0.9, fields={'model.name': 'DeepModel'})])
    save_majority(tmp_path)
    out = tmp_path / 'new' / 'docs'
    path = write_reproduction((2,), {'deep': tmp_path / 'deep'}, tmp_path, out, quick=True)
    text = path.read_text()
    assert path == out / 'reproduction.md' and '**This was a quick run' in text[:200]
    missing = ', '.join(name for name in experiment_names(2) if name != 'deep')
    assert f'missing here: {missing}.' in ' '.join(text.split())
    assert '`shallow_search` did not finish.' in text and '## First report' not in text


def test_a_document_without_plots_is_written(tmp_path):
    save_experiment(tmp_path / 'shallow_sgd', [around(0.8)])
    save_majority(tmp_path)
    workdirs = {'shallow_sgd': tmp_path / 'shallow_sgd'}
    text = write_reproduction((2,), workdirs, tmp_path, tmp_path / 'new', False).read_text()
    assert '![' not in text and '### Search: ShallowModel' in text


def test_experiments_whose_every_seed_failed_do_not_stop_the_document(tmp_path, no_files):
    trials = {
        name: [make_trial([None, None], fields=t.hyperparameters) for t in mine]
        for name, mine in (full_results(1) | full_results(2)).items()
    }
    results = make_results(trials)
    text = reproduction_document((1, 2), results, tmp_path / 'figures', quick=False)
    assert 'nan' not in text and text.count('| **cannot be told**') == 24


def test_one_seed_has_no_interval_and_nothing_can_be_told(tmp_path, no_files):
    trials = {
        name: [make_trial([0.8], fields=t.hyperparameters) for t in mine]
        for name, mine in (full_results(1) | full_results(2)).items()
    }
    text = reproduction_document((1, 2), make_results(trials), tmp_path / 'figures', quick=False)
    assert 'nan' not in text and '**holds**' not in text
