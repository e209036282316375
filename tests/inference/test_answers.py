"""launch/evaluate.py --out: every test pair of every run, read back from both kinds of file."""

import numpy as np
import pandas as pd
import pytest

from pairjax.inference.answers import COLUMNS, answers_of, joined, write_answers
from pairjax.inference.evaluate_workdir import evaluate_workdir


@pytest.fixture(scope='module')
def evaluated(small_sweep):
    """The rows of evaluate.py, the table of --out, and the labels of the test images."""
    frames = []
    rows = evaluate_workdir(
        small_sweep / 'run', watch=lambda *found: frames.append(answers_of(*found))
    )
    return pd.DataFrame(rows), joined(frames), np.load(small_sweep / 'digits.npz')['test_labels']


def test_every_pair_has_a_row_that_agrees_with_the_accuracies(evaluated):
    accuracies, table, labels = evaluated
    assert tuple(table) == COLUMNS and len(table) == 3 * 3 * 150
    of_run = table.groupby(['trial', 'seed']).right.mean()
    expected = accuracies.set_index(['trial', 'seed']).test_accuracy
    np.testing.assert_allclose(of_run, expected.sort_index())
    for which in 'ab':
        np.testing.assert_array_equal(labels[table[f'index_{which}']], table[f'class_{which}'])
    holds = table.class_a % 2 == table.class_b % 2
    np.testing.assert_array_equal(table.right, (table.probability > 0.5) == holds)
    # Trial 0 has no digit heads.
    assert table.digit_a.isna().equals(table.trial == 0)
    read = table[table.trial == 2]
    digits = np.mean([read[f'digit_{w}'] == read[f'class_{w}'] for w in 'ab'])
    assert digits == pytest.approx(accuracies[accuracies.trial == 2].test_digit_accuracy.mean())


@pytest.mark.parametrize('suffix', ['.parquet', '.csv'])
def test_both_kinds_of_file_hold_the_table(evaluated, tmp_path, suffix):
    write_answers(evaluated[1], tmp_path / f'answers{suffix}')
    read = pd.read_parquet if suffix == '.parquet' else pd.read_csv
    again = read(tmp_path / f'answers{suffix}')
    pd.testing.assert_frame_equal(again.astype(evaluated[1].dtypes), evaluated[1])


def test_a_seed_alone_and_one_that_failed(small_sweep, evaluated):
    table = joined([evaluated[1]], seed=1)
    assert set(table.seed) == {1} and len(table) == 3 * 150
    programs = []
    evaluate_workdir(small_sweep / 'run', watch=lambda *found: programs.append(found))
    restored, pools = programs[0]
    failed = np.array(restored.seeds) == 1
    restored = restored._replace(state=restored.state.replace(failed=failed))
    assert set(answers_of(restored, pools).seed) == {0, 2}
    nothing = restored._replace(state=restored.state.replace(failed=failed | True))
    assert tuple(answers_of(nothing, pools)) == COLUMNS
