"""Seeds added to a workdir leave what training all of them from the start leaves."""

import shutil
import signal

import numpy as np
import pytest
from conftest import make_shallow_config
from processes import assert_same_outcome, outcome_of

import pairjax
from pairjax.config import validate
from pairjax.errors import UserError
from pairjax.inference.pair_predictions import predict_test_pairs, predict_trial
from pairjax.runtime import join
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.parts import run_whole_or_part
from pairjax.runtime.preemption import Interrupted
from pairjax.system import write_json
from pairjax.workdir.workdir import block_workdir, read_config


def make_config(path, num_seeds, part=''):
    """Two programs."""
    config = make_shallow_config(path)
    config.num_seeds, config.train.num_epochs = num_seeds, 2
    config.runs.devices = 1
    config.sweep.product = (('model.widths', ((4,), (5,))),)
    config.sweep.part = part
    return config


@pytest.fixture(scope='module')
def made(small_digits_path):
    return lambda *arguments: make_config(small_digits_path, *arguments)


@pytest.fixture(scope='module')
def six(made, tmp_path_factory):
    """What six seeds leave that train together."""
    workdir = tmp_path_factory.mktemp('six') / 'workdir'
    run_experiment(made(6), workdir)
    return outcome_of(workdir)


@pytest.fixture(scope='module')
def trained_two(made, tmp_path_factory):
    workdir = tmp_path_factory.mktemp('two') / 'workdir'
    run_experiment(made(2), workdir)
    return workdir


@pytest.fixture
def two(trained_two, tmp_path):
    """A workdir with two seeds."""
    return shutil.copytree(trained_two, tmp_path / 'workdir')


class Heard(pairjax.Callback):
    """Hears what trains, as (program, epoch, seeds), and stops after some epochs."""

    def __init__(self, epochs=99):
        self.trained, self.said, self.epochs = [], [], epochs

    def on_epoch_end(self, name, epoch, records):
        self.trained.append((name[-3:], epoch, [record['seed'] for record in records]))
        if len(self.trained) == self.epochs:
            raise KeyboardInterrupt

    def on_message(self, text):
        self.said.append(text)


def test_only_the_new_seeds_train_and_the_numbers_are_those_of_all(made, two, six):
    heard, now = Heard(), read_config(two)['versions']
    begun = now | {'jax': '0.0.1'}
    write_json(two / 'config.json', read_config(two) | {'versions': begun})
    summary = run_experiment(made(6), two, callbacks=[heard])
    assert heard.trained == [(p, e, [2, 3, 4, 5]) for p in ('1/2', '2/2') for e in (1, 2)]
    assert f'adding seeds 2 to 5 to those in {two}' in heard.said
    assert_same_outcome(two, six)
    assert summary['trials'] == six['summary']['trials']
    assert read_config(two)['config']['num_seeds'] == 6
    saved = read_config(two)
    assert saved['versions'] == begun and saved['resumed_with'] == [now]
    left = {path.name for path in two.iterdir()}
    assert left == {'checkpoints', 'config.json', 'lock', 'metrics.jsonl', 'summary.json'}


def test_a_run_that_dies_among_the_new_seeds_goes_on_there(made, two, six):
    before = outcome_of(two)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(made(4), two, callbacks=[Heard(epochs=3)])
    # Until all are trained, the workdir is what it was, and what was asked of it before still is.
    assert_same_outcome(two, before)
    heard = Heard()
    run_experiment(made(2), two, callbacks=[heard])
    with pytest.raises(UserError, match=r'seeds up to 3 are being added .*num_seeds=4, or'):
        run_experiment(made(3), two)
    assert not heard.trained
    # The first program is saved; more seeds may be asked for meanwhile.
    run_experiment(made(6), two, callbacks=[heard])
    assert heard.trained == [
        *(('2/2', epoch, [2, 3]) for epoch in (1, 2)),
        *((program, epoch, [4, 5]) for program in ('1/2', '2/2') for epoch in (1, 2)),
    ]
    assert_same_outcome(two, six)


def die(*_):
    raise KeyboardInterrupt


def test_a_run_that_dies_while_files_are_joined_loses_nothing(
    made, trained_two, six, tmp_path, monkeypatch
):
    """It dies before the last file is written, or when some of four are in their places."""
    trained = shutil.copytree(trained_two, tmp_path / 'trained')
    monkeypatch.setattr(join, 'summarize_experiment', die)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(made(6), trained)
    monkeypatch.undo()
    move = join.move
    for moved in range(4):
        workdir, heard, places = tmp_path / str(moved), Heard(), []
        shutil.copytree(trained, workdir)

        def move_some(source, target, places=places, moved=moved):
            places.append(target)
            die() if len(places) > moved else move(source, target)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(join, 'move', move_some)
            run_experiment(made(6), workdir, callbacks=[heard])
        run_experiment(made(6), workdir, callbacks=[heard])
        assert not heard.trained and len(places) == moved + 1
        assert_same_outcome(workdir, six)


def test_a_signal_in_the_last_epoch_before_them_stops(made, tmp_path):
    class Stop(Heard):
        def on_program_end(self, name):
            if name.endswith('2/2'):
                signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run_experiment(made(2), tmp_path / 'w', callbacks=[Heard(epochs=3)])
    stop = Stop()
    with pytest.raises(Interrupted, match='stopped before seeds 2 to 5'):
        run_experiment(made(6), tmp_path / 'w', callbacks=[stop])
    assert {seed for *_, seeds in stop.trained for seed in seeds} == {0, 1}


def test_anything_else_is_refused_as_before(made, two):
    before = outcome_of(two)
    fewer, other, later = made(1), made(3), made(3)
    other.train.shuffle, later.seed = True, 1
    for config, words in [
        (fewer, 'num_seeds is 2 there and 1 now'),
        (other, 'train.shuffle is False there and True now'),
        (later, 'seed is 0 there and 1 now'),
    ]:
        with pytest.raises(UserError, match=words):
            run_experiment(config, two)
    assert_same_outcome(two, before)


def test_seeds_of_an_unfinished_workdir_come_first(made, tmp_path, six):
    with pytest.raises(KeyboardInterrupt):
        run_experiment(made(2), tmp_path / 'w', callbacks=[Heard(epochs=3)])
    heard = Heard()
    run_experiment(made(6), tmp_path / 'w', callbacks=[heard])
    assert [seeds for _, _, seeds in heard.trained] == [[0, 1]] * 2 + [[2, 3, 4, 5]] * 4
    assert_same_outcome(tmp_path / 'w', six)


def test_overwrite_trains_all_anew(made, two, six):
    block_workdir(two, 2, 1).mkdir(parents=True)
    heard = Heard()
    run_experiment(made(6), two, overwrite=True, callbacks=[heard])
    assert [seeds for _, _, seeds in heard.trained] == [[0, 1, 2, 3, 4, 5]] * 4
    assert_same_outcome(two, six)


def test_parts_get_more_seeds_and_join_again(made, tmp_path, six):
    for num_seeds in (2, 6):
        for part in ('1/2', '2/2'):
            config = validate(made(num_seeds, part))
            run_whole_or_part(config, tmp_path)
        assert read_config(tmp_path)['config']['num_seeds'] == num_seeds
    assert_same_outcome(tmp_path, six)


def test_seeds_in_another_workdir_are_one_arm_with_these(made, two, six, tmp_path):
    other = made(4)
    other.seed = 2
    run_experiment(other, tmp_path / 'other')
    results = pairjax.load_results(two, tmp_path / 'other')
    found, expected = (r['trials'] for r in (results.experiment.summary, six['summary']))
    assert found == expected
    assert results.load(trial=1, seed=4).restored.workdir == tmp_path / 'other'
    row = pairjax.compare([f'{two}', tmp_path / 'other:1'], f'{two}+{tmp_path}/other:0').iloc[0]
    assert row.n == 6 and row.a == 'workdir+other:1'
    seeds = [4, 0, 2]
    predicted = predict_trial(results.experiment, 1, seeds)
    alone = predict_test_pairs(tmp_path / 'other', 1, [2, 4])
    assert predicted.seeds == [0, 2, 4]
    np.testing.assert_array_equal(predicted.log_odds[1:], alone.log_odds)
