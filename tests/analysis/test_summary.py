"""summary.json from the lines of metrics.jsonl, against figures worked out by hand."""

import json

import pandas as pd
import pytest

from pairjax.analysis.summary import summarize, summarize_trial

FIGURES = (
    'final_test_accuracy',
    'best_epoch_test_accuracy',
    'best_validation_epoch_test_accuracy',
    'final_validation_accuracy',
    'final_train_accuracy',
    'final_digit_accuracy',
)
POOL_FIGURES = ('exact_pair_accuracy', 'sampled_pair_accuracy')


def lines_of(test, validation=None, train=None, digits=None, loss=None, trial=0, seconds=1.0):
    """Lines of metrics.jsonl in the order of training, from one list over epochs per seed.

    Each list is in tenths, so that a test can be read; None stands for null. What is not
    given is the test list (train, validation), null (digits) or 1.0 (loss).
    """
    num_epochs = len(next(iter(test.values())))

    def tenths(lists, seed, epoch, default):
        value = default if lists is None else lists[seed][epoch]
        return None if value is None else value / 10

    lines = []
    for epoch in range(num_epochs):
        for seed in test:
            same = test[seed][epoch]
            digit = tenths(digits, seed, epoch, None)
            lines.append(
                {
                    'trial': trial,
                    'seed': seed,
                    'epoch': epoch + 1,
                    'train_loss': tenths(loss, seed, epoch, 10),
                    'train_accuracy': tenths(train, seed, epoch, same),
                    'validation_accuracy': tenths(validation, seed, epoch, same),
                    'test_accuracy': tenths(None, seed, epoch, same),
                    'train_digit_accuracy': digit,
                    'validation_digit_accuracy': digit,
                    'test_digit_accuracy': digit,
                    'train_seconds': seconds,
                    'compile_seconds': 3.0 if epoch == 0 else 0.0,
                }
            )
    return lines


def trial_of(*arguments, **keywords):
    return summarize_trial(pd.DataFrame.from_records(lines_of(*arguments, **keywords)))


def values(row, name):
    return row[name]['values']


# -------------------------------------------------------------------- one trial


def test_each_figure_is_taken_per_seed():
    row = trial_of(
        test={0: [4, 9, 6], 1: [8, 5, 7]},
        validation={0: [3, 5, 7], 1: [2, 6, 1]},
        train={0: [1, 2, 3], 1: [4, 5, 6]},
        digits={0: [5, 6, 7], 1: [7, 8, 8]},
    )
    assert row['seeds'] == [0, 1] and row['failed_seeds'] == []
    assert values(row, 'final_test_accuracy') == [0.6, 0.7]
    assert values(row, 'best_epoch_test_accuracy') == [0.9, 0.8]
    # Seed 0 is best on validation in epoch 3, seed 1 in epoch 2.
    assert values(row, 'best_validation_epoch_test_accuracy') == [0.6, 0.5]
    assert values(row, 'final_validation_accuracy') == [0.7, 0.1]
    assert values(row, 'final_train_accuracy') == [0.3, 0.6]
    assert values(row, 'final_digit_accuracy') == [0.7, 0.8]
    assert row['best_epoch_test_accuracy']['mean'] == pytest.approx(0.85)
    assert row['best_epoch_test_accuracy']['std'] == pytest.approx(0.1 / 2**0.5)
    # Student's t with one degree of freedom is 12.706 at 97.5 %; std / sqrt(2) is 0.05.
    low, high = row['best_epoch_test_accuracy']['ci95']
    assert (low, high) == pytest.approx((0.85 - 12.7062 * 0.05, 0.85 + 12.7062 * 0.05), abs=1e-4)


def test_the_first_of_equal_validation_epochs_counts():
    row = trial_of(
        test={5: [1, 2, 3, 4], 9: [4, 3, 2, 1]},
        validation={5: [6, 8, 8, 7], 9: [9, 9, 9, 9]},
    )
    assert row['seeds'] == [5, 9]
    assert values(row, 'best_validation_epoch_test_accuracy') == [0.2, 0.4]


def test_lines_may_come_in_any_order():
    lines = lines_of(test={2: [1, 9, 3], 11: [4, 5, 6]}, validation={2: [5, 5, 1], 11: [1, 2, 3]})
    expected = summarize_trial(pd.DataFrame.from_records(lines))
    assert expected['seeds'] == [2, 11]
    assert values(expected, 'final_test_accuracy') == [0.3, 0.6]
    assert summarize_trial(pd.DataFrame.from_records(lines[::-1])) == expected


def test_a_failed_seed_is_listed_and_in_no_mean():
    row = trial_of(
        test={0: [4, 6], 1: [9, None], 2: [5, 8]},
        digits={0: [1, 2], 1: [9, None], 2: [3, 4]},
        loss={0: [9, 8], 1: [9, None], 2: [9, 8]},
    )
    assert row['seeds'] == [0, 1, 2] and row['failed_seeds'] == [1]
    for name in FIGURES:
        assert values(row, name)[1] is None, name
        # It did well before it failed, and that counts no more than what came after.
        assert len([v for v in values(row, name) if v is not None]) == 2, name
    assert values(row, 'best_epoch_test_accuracy') == [0.6, None, 0.8]
    assert row['best_epoch_test_accuracy']['mean'] == pytest.approx(0.7)
    assert row['final_digit_accuracy']['mean'] == pytest.approx(0.3)
    assert row['final_test_accuracy']['std'] == pytest.approx(0.02**0.5)


@pytest.mark.parametrize('epochs_before', [0, 1])
def test_when_every_seed_failed_there_are_no_figures(epochs_before):
    curve = [7] * epochs_before + [None] * (2 - epochs_before)
    summary = summarize(
        lines_of(test={0: curve, 1: curve}, loss={0: curve, 1: curve}), [{'num_params': 3}]
    )
    (row,) = summary['trials']
    assert row['failed_seeds'] == [0, 1]
    for name in FIGURES[:-1]:
        assert row[name] == {'mean': None, 'std': None, 'ci95': None, 'values': [None, None]}, name
    assert summary['selected_trial'] is None
    json.dumps(summary, allow_nan=False)


def test_epochs_without_evaluation_are_passed_over():
    row = trial_of(
        test={0: [None, 4, None, 8, 6, None], 1: [None, 9, None, 2, 5, None]},
        validation={0: [None, 7, None, 7, 1, None], 1: [None, 1, None, 2, 3, None]},
        digits={0: [None, 1, None, 2, 3, None], 1: [None, 4, None, 5, 6, None]},
        loss={0: [9, 8, 7, 6, 5, 4], 1: [9, 8, 7, 6, 5, 4]},
    )
    assert row['failed_seeds'] == []
    assert values(row, 'final_test_accuracy') == [0.6, 0.5]
    assert values(row, 'best_epoch_test_accuracy') == [0.8, 0.9]
    assert values(row, 'best_validation_epoch_test_accuracy') == [0.4, 0.5]
    assert values(row, 'final_digit_accuracy') == [0.3, 0.6]


def test_a_model_without_digit_heads_has_no_digit_accuracy():
    assert trial_of(test={0: [4, 6], 1: [5, 8]})['final_digit_accuracy'] is None


@pytest.mark.parametrize('field', POOL_FIGURES)
def test_the_accuracy_over_the_test_pool_is_that_of_the_last_lines(field):
    lines = lines_of(
        test={0: [4, 6], 1: [5, 8], 2: [7, None]}, loss={0: [9, 8], 1: [9, 8], 2: [9, None]}
    )
    for line in lines:
        if line['epoch'] == 2:
            line |= {**dict.fromkeys(POOL_FIGURES), field: (0.61, 0.79, None)[line['seed']]}
    row = summarize_trial(pd.DataFrame.from_records(lines))
    assert values(row, field) == [0.61, 0.79, None]
    assert row[field]['mean'] == pytest.approx(0.7) and row[field]['std'] is not None
    (other,) = set(POOL_FIGURES) - {field}
    assert row[other] is None


def test_lines_of_earlier_versions_have_no_accuracy_over_the_test_pool():
    row = trial_of(test={0: [4, 6], 1: [5, 8]})
    assert [row[name] for name in POOL_FIGURES] == [None, None]


def test_one_seed_has_a_mean_and_no_std():
    row = trial_of(test={3: [4, 6]})
    assert row['final_test_accuracy'] == {'mean': 0.6, 'std': None, 'ci95': None, 'values': [0.6]}


# -------------------------------------------------------------- the whole summary


def test_trials_are_selected_by_validation_and_never_by_test():
    lines = [
        *lines_of(test={0: [9, 9], 1: [9, 9]}, validation={0: [9, 3], 1: [9, 4]}, trial=0),
        *lines_of(test={0: [1, 1], 1: [2, 2]}, validation={0: [1, 6], 1: [1, 7]}, trial=1),
        *lines_of(test={0: [8, 8], 1: [8, 8]}, validation={0: [8, 5], 1: [8, 5]}, trial=2),
    ]
    hyper = [{'hyperparameters': {'loss.aux_weight': w}, 'num_params': 10 + w} for w in range(3)]
    summary = summarize(lines, hyper)
    # By the final epoch's validation accuracy; its best epoch would have chosen trial 0.
    assert summary['selected_trial'] == 1
    for i, row in enumerate(summary['trials']):
        assert row['hyperparameters'] == {'loss.aux_weight': i} and row['num_params'] == 10 + i
    final = [values(row, 'final_test_accuracy') for row in summary['trials']]
    assert final == [[0.9, 0.9], [0.1, 0.2], [0.8, 0.8]]


def test_a_trial_that_failed_altogether_is_not_selected():
    failed = {0: [None, None]}
    lines = [
        *lines_of(test=failed, loss=failed, trial=0),
        *lines_of(test={0: [1, 1]}, trial=1),
    ]
    assert summarize(lines, [{}, {}])['selected_trial'] == 1


def test_a_trial_with_failed_seeds_is_selected_only_where_every_trial_has_some():
    def lines(trial, *accuracies):
        """A seed per final accuracy, in tenths; None for a seed that failed."""
        test = {seed: [1, last] for seed, last in enumerate(accuracies)}
        loss = {seed: [9, last] for seed, last in enumerate(accuracies)}
        return lines_of(test=test, loss=loss, trial=trial)

    one_is_left = lines(0, 9, None, None)
    assert summarize([*one_is_left, *lines(1, 4, 5, 4)], [{}, {}])['selected_trial'] == 1
    two_are_left = lines(1, 4, 5, None)
    assert summarize([*one_is_left, *two_are_left], [{}, {}])['selected_trial'] == 1
    equal = [*two_are_left, *lines(2, None, 6, 5)]
    assert summarize([*one_is_left, *equal], [{}, {}, {}])['selected_trial'] == 2


def test_trials_may_have_different_numbers_of_epochs():
    lines = [*lines_of(test={0: [4, 6]}, trial=0), *lines_of(test={0: [5, 9, 7]}, trial=1)]
    rows = summarize(lines, [{}, {}])['trials']
    assert [values(row, 'final_test_accuracy') for row in rows] == [[0.6], [0.7]]


def test_seconds_are_summed_over_lines_and_divided_by_runs():
    lines = [
        *lines_of(test={0: [4, 6], 1: [4, 6]}, trial=0, seconds=0.5),
        *lines_of(test={0: [5, 9], 1: [4, 6]}, trial=1, seconds=2.0),
    ]
    timing = summarize(lines, [{}, {}])['timing']
    # 4 lines of 0.5 s and 4 of 2 s over 4 runs; 3 s of compilation are in 4 lines.
    expected = {'compile_seconds': 12.0, 'train_seconds': 10.0, 'seconds_per_run': 2.5}
    # Lines of early versions say nothing of all test pairs.
    assert timing == {**expected, 'all_pairs_seconds': 0.0}
    for line in lines:
        if line['epoch'] == 2:
            line['whole_pool_seconds'] = 1.5
    timing = summarize(lines, [{}, {}])['timing']
    assert timing == {**expected, 'all_pairs_seconds': 6.0, 'seconds_per_run': 4.0}


def test_the_keys_are_the_schema_and_json_can_hold_them():
    lines = lines_of(test={0: [4, 6], 1: [3, None]}, loss={0: [9, 8], 1: [9, None]})
    summary = summarize(lines, [{'hyperparameters': {'model.widths': [4]}, 'num_params': 7}])
    assert set(summary) == {'trials', 'selected_trial', 'timing'}
    (row,) = summary['trials']
    assert set(row) == {
        'hyperparameters',
        'num_params',
        'seeds',
        'failed_seeds',
        *FIGURES,
        *POOL_FIGURES,
    }
    for name in FIGURES[:-1]:
        assert set(row[name]) == {'mean', 'std', 'ci95', 'values'}
    # No clock value is inside a trial.
    assert 'seconds' not in json.dumps(row, allow_nan=False)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
