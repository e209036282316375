"""launch/predict.py in real processes, with digits that were saved as images."""

import csv
import io
import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from conftest import make_small_config
from forked import run_command
from PIL import Image

from pairjax.runtime.experiment import run_experiment

ROOT = Path(__file__).resolve().parents[2]


def predict(*arguments):
    command = [sys.executable, 'launch/predict.py', *map(str, arguments)]
    return run_command(command)


@pytest.fixture(scope='module')
def directory(small_digits_path, tmp_path_factory):
    """A trained workdir, images of all sizes and kinds, and lists of pairs."""
    path = tmp_path_factory.mktemp('predict')
    run_experiment(make_small_config(small_digits_path), path / 'workdir')
    sheet = np.zeros((28, 28), np.uint8)
    sheet[5:22, 12:16] = 250
    Image.fromarray(sheet).save(path / 'light.png')
    Image.fromarray(255 - sheet).save(path / 'dark.png')
    (path / 'broken.png').write_bytes((path / 'light.png').read_bytes()[:60])
    (path / 'folder').mkdir()
    (path / 'folder' / 'dark.png').write_bytes((path / 'dark.png').read_bytes())
    (path / 'folder' / 'light.png').write_bytes((path / 'light.png').read_bytes())
    os.link(path / 'folder' / 'light.png', os.fsencode(path / 'folder') + b'/\xff.png')
    (path / 'empty').mkdir()
    (path / 'good.csv').write_text('a,b\n' + 'light.png,dark.png\n' * 3)
    (path / 'bad.csv').write_text('a,b\nlight.png,dark.png\nlight.png,broken.png\nno.png,a\n')
    (path / 'wrong.csv').write_text('first,second\n')
    return path


@pytest.fixture(scope='module')
def processes(directory):
    """What each command of this file left, by name; two run at a time."""
    light, dark, workdir = (directory / name for name in ('light.png', 'dark.png', 'workdir'))
    of_workdir = f'--workdir={workdir}'
    commands = {
        'pair': (of_workdir, light, dark),
        'ensemble': (of_workdir, '--ensemble', light, dark),
        'list': (of_workdir, directory / 'good.csv'),
        'bad list': (of_workdir, directory / 'bad.csv', f'--out={directory / "out.csv"}'),
        'nothing': (of_workdir,),
        'three': (of_workdir, light, dark, light),
        'folder': (of_workdir, directory / 'folder', f'--out={directory / "all.csv"}'),
        'empty': (of_workdir, directory / 'empty'),
        'missing': (of_workdir, light, directory / 'no.png'),
        'broken': (of_workdir, light, directory / 'broken.png'),
        'columns': (of_workdir, directory / 'wrong.csv'),
        'onto itself': (of_workdir, directory / 'good.csv', f'--out={directory / "good.csv"}'),
        'no room': (of_workdir, directory / 'good.csv', f'--out={directory / "no" / "out.csv"}'),
        'onto an image': (
            of_workdir,
            directory / 'folder',
            f'--out={directory / "folder" / "dark.png"}',
        ),
        'workdir': (f'--workdir={directory / "none"}', light, dark),
        'out of pair': (of_workdir, light, dark, '--out=x.csv'),
    }
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(commands, pool.map(lambda c: predict(*c), commands.values()), strict=True))


def test_two_images_are_predicted_in_words(processes, directory):
    process = processes['pair']
    assert process.returncode == 0, process.stderr
    a, b, answer, network = process.stdout.splitlines()
    assert a.startswith(f'a, {directory / "light.png"}: digit ') and 'probability' in a
    # The same image, once inverted.
    digit = a.partition(': digit ')[2]
    assert b == f'b, {directory / "dark.png"}: dark on light, inverted, digit {digit}'
    assert answer.startswith(('a <= b: yes (', 'a <= b: no ('))
    assert 'AuxNet2 (4, 4, 8, 16), trial 0, seed 0, after epoch 3' in network
    assert 'seeds 0, 1, 2' in processes['ensemble'].stdout


def test_without_a_workdir_the_network_of_the_package_answers_at_once(directory):
    command = [sys.executable, 'launch/predict.py', directory / 'light.png', directory / 'dark.png']
    env = os.environ | {'PYTHONPROFILEIMPORTTIME': '1'}
    process = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    assert 'seed 0, after epoch' in process.stdout and process.stdout.endswith('of pairnet\n')
    imported = {line.rpartition('|')[2].strip() for line in process.stderr.splitlines()}
    # A second or more each to import, which an answer in words need not wait for.
    assert not {'pandas', 'matplotlib', 'orbax.checkpoint', 'tensorflow_datasets'} & imported
    assert 'jax' in imported


def test_a_list_goes_to_standard_output_alone(processes):
    process = processes['list']
    assert process.returncode == 0, process.stderr
    rows = list(csv.DictReader(io.StringIO(process.stdout)))
    assert len(rows) == 3 and len({tuple(row.items()) for row in rows}) == 1
    answer = 'yes' if float(rows[0]['probability']) > 0.5 else 'no'
    assert rows[0]['answer'] == answer and rows[0]['error'] == ''
    assert f'a <= b: {answer} (probability' in processes['pair'].stdout
    assert '3 pairs in' in process.stderr and 'inverted: 1' in process.stderr


def test_a_folder_is_a_list_of_all_its_pairs(processes, directory):
    process = processes['folder']
    assert process.returncode == 0, process.stderr
    rows = list(csv.DictReader((directory / 'all.csv').open()))
    # The last name is no UTF-8.
    names = ('dark.png', 'light.png', r'\udcff.png')
    assert [(row['a'], row['b']) for row in rows] == list(itertools.permutations(names, 2))
    (of_list, *_) = csv.DictReader(io.StringIO(processes['list'].stdout))
    assert all(row[name] == of_list[name] for row in rows for name in ('answer', 'probability'))
    said = ' '.join(process.stderr.split())
    assert f'the 3 images in {directory / "folder"}' in said


def test_unreadable_images_are_counted_at_the_end(processes, directory):
    process = processes['bad list']
    assert process.returncode == 1 and process.stdout == ''
    rows = list(csv.DictReader((directory / 'out.csv').open()))
    assert [row['answer'] != '' for row in rows] == [True, False, False]
    assert 'broken.png cannot be read' in rows[1]['error']
    assert 'no.png cannot be read as an image (No such file' in rows[2]['error']
    last = process.stderr.splitlines()[-1]
    assert last == 'error: 2 of 3 pairs have no prediction; the column error says why'


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('nothing', ('0 files', 'two images', '.csv')),
        ('three', ('3 files', 'two images')),
        ('empty', ('empty holds 0 images', 'two or more')),
        ('missing', ('no.png does not exist',)),
        ('broken', ('broken.png cannot be read as an image',)),
        ('columns', ('wrong.csv', "'first', 'second'")),
        ('onto itself', ('good.csv is the list of pairs itself',)),
        ('no room', ('out.csv cannot be written',)),
        ('onto an image', ('dark.png has the name of an image', '.csv')),
        ('workdir', ('none', 'launch/main.py')),
        ('out of pair', ('--out',)),
    ],
)
def test_a_mistake_is_one_sentence(processes, directory, name, words):
    process = processes[name]
    assert process.returncode == 1 and 'Traceback' not in process.stderr
    (line,) = [line for line in process.stderr.splitlines() if line.startswith('error: ')]
    assert all(word in line for word in words), line
    assert len((directory / 'good.csv').read_text().splitlines()) == 4
