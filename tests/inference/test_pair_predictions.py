"""Predictions of restored networks: as often right as evaluation counts, for every seed."""

import json
import shutil

import jax
import numpy as np
import pytest
from flax import nnx

from pairjax.config import validate
from pairjax.data.pairs import draw_pairs, make_pools
from pairjax.data.sources import load_digits
from pairjax.errors import UserError
from pairjax.inference.evaluate_workdir import evaluate_workdir
from pairjax.inference.pair_predictions import predict_test_pairs
from pairjax.models.registry import build_model
from pairjax.training.state import Purpose, run_key
from pairjax.trials import expand_trials
from pairjax.workdir.workdir import read_config


@pytest.fixture(scope='module')
def evaluated(small_sweep):
    return evaluate_workdir(small_sweep / 'run')


@pytest.mark.parametrize('index', range(3))
def test_predictions_are_right_exactly_as_often_as_evaluation_says(small_sweep, evaluated, index):
    answers = predict_test_pairs(small_sweep / 'run', index, [0, 1, 2])
    mine = [row for row in evaluated if row['trial'] == index]
    assert answers.seeds == [row['seed'] for row in mine] and answers.epoch == 10
    assert answers.correct.mean(axis=1).tolist() == [row['test_accuracy'] for row in mine]
    digits = [row['test_digit_accuracy'] for row in mine]
    if index == 0:
        assert answers.digits is None and digits == [None] * 3
    else:
        right = (answers.digits.predicted == answers.classes).mean(axis=(1, 2))
        assert right.tolist() == digits
    # Trials differ: it was the right one.
    assert (
        len({tuple(row['test_accuracy'] for row in evaluated[i : i + 3]) for i in (0, 3, 6)}) == 3
    )


def test_what_loading_other_digits_says_and_names_that_differ_are_said(small_sweep, tmp_path):
    workdir = shutil.copytree(small_sweep / 'run', tmp_path / 'run')
    content = json.loads((workdir / 'config.json').read_text())
    content['data']['class_names'] = ['bag', 'coat', 'tee']
    (workdir / 'config.json').write_text(json.dumps(content))
    with np.load(small_sweep / 'digits.npz') as archive:
        arrays = dict(archive)
    for name in ('train_labels', 'test_labels'):
        arrays[name] = np.array(['bag', 'dress', 'tee'])[arrays[name]]
    more = {f'val_{kind}': arrays[f'test_{kind}'][:5] for kind in ('images', 'labels')}
    np.savez(tmp_path / 'other.npz', **arrays, **more)
    messages = []
    evaluate_workdir(workdir, 'npz', str(tmp_path / 'other.npz'), on_message=messages.append)
    assert messages[0] == 'data: the images of the split validation are not used'
    assert messages[1] == "data: class 1 is named 'dress' here and 'coat' in training: " + (
        'accuracies mean something only if these are the same'
    )
    assert len(messages) == 2


def test_pairs_show_the_images_of_their_classes(small_sweep):
    answers = predict_test_pairs(small_sweep / 'run', 2, [0, 1, 2])
    digits = load_digits('npz', str(small_sweep / 'digits.npz'))
    assert answers.pairs.shape == (3, 150, 2) and answers.log_odds.shape == (3, 150)
    assert answers.num_classes == 3 and answers.relation == 'same_parity'
    np.testing.assert_array_equal(answers.images, digits.test_images)
    np.testing.assert_array_equal(digits.test_labels[answers.pairs], answers.classes)
    np.testing.assert_array_equal(answers.targets, answers.classes.sum(axis=2) % 2 == 0)


def test_probabilities_are_those_of_the_network(small_sweep):
    # Trial 1 learned nothing: its network is the one that its seed begins with.
    answers = predict_test_pairs(small_sweep / 'run', 1, [1, 2])
    digits = load_digits('npz', str(small_sweep / 'digits.npz'))
    config = validate(read_config(small_sweep / 'run')['config'])
    config = expand_trials(config)[1].config
    pairs = draw_pairs(run_key(2, Purpose.PAIRS), config.data, make_pools(digits))
    train = digits.train_images[np.asarray(pairs.train)].astype(np.float64)
    images = (digits.test_images[answers.pairs[1]] - train.mean()) / train.std(ddof=1)

    @jax.jit
    def forward(images):
        rngs = nnx.Rngs(params=run_key(2, Purpose.PARAMS))
        return build_model(config.model, 3, rngs)(images)

    output = forward(images.astype(np.float32))
    holds = jax.nn.softmax(output.main_logits)[:, 1]
    np.testing.assert_allclose(1 / (1 + np.exp(-answers.log_odds[1])), holds, rtol=1e-4)
    places = np.arange(150)
    for image, logits in enumerate((output.digit_logits_a, output.digit_logits_b)):
        chances = np.asarray(jax.nn.softmax(logits))
        read, probability, true_probability = (v[1, :, image] for v in answers.digits)
        np.testing.assert_array_equal(read, chances.argmax(axis=1))
        np.testing.assert_allclose(probability, chances.max(axis=1), rtol=1e-4)
        mine = chances[places, answers.classes[1, :, image]]
        np.testing.assert_allclose(true_probability, mine, rtol=1e-4)


def test_seeds_that_failed_are_not_evaluated(small_sweep):
    every, some = (
        predict_test_pairs(small_sweep / 'run', 2, seeds) for seeds in ([0, 1, 2], [0, 2])
    )
    assert some.seeds == [0, 2]
    np.testing.assert_array_equal(some.pairs, every.pairs[[0, 2]])
    np.testing.assert_allclose(some.log_odds, every.log_odds[[0, 2]], rtol=1e-4, atol=1e-5)


def test_checkpoints_that_are_missing_are_named(small_sweep, tmp_path):
    workdir = shutil.copytree(small_sweep / 'run', tmp_path / 'copy')
    shutil.rmtree(workdir / 'checkpoints' / 'program_0001')
    with pytest.raises(UserError, match='program_0001 holds no checkpoint') as error:
        predict_test_pairs(workdir, 2, [0])
    assert '\n' not in str(error.value)
    assert predict_test_pairs(workdir, 0, [0]).seeds == [0]  # Of the other program.
