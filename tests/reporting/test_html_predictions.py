"""What the page says of predictions: parsed from it, and compared with the arrays."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from html_pages import Page, page_of, write_workdir
from made_predictions import make_predictions, random_predictions
from PIL import Image

from pairjax.analysis.results import TrialResult
from pairjax.reporting.html.mistakes import brightened, probability_text
from pairjax.reporting.html.page import render_html

ROOT = Path(__file__).resolve().parents[2]
PREDICTIONS = random_predictions()


def trial_of(**fields):
    """A trial of AuxNet2 with these hyperparameters."""
    setting = {'model.name': 'AuxNet2', 'model.widths': [4, 4, 8, 16], 'loss.aux_weight': 2.0}
    summary = {'hyperparameters': setting | {'model.weight_sharing': True} | fields}
    return TrialResult(0, 'AuxNet2 (4, 4, 8, 16)', summary, None)


def page_of_predictions(predictions, **fields):
    body = render_html('predictions.html', predictions=predictions, trial=trial_of(**fields))
    return Page(render_html('report.html', title='title', sections=[('part', body)]))


@pytest.fixture(scope='module')
def page():
    return page_of_predictions(PREDICTIONS)


def gallery_of(page):
    """(alt, pixels) of every small picture."""
    pictures = [attrs for tag, attrs in page.elements if tag == 'img' and attrs['width'] == '84']
    prefix = 'data:image/png;base64,'
    files = [base64.b64decode(attrs['src'].removeprefix(prefix)) for attrs in pictures]
    return [
        (attrs['alt'], np.array(Image.open(io.BytesIO(file))))
        for attrs, file in zip(pictures, files, strict=True)
    ]


# ------------------------------------------------------------------------------ the parts


def test_mistakes_are_shown_with_both_digits_probabilities():
    # Seed 1 says 4 <= 2 with 99 %, seed 3 denies 1 <= 7 with 80 %, for which it takes a 7 for a 1.
    classes = [[(4, 2), (1, 3)], [(1, 7), (5, 5)]]
    log_odds = [[np.log(99), 2], [np.log(1 / 4), 1]]
    digits = [[(4, 2), (1, 3)], [(1, 1), (5, 5)]]
    page = page_of_predictions(make_predictions(classes, log_odds, digits))
    alts, pixels = zip(*gallery_of(page), strict=True)
    assert alts == ('a, a 4', 'b, a 2', 'a, a 1', 'b, a 7')
    rows = [np.argwhere(image) for image in pixels]  # The row that is white is the image's number.
    assert [place.tolist() for place in rows] == [[[0, 3]], [[1, 3]], [[4, 3]], [[5, 3]]]
    texts = re.sub(r'\s+', ' ', page.text)
    first = 'less_equal(4, 2) predicted true with 99.00 % a: 4 predicted as 4 with 90.00 % '
    assert first + 'b: 2 predicted as 2 with 90.00 % seed 1' in texts
    second = 'less_equal(1, 7) predicted false with 80.00 % a: 1 predicted as 1 with 90.00 % '
    assert second + 'b: 7 predicted as 1 with 60.00 %, as 7 with 30.00 % seed 3' in texts
    assert texts.index(first) < texts.index(second)
    assert 'The 2 most confident mistakes of 2 in 4 predictions (n = 2 seeds)' in texts


def test_at_most_twenty_four_mistakes_are_shown(page):
    wrong = np.sum(~PREDICTIONS.correct)
    assert wrong > 24 and len(gallery_of(page)) == 48
    assert f'The 24 most confident mistakes of {wrong} in 600 predictions' in page.text
    assert 'image-rendering: pixelated' in ''.join(page.styles)


def test_the_confusion_matrix_has_its_shares_and_counts(page):
    headings, rows, table = page.table('Confusion matrix')
    assert headings == ['class', *(f'as {digit}' for digit in range(10)), 'images']
    largest = 0
    for digit, row in enumerate(rows):
        mine = PREDICTIONS.digits.predicted[PREDICTIONS.classes == digit]
        assert row[0] == str(digit) and row[-1] == str(len(mine))
        for read in range(10):
            n = np.sum(mine == read)
            assert row[1 + read] == (f'{100 * n / len(mine):.1f} {n}' if n else '0')
            place = table['attributes'][digit + 1][1 + read]
            assert float(place['data-value']) == pytest.approx(n / len(mine))
            shade = re.search(r'shade(\d)', place['class'])
            # Mistakes stand out, the right predictions do not.
            assert bool(shade) == (n > 0 and digit != read)
            largest = max(largest, int(shade[1]) if shade else 0)
    assert largest == 4
    assert '1,200 images of the test pairs, n = 3 seeds' in table['caption']


def test_classes_have_their_names_wherever_they_are_named():
    names = ['bag', 'coat', 'tee <1>']
    made = make_predictions([[(1, 0), (2, 1)]], [[2, 3]], [[(2, 0), (2, 1)]], class_names=names)
    page = page_of_predictions(made)
    headings, rows, _ = page.table('Confusion matrix')
    assert headings == ['class', *(f'as {name}' for name in names), 'images']
    assert [row[0] for row in rows] == names
    assert 'less_equal(tee <1>, coat) predicted true' in page.text
    text = page.text.replace('\N{NO-BREAK SPACE}', ' ')
    assert 'a: coat predicted as tee <1> with 60.00 %, as coat with 30.00 %' in text


def test_beyond_twenty_classes_the_commonest_confusions_are_listed():
    predictions = random_predictions(1, num_classes=30)
    headings, rows, table = page_of_predictions(predictions).table('The commonest of')
    assert headings == ['class', 'predicted as', 'images', '% of that class'] and len(rows) == 20
    read = predictions.digits.predicted
    counts = []
    for digit, other, n, share in rows:
        mine = predictions.classes == int(digit)
        assert digit != other and np.sum(mine & (read == int(other))) == int(n)
        assert share == f'{100 * int(n) / mine.sum():.1f}'
        counts.append(int(n))
    kinds = {
        (a, b) for a, b in zip(predictions.classes.ravel(), read.ravel(), strict=True) if a != b
    }
    most = max(np.sum((predictions.classes == a) & (read == b)) for a, b in kinds)
    assert counts == sorted(counts, reverse=True) and counts[0] == most
    assert f'{len(kinds)} confusions of 30 classes' in table['caption']


def test_distances_and_bins_are_pictures_and_tables(page):
    texts = [a['alt'] for t, a in page.elements if t == 'img' and a['width'] != '84']
    assert texts[0].startswith('Test accuracy against |a - b|, mean over n = 3 seeds')
    assert '(600)' in texts[0] and '|a - b| = 0 is two digits of one class' in texts[0]
    assert texts[1].startswith('Reliability diagram: accuracy against confidence in ten bins')
    assert '600 predictions' in texts[1] and 'Expected calibration error: ' in texts[1]
    _, rows, _ = page.table('Accuracy by digit distance')
    distance = np.abs(PREDICTIONS.classes[..., 0] - PREDICTIONS.classes[..., 1])
    for row in rows:
        which = distance == int(row[0])
        means = [
            100 * r[w].mean() for r, w in zip(PREDICTIONS.correct, which, strict=True) if w.any()
        ]
        assert row[1] == str(which.sum()) and row[4] == str(len(means))
        assert row[2] == f'{100 * PREDICTIONS.targets[which].mean():.1f}'
        assert row[3].startswith(f'{np.mean(means):.2f} ± {np.std(means, ddof=1):.2f} [')
    assert rows[0][:1] + rows[0][2:3] == ['0', '100.0']  # Of one class, so less or equal.
    _, rows, _ = page.table('Accuracy by confidence')
    assert [row[:2] for row in rows] == [[str(low), str(low + 5)] for low in range(50, 100, 5)]
    assert sum(int(row[2]) for row in rows) == 600
    assert all(float(row[0]) <= float(row[3]) <= float(row[1]) for row in rows)


def test_the_figures_are_given_with_interval_and_n(page):
    error = r'expected calibration error\s*\d+\.\d\d ± \d+\.\d\d % \[-?[\d.]+, [\d.]+\], n = 3'
    assert re.search(error, page.text)
    mean = 100 * PREDICTIONS.correct.mean()
    assert re.search(rf'test accuracy\s*{mean:.2f} ± .* %.*, n = 3', page.text)
    assert f'{np.sum(~PREDICTIONS.correct)} of 600' in page.text
    assert 'seeds 1, 3, 5 after epoch 4, each on its own 200 test pairs' in page.text
    assert 'perfect calibration would show' in page.text


def test_what_a_model_cannot_say_is_said_in_a_sentence():
    bare = page_of_predictions(
        random_predictions()._replace(digits=None), **{'model.name': 'BasicNet1'}
    )
    assert 'BasicNet1 has no digit heads: there is no confusion matrix' in bare.text
    assert (
        not [t for t in bare.tables if 'Confusion' in t['caption']]
        and 'predicted as' not in bare.text
    )
    untaught = page_of_predictions(PREDICTIONS, **{'loss.aux_weight': 0.0})
    assert 'the digit heads are untrained' in untaught.text
    assert 'untrained' not in page_of_predictions(PREDICTIONS).text
    perfect = page_of_predictions(make_predictions([[(1, 2), (3, 3)]], [[2, 3]]))
    assert 'No prediction is wrong' in perfect.text and not gallery_of(perfect)


def test_any_scale_of_pixels_is_shown():
    images = np.array([[[0.25, 0.5]], [[0.75, 1.25]]])
    assert brightened(images).tolist() == [[[0, 64]], [[128, 255]]]
    assert brightened(np.full((2, 1, 1), 7.0)).tolist() == [[[0]], [[0]]]


@pytest.mark.parametrize(
    ('chance', 'text'),
    [(1.0, '> 99.99 %'), (0.99994, '99.99 %'), (0.5, '50.00 %'), (1e-9, '< 0.01 %')],
)
def test_no_chance_is_rounded_to_certainty(chance, text):
    assert probability_text(chance).replace('\N{NO-BREAK SPACE}', ' ') == text


# ---------------------------------------------------------------------- from real workdirs


@pytest.fixture
def copy(small_sweep, tmp_path):
    """A workdir with its digits beside it, to be spoilt."""
    workdir = shutil.copytree(small_sweep / 'run', tmp_path / 'run')
    saved = json.loads((workdir / 'config.json').read_text())
    saved['config']['data']['dir'] = str(shutil.copy(small_sweep / 'digits.npz', tmp_path))
    (workdir / 'config.json').write_text(json.dumps(saved))
    return workdir


def test_a_workdir_with_checkpoints_has_its_predictions_on_the_page(small_sweep):
    page = page_of(small_sweep / 'run')
    summary = json.loads((small_sweep / 'run' / 'summary.json').read_text())
    trial = summary['trials'][2]
    wrong = round(sum(150 * (1 - value) for value in trial['final_test_accuracy']['values']))
    assert wrong and f'{wrong} of 450' in page.text
    assert f'mistakes of {wrong} in 450 predictions (n = 3 seeds)' in page.text
    assert 'same_parity(' in page.text
    assert 'Predictions of the selected trial, DeepModel (8)' in page.text
    _, rows, _ = page.table('Confusion matrix')
    assert len(rows) == 3 and sum(int(row[-1]) for row in rows) == 900
    right = sum(int(row[1 + digit].split()[-1]) for digit, row in enumerate(rows))
    assert right == round(300 * sum(trial['final_digit_accuracy']['values']))
    # Still one file that fetches nothing.
    assert all(value.startswith('data:image/png;base64,') for value in page.attributes('src'))
    assert not page.attributes('href') and not page.attributes('style')
    assert len(page.scripts) == 1


def missing_part(workdir, *words):
    """The page of a workdir whose predictions cannot be had: why, and that the rest is there."""
    page = page_of(workdir)
    assert page.table('Trials')[1] and page.table('Full config')[1]
    assert not gallery_of(page) and 'mistakes' not in page.text
    sentence = page.text.partition('Predictions of the selected trial')[2].partition('How to')[0]
    assert sentence.strip().endswith('.') and '\n' not in sentence.strip()
    for word in words:
        assert word in sentence


def test_the_rest_is_written_where_checkpoints_are_gone_or_damaged(copy):
    directory = copy / 'checkpoints' / 'program_0001'
    for path in directory.rglob('*'):
        if path.is_file() and path.name != '_CHECKPOINT_METADATA':
            path.write_bytes(path.read_bytes()[:20])
    missing_part(copy, 'cannot be read')
    shutil.rmtree(directory)
    missing_part(copy, 'holds no checkpoint')
    shutil.rmtree(copy / 'checkpoints')
    missing_part(copy, 'checkpoints does not exist')


def test_the_rest_is_written_where_digits_are_gone_or_others(copy):
    path = copy.parent / 'digits.npz'
    with np.load(path) as arrays:
        others = {name: array[::-1] for name, array in arrays.items()}
    np.savez(path, **others)
    missing_part(copy, 'digits have changed since')
    path.unlink()
    missing_part(copy, str(path))


def test_no_network_is_evaluated_where_every_run_failed(tmp_path):
    failed = tuple((0, seed) for seed in range(2))
    missing_part(write_workdir(tmp_path / 'run', [[0.5, 0.6]], failed), 'Every run failed')


def test_a_workdir_without_checkpoints_has_a_report_that_says_so(tmp_path):
    workdir = write_workdir(tmp_path / 'run', [[0.5, 0.6]])
    command = [sys.executable, 'launch/report.py', workdir, f'--out={tmp_path / "page.html"}']
    env = os.environ | {'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert 'checkpoints does not exist' in (tmp_path / 'page.html').read_text()
