"""Mistakes, confusions, distances and calibration against hand-worked numbers and plain loops."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from made_predictions import make_predictions, random_predictions

from pairjax.analysis.error_analysis import (
    accuracy_by_distance,
    calibrated_error,
    calibration_error,
    calibration_errors,
    confident_mistakes,
    count_confusions,
    overconfidence,
    reliability,
)


def odds(*chances):
    """The log odds of these probabilities."""
    return [math.log(chance / (1 - chance)) for chance in chances]


# Two runs predict whether a <= b of four pairs each; right, wrong, right, wrong and all right.
CLASSES = [[(1, 4), (4, 1), (2, 2), (3, 5)], [(1, 4), (4, 1), (5, 5), (0, 9)]]
PREDICTIONS = make_predictions(
    CLASSES,
    [odds(0.9, 0.7, 0.6, 0.2), odds(0.95, 0.05, 0.8, 0.97)],
    digits=[[(1, 9), (4, 1), (2, 2), (3, 3)], [(1, 9), (4, 1), (5, 5), (0, 9)]],
)


def test_predictions_and_their_confidence_worked_by_hand():
    assert PREDICTIONS.targets.tolist() == [[True, False, True, True], [True, False, True, True]]
    assert PREDICTIONS.predicted.tolist() == [[True, True, True, False], [True, False, True, True]]
    assert PREDICTIONS.correct.tolist() == [[True, False, True, False], [True] * 4]
    confidence = [[0.9, 0.7, 0.6, 0.8], [0.95, 0.95, 0.8, 0.97]]
    np.testing.assert_allclose(PREDICTIONS.confidence, confidence, rtol=1e-6)


def test_mean_confidence_minus_accuracy_worked_by_hand():
    expected = [(0.9 + 0.7 + 0.6 + 0.8) / 4 - 0.5, (0.95 + 0.95 + 0.8 + 0.97) / 4 - 1]
    np.testing.assert_allclose(overconfidence(PREDICTIONS), expected, rtol=1e-6)


def test_confusions_are_counted_over_runs_and_both_images():
    kept = {(0, 0): 1, (1, 1): 4, (2, 2): 2, (3, 3): 1, (4, 4): 2, (5, 5): 2, (9, 9): 1}
    assert count_confusions(PREDICTIONS).to_dict() == kept | {(4, 9): 2, (5, 3): 1}


def test_distances_worked_by_hand():
    rows = accuracy_by_distance(PREDICTIONS)
    assert [(r.distance, r.n, r.holds) for r in rows] == [
        (0, 2, 1.0),
        (2, 1, 1.0),
        (3, 4, 0.5),
        (9, 1, 1.0),
    ]
    # By run, which has pairs at that distance or has not.
    values = [[1.0, 1.0], [0.0, None], [0.5, 1.0], [None, 1.0]]
    assert [row.accuracy['values'] for row in rows] == values
    low, high = scipy.stats.t.interval(0.95, 1, 0.75, 0.25)
    assert rows[2].accuracy['ci95'] == pytest.approx([low, high])
    assert rows[1].accuracy['ci95'] is None


def test_a_bin_has_its_lower_end_and_the_last_one_both():
    confidence = np.array([0.5, 0.5499, 0.6, 0.95, 1.0])
    right = np.array([1, 0, 1, 1, 0], bool)
    expected = (abs((0.5 - 1) + 0.5499) + abs(0.6 - 1) + abs((0.95 - 1) + 1.0)) / 5
    assert calibration_error(confidence, right) == pytest.approx(expected)


def test_being_right_as_often_as_one_says_is_no_error():
    assert calibration_error(np.full(4, 0.75), np.array([1, 1, 1, 0], bool)) == 0
    assert calibration_error(np.full(4, 0.75), np.zeros(4, bool)) == 0.75


def loop_bins(confidences, rights):
    """Predictions by bin in integers, so that no edge is rounded: {bin: [(confidence, right)]}."""
    bins = {}
    for confidence, right in zip(confidences, rights, strict=True):
        bins.setdefault(min(int((confidence * 1000 - 500) // 50), 9), []).append(
            (confidence, right)
        )
    return bins


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(5000, 10000), st.booleans()), min_size=1, max_size=60))
def test_the_error_is_that_of_the_definition(pairs):
    # Between the edges, where rounding decides nothing.
    confidences = [(n + 0.5) / 10000 if n < 10000 else 1.0 for n, _ in pairs]
    rights = [right for _, right in pairs]
    expected = 0
    for members in loop_bins(confidences, rights).values():
        accuracy = sum(right for _, right in members) / len(members)
        confidence = sum(confidence for confidence, _ in members) / len(members)
        expected += len(members) / len(pairs) * abs(accuracy - confidence)
    error = calibration_error(np.array(confidences), np.array(rights))
    assert error == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 80), st.integers(2, 30))
def test_every_group_is_that_of_a_plain_loop(seed, num_runs, num_pairs, num_classes):
    predictions = random_predictions(seed, num_runs, num_pairs, num_classes)
    distances, bins, confusions = {}, {}, {}
    for run in range(num_runs):
        for pair in range(num_pairs):
            a, b = (int(c) for c in predictions.classes[run, pair])
            p = 1 / (1 + math.exp(-float(predictions.log_odds[run, pair])))
            right = (p > 0.5) == (a <= b)
            confidence = max(p, 1 - p)
            distances.setdefault(abs(a - b), []).append((run, right))
            bins.setdefault(min(int((confidence - 0.5) * 20), 9), []).append((run, right))
            for image, digit in enumerate((a, b)):
                kind = digit, int(predictions.digits.predicted[run, pair, image])
                confusions[kind] = confusions.get(kind, 0) + 1

    def accuracies(members):
        mine = [[right for run, right in members if run == i] for i in range(num_runs)]
        return [sum(rights) / len(rights) if rights else None for rights in mine]

    assert count_confusions(predictions).to_dict() == confusions
    rows = accuracy_by_distance(predictions)
    assert [row.distance for row in rows] == sorted(distances)
    for row in rows:
        assert row.n == len(distances[row.distance])
        assert row.accuracy['values'] == pytest.approx(accuracies(distances[row.distance]))
    rows = reliability(predictions)
    assert [round(20 * (row.low - 0.5)) for row in rows] == sorted(bins)
    for row, number in zip(rows, sorted(bins), strict=True):
        assert row.n == len(bins[number])
        assert row.accuracy['values'] == pytest.approx(accuracies(bins[number]))
        assert row.low <= row.confidence['mean'] <= row.high == pytest.approx(row.low + 0.05)


def test_the_error_of_calibrated_networks_is_that_of_the_binomial():
    # 40 predictions of confidence 0.8 in one bin: E|k / 40 - 0.8| with k binomial.
    predictions = make_predictions([[(1, 2)] * 40] * 20, [odds(0.8) * 40] * 20)
    k = np.arange(41)
    expected = np.sum(scipy.stats.binom.pmf(k, 40, 0.8) * np.abs(k / 40 - 0.8))
    assert calibrated_error(predictions) == pytest.approx(expected, rel=0.05)
    assert calibrated_error(predictions) == calibrated_error(predictions)
    assert calibration_errors(predictions) == pytest.approx([0.2] * 20)


# ------------------------------------------------------------------------------ mistakes


def test_the_most_confident_mistakes_come_first():
    assert confident_mistakes(PREDICTIONS, 9) == [(0, 3), (0, 1)]
    assert confident_mistakes(PREDICTIONS, 1) == [(0, 3)]


def test_order_is_kept_where_probabilities_round_to_one():
    # All wrong: 2 <= 1 does not hold.
    predictions = make_predictions([[(2, 1)] * 4], [[50, 90, 40, 70]])
    assert len(set(predictions.confidence.ravel())) == 1
    assert confident_mistakes(predictions, 4) == [(0, 1), (0, 3), (0, 0), (0, 2)]


def test_an_image_is_shown_once():
    pairs = [[(0, 1), (2, 3), (4, 5)], [(0, 1), (3, 6), (7, 4)]]
    predictions = make_predictions([[(2, 1)] * 3] * 2, [[6, 5, 1], [4, 3, 2]], pairs=pairs)
    # The same pair of another seed, then a pair that shares an image, are passed over; so is the
    # last one, for an image that its predecessor shows.
    assert confident_mistakes(predictions, 9) == [(0, 0), (0, 1), (1, 2)]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 20))
def test_what_is_passed_over_shares_an_image_with_a_more_confident_mistake(seed, most):
    generator = np.random.default_rng(seed)
    pairs = np.stack([generator.permutation(40).reshape(20, 2) for _ in range(3)])
    predictions = random_predictions(seed, 3, 20, pairs=pairs)
    chosen = confident_mistakes(predictions, most)
    images = [set(pairs[place]) for place in chosen]
    assert len(set().union(*images)) == 2 * len(chosen) and len(chosen) <= most
    confidences = [predictions.confidence[place] for place in chosen]
    assert confidences == sorted(confidences, reverse=True)
    for place in zip(*np.nonzero(~predictions.correct), strict=True):
        before = [
            i
            for i, c in zip(images, confidences, strict=True)
            if c >= predictions.confidence[place]
        ]
        assert place in chosen or len(chosen) == most or set(pairs[place]) & set().union(*before)
