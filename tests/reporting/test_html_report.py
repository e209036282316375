"""The HTML report: the page is parsed and its numbers are worked out again from the seeds."""

import base64
import hashlib
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from absl import flags
from html_pages import RATES, page_of, random_accuracies, write_workdir, written
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_collections import config_flags
from PIL import Image

from pairjax.analysis.statistics import describe
from pairjax.config import default_config, flatten, validate
from pairjax.errors import UserError
from pairjax.inference.pair_predictions import predict_selected
from pairjax.reporting.html.report import command, read_experiments, write_report
from pairjax.reporting.tables import tabulate

ROOT = Path(__file__).resolve().parents[2]
EVIL = '<script>alert(1)</script><b onmouseover="alert(2)">'
ACCURACIES = random_accuracies(3, 4)
FAILED = ((1, 2),)


@pytest.fixture(scope='module')
def sweep(tmp_path_factory):
    workdir = tmp_path_factory.mktemp('sweep') / 'run'
    return write_workdir(workdir, ACCURACIES, FAILED, source='bundled')


@pytest.fixture(scope='module')
def page(sweep):
    return page_of(sweep)


# --------------------------------------------------------------------- one experiment


def test_the_page_needs_no_other_file_and_no_network(page):
    assert len(page.attributes('src')) == 2 and not page.attributes('href')
    assert all(re.match(r'data:image/png;base64,', value) for value in page.attributes('src'))
    others = {'srcset', 'action', 'data', 'poster', 'background', 'ping', 'manifest', 'style'}
    assert not others & {name for _, attrs in page.elements for name in attrs}
    assert not {'link', 'iframe', 'object', 'embed', 'base'} & {tag for tag, _ in page.elements}
    code = ''.join(page.scripts + page.styles)
    assert not re.search(r'url\(|@import|://|fetch|XMLHttp|import\(|innerHTML', code)


def test_the_page_itself_forbids_fetching_and_foreign_scripts(page):
    (policy,) = [a['content'] for _, a in page.elements if 'http-equiv' in a]
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{digest}'" in policy
    assert re.search(r"script-src '[^']*'$", policy)


def test_every_trial_has_its_numbers(page):
    headings, rows, table = page.table('Trials')
    columns = [
        'test %, final epoch',
        'test %, best epoch on test',
        'test %, best epoch on validation',
    ]
    columns += ['validation %, final epoch', 'train %, final epoch']
    for trial, (row, accuracies) in enumerate(zip(rows, ACCURACIES, strict=True)):
        valid = [a for seed, a in enumerate(accuracies) if (trial, seed) not in FAILED]
        cells = dict(zip(headings, row, strict=True))
        name = f'{trial} AuxNet2 (32, 32, 64, 256) optimizer.learning_rate={RATES[trial]}'
        assert cells['trial'].removesuffix(' (selected)').removesuffix(' (tied)') == name
        assert cells['parameters'] == f'{1000 + trial:,}' and cells['n'] == str(len(valid))
        assert {cells[column] for column in columns} == {written(valid)}
        assert cells['digit test %, final epoch'] == '-'
        assert cells['s/run'] == f'{2 * (0.5 + trial):.2f}'
        assert cells['failed seeds'] == ('2' if trial == 1 else 'none')
        places = table['attributes'][trial + 1]
        values = [float(attributes.get('data-value', 'nan')) for attributes in places]
        values = dict(zip(headings, values, strict=True))
        np.testing.assert_allclose(values['test %, final epoch'], np.mean(valid))
        assert values['parameters'] == 1000 + trial
        assert np.isnan(values['trial']) and np.isnan(values['digit test %, final epoch'])


def test_the_selected_trial_is_marked_and_named(page):
    # A trial with failed seeds is not selected.
    whole = [t for t in range(len(ACCURACIES)) if t not in [trial for trial, _ in FAILED]]
    best = max(whole, key=lambda t: np.mean(ACCURACIES[t]))
    _, rows, table = page.table('Trials')
    assert table['highlighted'] == [best]
    assert [i for i, row in enumerate(rows) if '(selected)' in row[0]] == [best]
    # Four seeds cannot tell any trial from it: their p is 0.125 at least.
    assert all('(tied)' in row[0] for i, row in enumerate(rows) if i != best)
    assert 'tied with the selected trial (~)' in page.text
    mean, interval = written(ACCURACIES[best]).split(' [')
    assert f'{mean} % [{interval}, n = {len(ACCURACIES[best])}' in page.text


def test_every_seed_has_its_row_and_failures_are_named(page):
    headings, rows, _ = page.table('Per seed')
    assert headings[:3] == ['trial', 'seed', 'test %, final epoch'] and len(rows) == 12
    shown = {(int(row[0].split()[0]), int(row[1])): row[2] for row in rows}
    expected = {
        (trial, seed): 'failed' if (trial, seed) in FAILED else f'{100 * accuracy:.2f}'
        for trial, row in enumerate(ACCURACIES)
        for seed, accuracy in enumerate(row)
    }
    assert shown == expected
    assert re.search(r'learning_rate=0\.01: failed seeds.*no statistic counts: 2\.', page.text)


def test_what_the_experiment_was_is_told(page):
    for fact in ('0 to 3', '1,000 train, 500 validation, 1,000 test', 'bundled, 10 classes'):
        assert fact in page.text
    assert 'fingerprint abcdef' in page.text and 'pairjax 9.8.7, jax 6.5.4' in page.text
    assert 'Gone on with pairjax 9.8.7, jax 7.0.0' in page.text
    assert 'the same 2,000 images' in page.text  # What the bundled digits leave out.
    _, rows, _ = page.table('Changed from')
    changed = {row[0]: row[1:] for row in rows}
    assert changed['num_seeds'] == ['4', '10'] and set(changed) == {'num_seeds', 'sweep.product'}
    _, rows, _ = page.table('Full config')
    assert {row[0] for row in rows} == set(flatten(default_config()))


def test_tables_can_be_sorted_by_keyboard_and_scroll_by_themselves(page):
    assert page.elements.count(('button', {'type': 'button'})) == sum(
        len(table['rows'][0]) for table in page.tables
    )
    regions = [attrs for _, attrs in page.elements if attrs.get('class') == 'scroll']
    assert len(regions) == len(page.tables) + 2  # Two pictures.
    assert all(a['tabindex'] == '0' and a['role'] == 'region' for a in regions)
    # The script finds a heading's button as its first child.
    tags = [tag for tag, _ in page.elements]
    assert all(tags[i + 1] == 'button' for i, tag in enumerate(tags) if tag == 'th')
    assert 'aria-sort' in page.scripts[0]
    styles = ''.join(page.styles)
    assert 'color-scheme: light dark' in styles and '@media print' in styles


def test_pictures_are_inlined_with_words(page):
    pictures = [attrs for tag, attrs in page.elements if tag == 'img']
    for attrs in pictures:
        data = base64.b64decode(attrs['src'].removeprefix('data:image/png;base64,'))
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == 'PNG'
            ratio = int(attrs['width']) / int(attrs['height'])
            assert ratio == pytest.approx(image.width / image.height, rel=0.01)
    texts = [attrs['alt'] for attrs in pictures]
    assert texts[0] == 'Final test accuracy against optimizer.learning_rate.'
    assert texts[1].startswith('Training curves of the selected trial, AuxNet2 (32, 32, 64, 256)')


def test_what_comes_from_files_is_inert(tmp_path):
    def change(config):
        config.data.dir = EVIL

    workdir = write_workdir(tmp_path / EVIL.replace('/', '|'), [[0.5, 0.6]], change=change)
    for name, old in (('config', '6.5.4'), ('summary', 'auxnet2'), ('summary', 'abcdef')):
        path = workdir / f'{name}.json'
        path.write_text(path.read_text().replace(json.dumps(old), json.dumps(EVIL)))
    page = page_of(workdir)
    assert len(page.scripts) == 1 and 'alert' not in page.scripts[0]
    assert not any(name.startswith('on') for _, attrs in page.elements for name in attrs)
    assert 'b' not in {tag for tag, _ in page.elements}
    assert page.text.count(EVIL) >= 5  # Title, heading, fingerprint, version, two config tables.


# -------------------------------------------------------------------------- the command

VALUES = {
    'name': st.sampled_from(['auxnet2', 'a.b+c-d']),
    'seed': st.integers(0, 100),
    'data.dir': st.text(st.characters(codec='ascii', exclude_categories=['C']), max_size=12),
    'data.standardize': st.booleans(),
    'model.widths': st.lists(st.integers(1, 512), min_size=1, max_size=4).map(tuple),
    'loss.aux_weight': st.floats(0, 1e6),
    'sweep.product': st.sampled_from(
        [(), (('model.name', ('AuxNet1', 'AuxNet2')), ('model.widths', ((1, 2), (3,))))]
    ),
    'sweep.param_range': st.sampled_from([(), (1, 2.5)]),
}


@pytest.mark.filterwarnings('ignore:the load_module')
@settings(deadline=None, max_examples=50)
@given(st.fixed_dictionaries({}, optional=VALUES))
def test_the_command_leads_to_the_same_config(fields):
    config = default_config()
    config.update_from_flattened_dict(fields)
    # What a shell makes of it: a backslash at the end of a line joins two lines.
    text = command(json.loads(json.dumps(config.to_dict())))
    words = shlex.split(re.sub(r'\\\n', '', text))
    assert words[:2] == ['python', 'launch/main.py']
    values = flags.FlagValues()
    config_flags.DEFINE_config_file('config', flag_values=values)
    arguments = [words[1], words[2].replace('=', f'={ROOT}/'), *words[3:]]
    with mock.patch.object(sys, 'argv', arguments):  # Where it looks for fields, too.
        values(arguments)
    assert flatten(validate(values.config)) == flatten(validate(config))


# ---------------------------------------------------------------------- files and mistakes


def write_pages(workdirs, out):
    results = read_experiments(workdirs)
    write_report(results, list(map(predict_selected, results)), out)


def launch(*arguments):
    command = [sys.executable, 'launch/report.py', *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_the_same_workdirs_give_the_same_bytes_in_another_process(sweep, tmp_path):
    write_pages([sweep], tmp_path / 'new' / 'here.html')
    done = launch(sweep, f'--out={tmp_path / "there.html"}')
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / 'there.html') in done.stdout
    here, there = tmp_path / 'new' / 'here.html', tmp_path / 'there.html'
    assert here.read_bytes() == there.read_bytes()


def test_mistakes_are_one_sentence(sweep, tmp_path):
    def mistake(workdirs, out, pattern):
        with pytest.raises(UserError, match=pattern) as error:
            write_pages([Path(workdir) for workdir in workdirs], out)
        assert '\n' not in str(error.value)

    out = tmp_path / 'report.html'
    (tmp_path / 'empty').mkdir()
    mistake([], out, 'name a workdir')
    mistake([tmp_path / 'none'], out, 'none is no directory')
    mistake([tmp_path / 'empty'], out, r'config\.json does not exist')
    mistake([sweep, sweep], out, 'named twice')
    mistake([sweep], tmp_path, f'--out={re.escape(str(tmp_path))} cannot be written')
    (tmp_path / 'file').write_text('')
    mistake([sweep], tmp_path / 'file' / 'x.html', '--out=.*cannot be written')
    unfinished = write_workdir(tmp_path / 'unfinished', [[0.5, 0.6]])
    (unfinished / 'metrics.jsonl').write_text('')
    mistake([unfinished], out, r'metrics\.jsonl holds no line')
    (unfinished / 'summary.json').unlink()
    mistake([unfinished], out, r'summary\.json does not exist yet')
    assert not out.exists()
    done = launch(unfinished, f'--out={out}')
    assert done.returncode == 1 and done.stderr.startswith('error: ')
    assert done.stderr.count('\n') == 1 and 'Traceback' not in done.stderr


def test_columns_have_the_values_they_are_sorted_by():
    columns = {
        'text': ['<i>&amp;', '7'],
        'number': [1234, None],
        'share': [0.5, 'failed'],
        'statistic': [describe([0.5, 0.75]), None],
    }
    numeric, rows = tabulate(columns)
    assert numeric == {'text': False, 'number': True, 'share': True, 'statistic': True}
    half = 100 * 0.125 * 12.7062  # Student t at n = 2, from a printed table.
    interval = f'[{62.5 - half:.2f}, {62.5 + half:.2f}]'
    assert rows[0] == (
        ('<i>&amp;', None, '', 0),
        ('1,234', 1234, '', 0),
        ('0.50', 0.5, '', 0),
        ('62.50 ± 17.68', 0.625, interval, 0),
    )
    assert [cell.text for cell in rows[1]] == ['7', '-', 'failed', '-']
    assert not any(cell.value for cell in rows[1])
