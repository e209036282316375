"""The command line in real processes: train, evaluate, interrupt, go on, and every mistake."""

import json
import os
import re
import shlex
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from forked import ForkedCommand

ROOT = Path(__file__).resolve().parents[1]
NUM_EPOCHS = 100  # A second or two, long enough to be interrupted.


class Shell:
    """Starts the launch scripts as a person would, from the root of the repository."""

    def __init__(self, directory, digits):
        self.directory, self.digits = directory, digits
        self.env = os.environ | {
            'PAIRJAX_CACHE_DIR': str(directory / 'cache'),
            # A program is compiled by the first process that needs it, not by each one.
            'JAX_COMPILATION_CACHE_DIR': str(directory / 'compiled'),
            'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
        }
        fields = ['data.source=npz', f'data.dir={digits}', 'data.num_train_pairs=10', 'num_seeds=3']
        fields += ['data.num_validation_pairs=5', 'data.num_test_pairs=10', 'train.batch_size=5']
        fields += [f'train.num_epochs={NUM_EPOCHS}']
        self.training = ['main', '--config=configs/auxnet2.py', *map('--config.{}'.format, fields)]

    def start(self, script, *flags, **env):
        command = [sys.executable, f'launch/{script}.py', *flags]
        return ForkedCommand(command, self.env | env)

    def start_training(self, workdir, *flags):
        flags = ['--config.model.widths=(4,4,4,8)', f'--workdir={workdir}', *flags]
        return self.start(*self.training, *flags)


def finish(process, returncode=0):
    """Waits for a process; its output lies in the attributes out and err."""
    process.out, process.err = process.communicate(timeout=300)
    assert process.returncode == returncode, process.err
    return process


def contents(directory):
    return {p.relative_to(directory): p.read_bytes() for p in directory.rglob('*') if p.is_file()}


def results_of(workdir):
    """The lines of metrics.jsonl without clock values, and summary.json."""
    lines = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
    lines = [{k: v for k, v in line.items() if not k.endswith('_seconds')} for line in lines]
    return lines, json.loads((workdir / 'summary.json').read_text())


@pytest.fixture(scope='module')
def shell(tmp_path_factory, small_digits_path):
    return Shell(tmp_path_factory.mktemp('commands'), small_digits_path)


@pytest.fixture(scope='module')
def trained(shell):
    """A workdir that is trained, which nothing here changes; what was printed; its contents."""
    workdir = shell.directory / 'trained'
    return workdir, finish(shell.start_training(workdir)).out, contents(workdir)


@pytest.fixture
def copy(trained, tmp_path):
    return Path(shutil.copytree(trained[0], tmp_path / 'copy'))


def test_training_leaves_its_files_and_prints_the_table(trained):
    workdir, out, _ = trained
    names = ['checkpoints', 'config.json', 'figures', 'lock', 'metrics.jsonl', 'summary.json']
    assert sorted(path.name for path in workdir.iterdir()) == names
    assert (workdir / 'figures' / 'training_curves.png').read_bytes().startswith(b'\x89PNG')
    lines, summary = results_of(workdir)
    order = [(epoch, seed) for epoch in range(1, NUM_EPOCHS + 1) for seed in range(3)]
    assert [(line['epoch'], line['seed']) for line in lines] == order
    assert set(summary) == {'name', 'data', 'trials', 'selected_trial', 'timing'}
    assert summary['name'] == 'auxnet2' and summary['selected_trial'] == 0
    assert {'source': 'npz', 'train_pool': 60, 'test_pool': 40}.items() <= summary['data'].items()
    assert set(summary['timing']) >= {'compile_seconds', 'train_seconds', 'seconds_per_run'}
    (trial,) = summary['trials']
    assert trial['seeds'] == [0, 1, 2] and trial['failed_seeds'] == []
    final = trial['final_test_accuracy']
    assert final['values'] == [line['test_accuracy'] for line in lines[-3:]]
    assert '0* AuxNet2 (4, 4, 4, 8)' in out and f'{100 * final["mean"]:.2f} +- ' in out


def test_the_same_command_again_trains_nothing_and_prints_the_table(shell, trained, copy):
    out = finish(shell.start_training(copy)).out
    assert trained[1][trained[1].index('┏') : trained[1].index('└')] in out
    for text in ('compiled in', 'epoch 100/100'):
        assert text in trained[1] and text not in out
    assert (copy / 'metrics.jsonl').read_bytes() == trained[2][Path('metrics.jsonl')]
    assert results_of(copy) == results_of(trained[0])


def evaluate(shell, *flags):
    """Per seed the accuracies on pairs and digits that evaluate.py prints."""
    out = finish(shell.start('evaluate', *flags)).out
    rows = [line.split('│')[2:6] for line in out.splitlines() if line[:1] == '│']
    return {int(row[0]): (row[2].strip(), row[3].strip()) for row in rows}


def expected(workdir):
    (trial,) = results_of(workdir)[1]['trials']
    pairs, digits = (trial[f'final_{name}_accuracy']['values'] for name in ('test', 'digit'))
    return {s: (f'{100 * pairs[s]:.2f}', f'{100 * digits[s]:.2f}') for s in trial['seeds']}


def test_evaluation_equals_the_summary_and_changes_nothing(shell, copy):
    # What a training that is still running has there while it saves.
    unfinished = copy / 'checkpoints' / 'program_0000' / '999.orbax-checkpoint-tmp'
    unfinished.mkdir()
    (unfinished / 'half').write_text('half')
    before = contents(copy)
    assert evaluate(shell, f'--workdir={copy}') == expected(copy)
    assert contents(copy) == before


def test_one_seed_is_evaluated_on_other_digits(shell, trained, tmp_path):
    # Where all images and labels are the same, all answers are right or none is.
    with np.load(shell.digits) as arrays:
        other = {name: a[:30] if 'train' in name else a[:30] * 0 + 3 for name, a in arrays.items()}
    np.savez(tmp_path / 'other.npz', **other)
    flags = [f'--workdir={trained[0]}', '--data_source=npz', f'--data_dir={tmp_path / "other.npz"}']
    answer = evaluate(shell, *flags, '--seed=1', f'--out={tmp_path / "answers.csv"}')
    assert list(answer) == [1] and answer[1] != expected(trained[0])[1]
    assert set(answer[1]) <= {'0.00', '100.00'}
    table = pd.read_csv(tmp_path / 'answers.csv')
    assert set(table.seed) == {1} and set(table.class_a) == {3} and len(table) == 10
    assert f'{100 * table.right.mean():.2f}' == answer[1][0]


def count_lines(path):
    try:
        return path.read_bytes().count(b'\n')
    except FileNotFoundError:
        return 0


def test_begun_afresh_and_interrupted_it_goes_on_to_the_same_results(shell, trained):
    workdir = Path(shutil.copytree(trained[0], shell.directory / 'overwrites in pieces'))
    (workdir / 'notes.txt').write_text('mine')
    stopped = shell.start_training(workdir, '--overwrite=True')
    while not 12 <= count_lines(workdir / 'metrics.jsonl') < 3 * NUM_EPOCHS:
        assert stopped.poll() is None, finish(stopped, 130)
        time.sleep(0.01)
    stopped.send_signal(signal.SIGINT)
    assert 'Traceback' not in finish(stopped, 130).err
    epoch = int(re.search(r'stopped and saved after epoch (\d+)', stopped.err)[1])
    assert 4 <= epoch < NUM_EPOCHS and not (workdir / 'summary.json').exists()
    command = shlex.split(stopped.err.partition('to resume: ')[2].splitlines()[0])
    # The same command, but it must not train from scratch.
    assert 'python' in command[0] and command[1:] == stopped.args[1:-1]
    resumed = finish(shell.start(Path(command[1]).stem, *command[2:]))
    assert f'resuming after epoch {epoch}\n' in resumed.out
    (lines, summary), (other_lines, other_summary) = map(results_of, (workdir, trained[0]))
    assert lines == other_lines and summary['trials'] == other_summary['trials']
    assert (workdir / 'notes.txt').read_text() == 'mine'


FILES = {
    'syntax.py': 'def get_config(:',
    'nothing.py': 'x = 1',
    'raising.py': 'def get_config(): raise RuntimeError("boom")',
    'three.py': 'def get_config(): return 3',
    'jax.py': 'raise ImportError("jax is not needed to answer this")',
}
# The command, and what the answer must name. TRAIN stands for a command that is right so far.
ANSWERED_WITHOUT_JAX = [
    ('main', '--config'),
    ('main --config=', '--config'),
    ('main --config=configs/nope.py', 'configs/nope.py'),
    ('main --config configs/nope.py', 'configs/nope.py'),
    ('main --config={tmp}/syntax.py', 'syntax.py'),
    ('main --config={tmp}/nothing.py', 'nothing.py', 'get_config'),
    ('main --config={tmp}/raising.py', 'raising.py', 'boom'),
    ('main --config={tmp}/three.py', 'three.py'),
    ('TRAIN --config.train.batchsize=5', 'did you mean --config.train.batch_size?'),
    ('TRAIN --config.num_seeds=abc', '--config.num_seeds=abc'),
    ('TRAIN --config.num_seeds=0', 'num_seeds=0'),
    ('TRAIN --config.train.batch_size=0', 'train.batch_size=0'),
    ('TRAIN --wrkdir=x', 'wrkdir', 'workdir'),
    ('TRAIN stray', "'stray'"),
    ('evaluate', '--workdir'),
    ('evaluate --workdir={trained} --seed=x', '--seed=x'),
    ('evaluate --workdir={trained} --out=a.txt', '--out=a.txt', '.parquet or .csv'),
    ('evaluate --workdir={trained} --out={tmp}/no/a.csv', '{tmp}/no'),
    ('demo --port=70000', '--port=70000'),
]
ANSWERED_LATER = [
    ('TRAIN --config.model.name=AuxNet4', "model.name='AuxNet4'", "did you mean 'AuxNet"),
    ('TRAIN --config.model.widths=(4,4,4)', 'model.widths=(4, 4, 4)', 'AuxNet2', 'conv1'),
    (
        'main --config=configs/basicnet1.py --workdir={tmp}/never --config.loss.aux_weight=1',
        'loss.aux_weight=1',
        'BasicNet1',
    ),
    ('TRAIN --config.data.num_validation_pairs=25', 'num_validation_pairs=25', '60'),
    ('TRAIN --config.data.dir={tmp}/missing.npz', 'data.dir', '{tmp}/missing.npz'),
    ('TRAIN --config.data.source=npx', "data.source='npx'", "did you mean 'npz'"),
    ('TRAIN --config.data.dir={tmp}/pickled.npz', '{tmp}/pickled.npz'),
    ('TRAIN --workdir={tmp}/three.py', '{tmp}/three.py'),
    ('TRAIN --workdir={trained}', 'model.widths is (4, 4, 4, 8) there', '--overwrite'),
    ('evaluate --workdir={tmp}/empty', '{tmp}/empty', 'launch/main.py'),
    ('evaluate --workdir={tmp}/bare', '{tmp}/bare', 'checkpoint'),
    ('evaluate --workdir={trained} --seed=7', 'seed=7', '[0, 1, 2]'),
    ('pairnet --data_source=npx --workdir={tmp}/none', 'pairnet, pairnet_ensemble, ', 'above'),
    ('reproduce --data_source=npx --workdir={tmp}/never', "data.source='npx'", "mean 'npz'"),
    ('noise --config=configs/auxnet2.py --config.data.source=npx', "data.source='npx'", "'npz'"),
]


@pytest.fixture(scope='module')
def answers(shell, trained):
    """Per command its process, finished soon: two of them run at a time."""
    tmp = shell.directory
    (tmp / 'empty').mkdir()
    for name, text in FILES.items():
        (tmp / name).write_text(text)
    np.savez(tmp / 'pickled.npz', **dict.fromkeys(np.load(shell.digits), np.array([{}])))
    shutil.copytree(trained[0], tmp / 'bare')
    shutil.rmtree(tmp / 'bare' / 'checkpoints' / 'program_0000' / str(NUM_EPOCHS))

    def answer(case):
        flags = [flag.format(tmp=tmp, trained=trained[0]) for flag in case[0].split(' ')]
        if flags[0] == 'TRAIN':
            flags[:1] = [*shell.training, f'--workdir={tmp / "never"}']
        path = tmp / ('.' if case in ANSWERED_WITHOUT_JAX else 'empty')
        return finish(shell.start(*flags, PYTHONPATH=f'{path}{os.pathsep}{ROOT}'), returncode=1)

    with ThreadPoolExecutor(2) as pool:
        yield {case[0]: pool.submit(answer, case) for case in ANSWERED_WITHOUT_JAX + ANSWERED_LATER}


@pytest.mark.parametrize('case', ANSWERED_WITHOUT_JAX + ANSWERED_LATER, ids=lambda case: case[0])
def test_a_mistake_is_answered_with_one_sentence_and_nothing_is_lost(answers, shell, trained, case):
    process = answers[case[0]].result()
    assert 'Traceback' not in process.out + process.err
    (line,) = [line for line in process.err.splitlines() if line.startswith('error: ')]
    for word in case[1:]:
        assert word.format(tmp=shell.directory, trained=trained[0]) in line
    assert not (shell.directory / 'never').exists()
    assert contents(trained[0]) == trained[2]
