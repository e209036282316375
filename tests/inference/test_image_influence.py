"""Intervals over seeds and test images, from the checkpoints of trained runs."""

import numpy as np
import pytest

from pairjax.analysis.arms import read_arms
from pairjax.analysis.paired import compare_workdirs
from pairjax.inference.image_influence import over_all_pairs, with_images
from pairjax.runtime.experiment import run_experiment


def test_drawn_pairs_give_the_difference_of_the_table(small_sweep):
    run = small_sweep / 'run'
    comparison = compare_workdirs([f'{run}:1', f'{run}:2'], 'final_test_accuracy')
    assert comparison.needs_images
    (found,) = with_images(comparison).crossed
    assert found.mean == pytest.approx(comparison.pairs[0].paired.mean)
    # Three seeds allow no bounded interval by the test that p is of.
    assert found.seeds_only is found.ci95 is comparison.pairs[0].paired.ci95 is None
    assert (found.n, found.num_images) == (3, 300) and '150 test pairs' in found.pairs


def test_all_pairs_give_the_exact_accuracy_of_the_summary(small_config, tmp_path):
    small_config.model.head, small_config.loss.main_weight = 'argmax', 0.0
    small_config.train.num_epochs = 1
    run_experiment(small_config, tmp_path / 'run')
    (arm,) = read_arms([str(tmp_path / 'run')], fewest=1)
    found = over_all_pairs(arm, [0, 1, 2])
    expected = arm.trial.values('exact_pair_accuracy')
    np.testing.assert_allclose(found.accuracies, expected)
    assert found.influence.shape == (3, 40) and '1,560 ordered pairs' in found.pairs
    np.testing.assert_allclose(found.influence.sum(axis=1), 0, atol=1e-12)


def test_what_cannot_be_evaluated_is_said(small_sweep, tmp_path):
    run = small_sweep / 'run'
    comparison = compare_workdirs([f'{run}:1', f'{run}:2'], 'final_test_accuracy')
    gone = comparison.arms[0].experiment.workdir.with_name('gone')
    experiment = comparison.arms[0].experiment
    object.__setattr__(experiment, 'workdir', gone)
    note = with_images(comparison).crossed_note
    assert note.startswith('no interval over other test digits: ') and 'gone' in note
