"""What restored networks answer: the same as evaluation counts, trial by trial and seed by seed."""

import shutil

import jax
import numpy as np
import pytest
from conftest import make_small_config
from flax import nnx

from pairjax import training
from pairjax.answers import ask_trial
from pairjax.config import validate
from pairjax.digits import load_digits
from pairjax.errors import UserError
from pairjax.evaluation import evaluate_workdir
from pairjax.experiment import run_experiment
from pairjax.models import build_model
from pairjax.pairs import make_pools
from pairjax.runs import hyperparameters_of


@pytest.fixture(scope='module')
def swept(tmp_path_factory, small_digits_path):
    """Four trials of two programs, three seeds each, with what evaluation says of them."""
    config = make_small_config(small_digits_path)
    config.sweep.product = (
        ('model.widths', ((4, 4, 4, 8), (4, 4, 8, 4))),
        ('optimizer.learning_rate', (1e-3, 1e-2)),
    )
    workdir = tmp_path_factory.mktemp('swept') / 'run'
    run_experiment(config, workdir)
    return workdir, evaluate_workdir(workdir)


@pytest.fixture(scope='module')
def without_heads(tmp_path_factory):
    """ShallowModel on three classes, 150 test pairs (more than a batch) of another relation."""
    generator = np.random.default_rng(1)
    directory = tmp_path_factory.mktemp('heads')
    arrays = {}
    for name, size in (('train', 60), ('test', 300)):
        arrays[f'{name}_images'] = generator.uniform(0, 1, (size, 14, 14))
        arrays[f'{name}_labels'] = np.arange(size) % 3
    np.savez(directory / 'three.npz', **arrays)
    config = make_small_config(directory / 'three.npz')
    config.model.name, config.model.widths, config.model.dropout_rate = 'ShallowModel', (8,), 0.0
    config.loss.aux_weight, config.data.relation = 0.0, 'same_parity'
    config.data.num_test_pairs = 150
    run_experiment(config, directory / 'run')
    return directory / 'run', evaluate_workdir(directory / 'run')


@pytest.mark.parametrize('index', range(4))
def test_answers_are_right_exactly_as_often_as_evaluation_says(swept, index):
    workdir, rows = swept
    answers = ask_trial(workdir, index, [0, 1, 2])
    mine = [row for row in rows if row['trial'] == index]
    assert answers.seeds == [row['seed'] for row in mine] and answers.epoch == 3
    assert answers.right.mean(axis=1).tolist() == [row['test_accuracy'] for row in mine]
    right = (answers.readings.read == answers.classes).mean(axis=(1, 2))
    assert right.tolist() == [row['test_digit_accuracy'] for row in mine]
    # Trials differ, so that the right one was asked.
    others = [row['test_digit_accuracy'] for row in rows if row['trial'] != index]
    assert others != right.tolist() * 3


def test_without_digit_heads_and_with_any_classes_and_relation(without_heads):
    workdir, rows = without_heads
    answers = ask_trial(workdir, 0, [0, 1, 2])
    assert answers.readings is None and answers.num_classes == 3
    assert answers.relation == 'same_parity'
    np.testing.assert_array_equal(answers.targets, answers.classes.sum(axis=2) % 2 == 0)
    assert answers.log_odds.shape == (3, 150)
    assert answers.right.mean(axis=1).tolist() == [row['test_accuracy'] for row in rows]


def test_pictures_and_classes_belong_together(swept, small_digits_path):
    answers = ask_trial(swept[0], 1, [0, 1, 2])
    digits = load_digits('npz', str(small_digits_path))
    assert answers.pairs.shape == (3, 15, 2)
    np.testing.assert_array_equal(digits.test_labels[answers.pairs], answers.classes)
    np.testing.assert_array_equal(answers.images, digits.test_images)
    np.testing.assert_array_equal(
        answers.targets, answers.classes[..., 0] <= answers.classes[..., 1]
    )


def test_probabilities_are_those_of_the_untrained_network(tmp_path, small_digits_path):
    # Nothing is learned, so that the network is the one that its seed begins with.
    config = make_small_config(small_digits_path)
    config.optimizer.learning_rate, config.train.num_epochs = 0.0, 1
    run_experiment(config, tmp_path / 'run')
    answers = ask_trial(tmp_path / 'run', 0, [1, 2])
    digits, config = load_digits('npz', str(small_digits_path)), validate(config)
    state = training.init_state(config, make_pools(digits), 2, hyperparameters_of(config))
    rngs = nnx.Rngs(params=training.run_key(2, training.Purpose.PARAMS))
    model = build_model(config.model, 10, rngs)
    train = digits.train_images[np.asarray(state.pairs.train)].astype(np.float64)
    images = (digits.test_images[answers.pairs[1]] - train.mean()) / train.std(ddof=1)
    output = model(images.astype(np.float32))
    holds = jax.nn.softmax(output.main_logits)[:, 1]
    np.testing.assert_allclose(1 / (1 + np.exp(-answers.log_odds[1])), holds, rtol=1e-4)
    places = np.arange(15)
    for image, logits in enumerate((output.digit_logits_a, output.digit_logits_b)):
        chances = np.asarray(jax.nn.softmax(logits))
        readings = [values[1, :, image] for values in answers.readings]
        np.testing.assert_array_equal(readings[0], chances.argmax(axis=1))
        np.testing.assert_allclose(readings[1], chances.max(axis=1), rtol=1e-4)
        mine = chances[places, answers.classes[1, :, image]]
        np.testing.assert_allclose(readings[2], mine, rtol=1e-4)


def test_seeds_that_failed_are_not_asked(swept):
    every, some = (ask_trial(swept[0], 3, seeds) for seeds in ([0, 1, 2], [0, 2]))
    assert some.seeds == [0, 2]
    np.testing.assert_array_equal(some.pairs, every.pairs[[0, 2]])
    np.testing.assert_allclose(some.log_odds, every.log_odds[[0, 2]], rtol=1e-5)


def test_what_is_missing_is_one_sentence(swept, tmp_path):
    workdir = tmp_path / 'copy'
    shutil.copytree(swept[0], workdir)
    shutil.rmtree(workdir / 'checkpoints' / 'program_0000')
    with pytest.raises(UserError, match='program_0000 holds no checkpoint') as error:
        ask_trial(workdir, 1, [0])
    assert '\n' not in str(error.value)
    assert ask_trial(workdir, 2, [0]).seeds == [0]  # Of the other program.
