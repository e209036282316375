"""Predictions of restored networks for images, against the experiment that trained them."""

import json
import shutil

import jax
import numpy as np
import pytest
from conftest import make_small_config

from pairjax.data.sources import load_digits
from pairjax.errors import UserError
from pairjax.inference import restore
from pairjax.inference.batch_predict import prediction_columns
from pairjax.inference.image_preprocessing import PreparedImage
from pairjax.inference.networks import restore_runs
from pairjax.inference.predict_command import image_text
from pairjax.inference.predictor import Predictor
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.plan import make_plan
from pairjax.workdir.checkpoints import Checkpoints
from pairjax.workdir.workdir import checkpoint_directory


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


def as_pixels(config, images):
    """The source's images on the scale of image files, 0 to 255."""
    train = load_digits('npz', config.data.dir).train_images
    return 255 * (images - train.min()) / (train.max() - train.min())


def test_every_network_predicts_its_test_pairs_as_in_training(finished):
    config, workdir, summary = finished
    plan = make_plan(config)
    images, labels = np.asarray(plan.pools.images), np.asarray(plan.pools.labels)
    for trial in range(4):
        for place, seed in enumerate((0, 1, 2)):
            networks = restore_runs(workdir, trial, seed)
            assert (networks.runs[0][0].index, networks.seeds, networks.epoch) == (trial, [seed], 3)
            pairs = networks.state.pairs.test[0]
            predictions = Predictor(networks, batch_size=4)(as_pixels(config, images[pairs]))
            right = predictions.holds == (labels[pairs[:, 0]] <= labels[pairs[:, 1]])
            figures = summary['trials'][trial]
            assert right.mean() == figures['final_test_accuracy']['values'][place]
            digits = np.stack([predictions.digits_a, predictions.digits_b], axis=1).argmax(axis=2)
            expected = figures['final_digit_accuracy']['values'][place]
            assert (digits == labels[pairs]).mean() == expected


def test_an_ensemble_averages_the_probabilities_of_its_seeds(finished):
    workdir = finished[1]
    pixels = np.random.default_rng(0).uniform(0, 255, (5, 2, 14, 14))
    each = [Predictor(restore_runs(workdir, 1, seed), 8)(pixels) for seed in (0, 1, 2)]
    networks = restore_runs(workdir, 1, ensemble=True)
    assert networks.seeds == [0, 1, 2] and 'seeds 0, 1, 2' in str(networks)
    together = Predictor(networks, 8)(pixels)
    for name in ('probability', 'digits_a', 'digits_b'):
        expected = np.mean([getattr(predictions, name) for predictions in each], axis=0)
        np.testing.assert_allclose(getattr(together, name), expected, atol=1e-6)
    np.testing.assert_array_equal(together.holds, together.probability > 0.5)
    assert np.ptp([predictions.probability for predictions in each]) > 1e-3


def changed_data(networks, **fields):
    plan = networks.plan
    return networks._replace(plan=plan._replace(data={**plan.data, **fields}))


def test_pixels_are_put_on_the_scale_of_the_training_without_its_images(finished, monkeypatch):
    networks = restore_runs(finished[1])
    train = load_digits('npz', finished[0].data.dir)
    scale = {name: networks.plan.data[name] for name in ('black', 'white')}
    assert tuple(scale.values()) == (train.train_images.min(), train.train_images.max())
    assert scale['black'] < 0 and scale['white'] > 255
    old = networks._replace(plan=networks.plan._replace(data=dict(networks.plan.data)))
    for name in scale:
        del old.plan.data[name]
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 2, 14, 14))
    expected = Predictor(old, 4)(pixels).probability  # Reads the images.
    monkeypatch.setattr(restore, 'load_config_digits', None)
    np.testing.assert_array_equal(Predictor(networks, 4)(pixels).probability, expected)
    # Images from 0 to 1 of the same network.
    ones = Predictor(changed_data(networks, black=0.0, white=1.0), 4)(pixels * 255).probability
    bytes_ = Predictor(changed_data(networks, black=0.0, white=255.0), 4)(pixels).probability
    np.testing.assert_allclose(ones, bytes_, atol=1e-5)
    assert np.abs(ones - expected).max() > 1e-3


def test_predictions_name_the_classes(finished):
    networks = restore_runs(finished[1])
    assert networks.class_names == tuple('0123456789')
    named = changed_data(networks, class_names=['nought', 'one'])
    assert named.class_names == ('nought', 'one', *'23456789')
    predict = Predictor(named, 1)
    assert predict.class_names == named.class_names
    predictions = predict(np.zeros((1, 2, 14, 14)))
    text = image_text(False, np.eye(10)[:1], named.class_names, 'unsure')
    assert text == 'class nought (probability 1.000), unsure'
    assert 'digit 7 (' in image_text(False, np.eye(10)[7:8], named.class_names)
    pair = [PreparedImage(np.zeros((14, 14), np.float32), False)] * 2
    wanted = predictions._replace(digits_a=np.eye(10)[1:2], digits_b=np.eye(10)[3:4])
    assert prediction_columns(wanted, named.class_names, [pair])[0][0][2:4] == ('one', '3')


def test_the_batch_size_changes_no_prediction(finished):
    networks = restore_runs(finished[1])
    pixels = np.random.default_rng(1).uniform(0, 255, (7, 2, 14, 14))
    one, three, all_at_once = (Predictor(networks, size)(pixels) for size in (1, 3, 7))
    for other in (one, three):
        assert other.probability.shape == (7,) and other.digits_a.shape == (7, 10)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), other, all_at_once)


def test_a_network_without_digit_heads_predicts_no_digits(small_config, tmp_path):
    small_config.model.name, small_config.model.widths = 'ShallowModel', (8,)
    small_config.model.dropout_rate = small_config.loss.aux_weight = 0.0
    run_experiment(small_config, tmp_path / 'shallow')
    predictions = Predictor(restore_runs(tmp_path / 'shallow'), 2)(np.zeros((3, 2, 14, 14)))
    assert predictions.digits_a is None and predictions.digits_b is None
    assert predictions.probability.shape == (3,)
    assert image_text(False, predictions.digits_a, ()) == 'not inverted'


def test_the_selected_trial_and_its_first_good_seed_predict(copy):
    def change(summary):
        summary['selected_trial'] = 2
        summary['trials'][2]['failed_seeds'] = [0]

    change_summary(copy, change)
    networks = restore_runs(copy)
    assert (networks.runs[0][0].index, networks.seeds) == (2, [1])
    assert restore_runs(copy, ensemble=True).seeds == [1, 2]
    with pytest.raises(UserError, match=r'seed=0 failed in training; .*\[1, 2\] did not'):
        restore_runs(copy, seed=0)


def test_a_seed_that_failed_is_known_without_a_summary(copy, finished):
    (copy / 'summary.json').unlink()
    directory = checkpoint_directory(copy, 0)
    checkpoints = Checkpoints(directory)
    state = restore_runs(finished[1], 0, ensemble=True).state
    both = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf]), state)
    failed = np.array([True, False, False, True, True, True])
    checkpoints.save(3, both.replace(failed=failed), {})
    assert restore_runs(copy, trial=0).seeds == [1]
    with pytest.raises(UserError, match='every seed of that trial'):
        restore_runs(copy, trial=2)


def test_an_unfinished_sweep_has_no_selected_trial(copy):
    (copy / 'summary.json').unlink()
    with pytest.raises(UserError, match=r'4 trials and its training is not finished.*with trial'):
        restore_runs(copy)
    assert restore_runs(copy, trial=3).runs[0][0].index == 3


@pytest.mark.parametrize(
    ('choice', 'message'),
    [
        ({'trial': 4}, r'trial=4 does not exist; .* has 0 to 3'),
        ({'trial': -1}, r'trial=-1'),
        ({'seed': 7}, r'seed=7 was not trained; .* has the seeds \[0, 1, 2\]'),
        ({'seed': 1, 'ensemble': True}, r'leave out seed=1'),
    ],
)
def test_a_choice_that_is_not_there_is_named(finished, choice, message):
    with pytest.raises(UserError, match=message):
        restore_runs(finished[1], **choice)


def test_a_workdir_without_checkpoints_says_so(copy):
    shutil.rmtree(copy / 'checkpoints')
    with pytest.raises(UserError, match='no checkpoint'):
        restore_runs(copy)
    change_summary(copy, lambda summary: summary.update(selected_trial=None))
    with pytest.raises(UserError, match='every run'):
        restore_runs(copy)
