"""Restored networks asked about pictures, against the experiment that trained them."""

import json
import shutil

import jax
import numpy as np
import pytest
from conftest import make_small_config

from pairjax.data.sources import load_digits
from pairjax.errors import UserError
from pairjax.inference import predictor
from pairjax.inference.predictor import Predictor, kept_network, restore_networks
from pairjax.reporting.progress import ProgressDisplay
from pairjax.runtime.experiment import checkpoint_directory, run_experiment
from pairjax.runtime.plan import make_plan
from pairjax.system import cache_directory
from pairjax.workdir.checkpoints import Checkpoints


@pytest.fixture(scope='module')
def finished(small_digits_path, tmp_path_factory):
    """A workdir of two programs: trials 0 and 2 of the first, 1 and 3 of the second."""
    config = make_small_config(small_digits_path)
    config.sweep.product = (
        ('optimizer.learning_rate', (1e-2, 1e-3)),
        ('model.widths', ((4, 4, 4, 8), (4, 4, 8, 16))),
    )
    workdir = tmp_path_factory.mktemp('prediction') / 'workdir'
    return config, workdir, run_experiment(config, workdir)


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished[1], tmp_path / 'copy')


def change_summary(workdir, change):
    summary = json.loads((workdir / 'summary.json').read_text())
    change(summary)
    (workdir / 'summary.json').write_text(json.dumps(summary))


def as_pictures(config, images):
    """The source's images on the scale of pictures, 0 to 255."""
    train = load_digits('npz', config.data.dir).train_images
    return 255 * (images - train.min()) / (train.max() - train.min())


def test_every_network_answers_its_test_pairs_as_in_training(finished):
    config, workdir, summary = finished
    plan = make_plan(config)
    images, labels = np.asarray(plan.pools.images), np.asarray(plan.pools.labels)
    for trial in range(4):
        for place, seed in enumerate((0, 1, 2)):
            networks = restore_networks(workdir, trial, seed)
            assert (networks.trial.index, networks.seeds, networks.epoch) == (trial, [seed], 3)
            pairs = networks.state.pairs.test[0]
            answers = Predictor(networks, batch_size=4)(as_pictures(config, images[pairs]))
            right = answers.holds == (labels[pairs[:, 0]] <= labels[pairs[:, 1]])
            figures = summary['trials'][trial]
            assert right.mean() == figures['final_test_accuracy']['values'][place]
            digits = np.stack([answers.digits_a, answers.digits_b], axis=1).argmax(axis=2)
            expected = figures['final_digit_accuracy']['values'][place]
            assert (digits == labels[pairs]).mean() == expected


def test_an_ensemble_averages_the_probabilities_of_its_seeds(finished):
    workdir = finished[1]
    pictures = np.random.default_rng(0).uniform(0, 255, (5, 2, 14, 14))
    each = [Predictor(restore_networks(workdir, 1, seed), 8)(pictures) for seed in (0, 1, 2)]
    networks = restore_networks(workdir, 1, ensemble=True)
    assert networks.seeds == [0, 1, 2] and 'seeds 0, 1, 2' in str(networks)
    together = Predictor(networks, 8)(pictures)
    for name in ('probability', 'digits_a', 'digits_b'):
        expected = np.mean([getattr(answers, name) for answers in each], axis=0)
        np.testing.assert_allclose(getattr(together, name), expected, atol=1e-6)
    np.testing.assert_array_equal(together.holds, together.probability > 0.5)
    assert np.ptp([answers.probability for answers in each]) > 1e-3


def test_the_batch_size_changes_no_answer(finished):
    networks = restore_networks(finished[1])
    pictures = np.random.default_rng(1).uniform(0, 255, (7, 2, 14, 14))
    one, three, all_at_once = (Predictor(networks, size)(pictures) for size in (1, 3, 7))
    for other in (one, three):
        assert other.probability.shape == (7,) and other.digits_a.shape == (7, 10)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), other, all_at_once)


def test_a_network_without_digit_heads_reads_no_digits(small_config, tmp_path):
    small_config.model.name, small_config.model.widths = 'ShallowModel', (8,)
    small_config.model.dropout_rate = small_config.loss.aux_weight = 0.0
    run_experiment(small_config, tmp_path / 'shallow')
    answers = Predictor(restore_networks(tmp_path / 'shallow'), 2)(np.zeros((3, 2, 14, 14)))
    assert answers.digits_a is None and answers.digits_b is None
    assert answers.probability.shape == (3,)
    assert predictor.picture_words(False, answers.digits_a) == 'not inverted'


def test_the_selected_trial_and_its_first_good_seed_answer(copy):
    def change(summary):
        summary['selected_trial'] = 2
        summary['trials'][2]['failed_seeds'] = [0]

    change_summary(copy, change)
    networks = restore_networks(copy)
    assert (networks.trial.index, networks.seeds) == (2, [1])
    assert restore_networks(copy, ensemble=True).seeds == [1, 2]
    with pytest.raises(UserError, match=r'--seed=0 failed in training; .* holds \[1, 2\]'):
        restore_networks(copy, seed=0)


def test_a_seed_that_failed_is_known_without_a_summary(copy, finished):
    (copy / 'summary.json').unlink()
    directory = checkpoint_directory(copy, 0)
    with Checkpoints(directory) as checkpoints:
        state = restore_networks(finished[1], 0, ensemble=True).state
        both = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf]), state)
        failed = np.array([True, False, False, True, True, True])
        checkpoints.save(3, both.replace(failed=failed), {})
    assert restore_networks(copy, trial=0).seeds == [1]
    with pytest.raises(UserError, match='every seed of that trial'):
        restore_networks(copy, trial=2)


def test_an_unfinished_sweep_has_no_selected_trial(copy):
    (copy / 'summary.json').unlink()
    with pytest.raises(UserError, match=r'4 trials and is not finished.*--trial'):
        restore_networks(copy)
    assert restore_networks(copy, trial=3).trial.index == 3


@pytest.mark.parametrize(
    ('choice', 'message'),
    [
        ({'trial': 4}, r'--trial=4 does not exist; .* has 0 to 3'),
        ({'trial': -1}, r'--trial=-1'),
        ({'seed': 7}, r'--seed=7 was not trained; .* holds \[0, 1, 2\]'),
        ({'seed': 1, 'ensemble': True}, r'leave out --seed=1'),
    ],
)
def test_a_choice_that_is_not_there_is_named(finished, choice, message):
    with pytest.raises(UserError, match=message):
        restore_networks(finished[1], **choice)


def test_a_workdir_without_checkpoints_says_so(copy):
    shutil.rmtree(copy / 'checkpoints')
    with pytest.raises(UserError, match='no checkpoint'):
        restore_networks(copy)
    change_summary(copy, lambda summary: summary.update(selected_trial=None))
    with pytest.raises(UserError, match='every run'):
        restore_networks(copy)


def test_the_kept_network_is_trained_once_and_never_taken_for_another(
    small_config, monkeypatch, tmp_path
):
    monkeypatch.setenv('PAIRJAX_CACHE_DIR', str(tmp_path))
    small_config.num_seeds, small_config.model.widths = 1, (4, 4, 4, 8)
    display, trained = ProgressDisplay(), []

    def train(config, workdir, callbacks):
        trained.append(workdir)
        return run_experiment(config, workdir, callbacks=callbacks)

    monkeypatch.setattr(predictor, 'run_experiment', train)
    first = kept_network(small_config, display)
    assert first.is_relative_to(cache_directory()) and restore_networks(first).seeds == [0]
    assert kept_network(small_config, display) == first and trained == [first]
    small_config.optimizer.learning_rate = 1e-3
    assert kept_network(small_config, display) != first
    monkeypatch.setattr(predictor, '__version__', 'another')
    kept_network(small_config, display)
    assert len(set(trained)) == len(trained) == 3
