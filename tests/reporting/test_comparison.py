"""Paired comparison of trials: which seeds, which figures, what is printed, drawn and refused."""

import io
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from matplotlib.colors import to_hex
from PIL import Image
from rich.console import Console

from pairjax.analysis.paired import ComparisonOptions, compare_workdirs, seed_list
from pairjax.analysis.statistics import describe, seeds_to_resolve
from pairjax.config import default_config
from pairjax.errors import UserError
from pairjax.reporting.comparison import show_comparison
from pairjax.reporting.plots.comparison import draw_comparison
from pairjax.reporting.plots.curves import save_figure
from pairjax.workdir.schema import STATISTICS

ROOT = Path(__file__).resolve().parents[2]
FIELDS = {
    'data.num_test_pairs': 1000,
    'data.num_train_pairs': 1000,
    'data.num_validation_pairs': 500,
    'data.relation': 'less_equal',
    'model.name': 'AuxNet2',
    'model.widths': [4, 4, 4, 8],
    'model.weight_sharing': True,
}
DATA = {'source': 'npz', 'train_pool': 60, 'test_pool': 40, 'num_classes': 10}
DATA |= {'fingerprint': '12ab'}
CLOCK = ('compile_seconds', 'train_seconds', 'seconds_per_run', 'devices')


def trial(values, first_seed=0, **fields):
    """A trial of summary.json with these accuracies in per mille, None for a seed that failed."""
    seeds = list(range(first_seed, first_seed + len(values)))
    figure = describe([None if v is None else v / 1000 for v in values])
    return {
        'hyperparameters': FIELDS | fields,
        'num_params': 123,
        'seeds': seeds,
        **dict.fromkeys(STATISTICS, figure),
        'final_digit_accuracy': None,
        'failed_seeds': [s for s, v in zip(seeds, values, strict=True) if v is None],
    }


@pytest.fixture
def workdir(tmp_path):
    def make(name, *trials, selected=0, **data):
        directory = tmp_path / name
        directory.mkdir(parents=True)
        config = {'config': default_config().to_dict(), 'data': DATA, 'versions': {}}
        (directory / 'config.json').write_text(json.dumps(config))
        summary = {'name': 'x', 'data': DATA | data, 'trials': trials, 'selected_trial': selected}
        summary['timing'] = dict.fromkeys(CLOCK, 1.0)
        (directory / 'summary.json').write_text(json.dumps(summary))
        return str(directory)

    return make


def printed(comparison):
    console = Console(file=io.StringIO(), width=220, highlight=False)
    show_comparison(comparison, console)
    return console.file.getvalue()


def compare(*arguments, measure='final_test_accuracy'):
    return compare_workdirs(arguments, measure)


# -------------------------------------------------------------- what is compared


A = [930, 940, 935, 950, 945, 920, 925, 960]
B = [910, 925, 911, 935, 926, 903, 899, 945]


def test_seeds_are_paired_by_number_and_the_common_ones_are_used(workdir):
    # Seeds 2 to 7 and 4 to 11: the common ones are 4 to 7, third to sixth of the one, first of
    # the other.
    comparison = compare(workdir('a', trial(A[:6], first_seed=2)), workdir('b', trial(B, 4)))
    assert comparison.seeds == [4, 5, 6, 7]
    expected = [0.935, 0.950, 0.945, 0.920], [0.910, 0.925, 0.911, 0.935]
    np.testing.assert_allclose(comparison.values, expected)
    (pair,) = comparison.pairs
    np.testing.assert_allclose(pair.differences, [0.025, 0.025, 0.034, -0.015])
    assert pair.paired.mean == pytest.approx(0.01725) and pair.paired.n == 4
    interval = scipy.stats.ttest_rel(*expected).confidence_interval()
    assert pair.paired.t_ci95 == pytest.approx(tuple(interval)) and pair.paired.ci95 is None
    text = printed(comparison)
    assert '(unbounded)' in text and 'n = 4 seeds allow no bounded 95 % interval' in text
    assert 'n = 4 common seeds 4 to 7' in text
    assert 'a: seeds 2 to 3 left out' in text and 'b: seeds 8 to 11 left out' in text


def test_failed_seeds_are_left_out_of_every_arm_and_named(workdir):
    arms = workdir('a', trial([*A[:3], None, *A[4:]])), workdir('b', trial(B))
    comparison = compare(*arms)
    assert comparison.seeds == [0, 1, 2, 4, 5, 6, 7]
    np.testing.assert_allclose(comparison.pairs[0].differences[3], 0.019)
    text = printed(comparison)
    assert 'n = 7 common seeds 0 to 2, 4 to 7' in text
    assert 'a: seeds 3 left out, they failed' in text and 'b: seeds 3 left out, not common' in text


def test_arguments_name_the_selected_trial_one_trial_or_all(workdir):
    sweep = workdir('sweep', trial(A), trial(B), trial(A[::-1]), selected=2)
    other = workdir('other', trial(B))
    first_of = [B[0] / 1000, A[-1] / 1000]
    for arguments, names, firsts in [
        ([other, sweep], ['other', 'sweep:2'], first_of),
        ([f'{other}:0', f'{sweep}:0'], ['other', 'sweep:0'], [B[0] / 1000, A[0] / 1000]),
        ([f'{sweep}:2', f'{sweep}:1'], ['sweep:2', 'sweep:1'], first_of[::-1]),
    ]:
        comparison = compare(*arguments)
        assert [arm.name for arm in comparison.arms] == names
        assert [values[0] for values in comparison.values] == firsts
    comparison = compare(f'{sweep}:all')
    pairs = [(pair.a, pair.b) for pair in comparison.pairs]
    assert pairs == [('sweep:0', 'sweep:1'), ('sweep:0', 'sweep:2'), ('sweep:1', 'sweep:2')]
    # Two directories that end alike are told apart by their paths; one may hold a colon.
    again = workdir('again/other', trial(A))
    assert [arm.name for arm in compare(other, again).arms] == [other, again]
    assert compare(workdir('x:1', trial(A)), other).arms[0].name == 'x:1'


def test_p_values_are_adjusted_over_all_pairs_and_power_is_planned_at_that_level(workdir):
    close = [a + step for a, step in zip(A, [3, -2, 4, 1, -1, 3, 2, -1], strict=True)]
    comparison = compare(*(workdir(n, trial(v)) for n, v in zip('abc', [A, B, close], strict=True)))
    (ab, ac, bc), raw = comparison.pairs, [2 / 256, None, 2 / 256]
    assert ab.paired.p_value == raw[0] and bc.paired.p_value == raw[2]
    assert [ab.adjusted_p, bc.adjusted_p] == pytest.approx([3 * 2 / 256] * 2)
    assert ac.adjusted_p == ac.paired.p_value > 0.05
    assert ab.seeds_needed is None and bc.seeds_needed is None
    differences = np.subtract(A, close)
    needed = seeds_to_resolve(differences.std(ddof=1), differences.mean(), alpha=0.05 / 3)
    assert ac.seeds_needed == needed > seeds_to_resolve(differences.std(ddof=1), -9 / 8)
    assert ab.std_ratio[0] == pytest.approx(np.std(A) / np.std(B))
    assert ab.std_ratio[1] < ab.std_ratio[0] < ab.std_ratio[2]


def test_all_others_are_compared_with_the_first_alone_where_asked(workdir):
    arms = [workdir(n, trial(v)) for n, v in zip('abc', [A, B, A], strict=True)]
    pairs = compare_workdirs(
        arms, 'final_test_accuracy', ComparisonOptions(against_first=True)
    ).pairs
    assert [(pair.a, pair.b) for pair in pairs] == [('b', 'a'), ('c', 'a')]
    every_two = compare(*arms).pairs
    assert pairs[0].paired.mean == -every_two[0].paired.mean != 0
    # Holm's correction is over the two that were made, not over all three.
    assert pairs[0].adjusted_p == pytest.approx(2 * every_two[0].paired.p_value)


def test_no_fewer_seeds_are_asked_for_than_the_sign_flip_test_needs(workdir):
    # Great differences at n = 3, where p cannot fall below 0.25: a t test would ask for two.
    arms = workdir('a', trial([900, 910, 920])), workdir('b', trial([800, 811, 819]))
    (pair,) = compare(*arms).pairs
    assert seeds_to_resolve(pair.paired.std, pair.paired.mean) == 2
    assert pair.adjusted_p == 0.25 and pair.seeds_needed == 6
    text = printed(compare(*arms))
    assert 'with n = 3 never below 0.25' in text and 'take more seeds' in text


def test_numbers_of_train_pairs_may_differ_and_are_shown(workdir):
    small = workdir('small', trial(B, **{'data.num_train_pairs': 100}))
    text = printed(compare(small, workdir('large', trial(A))))
    assert 'data.num_train_pairs=100' in text and 'data.num_train_pairs=1000' in text
    validation = workdir('validation', trial(A, **{'data.num_validation_pairs': 7}))
    compare(small, validation)
    with pytest.raises(UserError, match=r'num_validation_pairs is 7 for it and 500'):
        compare(small, validation, measure='final_validation_accuracy')


# ------------------------------------------------------------------ what is refused


def test_other_pairs_are_refused(workdir):
    first = workdir('first', trial(A))
    for number, (fields, data, words) in enumerate(
        [
            ({}, {'fingerprint': '99'}, "fingerprint of the digits is '99' for it and '12ab'"),
            ({}, {'source': 'idx'}, "data.source is 'idx' for it and 'npz' for first"),
            ({'data.num_test_pairs': 500}, {}, 'data.num_test_pairs is 500 for it and 1000'),
            ({'data.relation': 'equal'}, {}, "data.relation is 'equal' for it and 'less_equal'"),
        ]
    ):
        other = workdir(f'other{number}', trial(A, **fields), **data)
        with pytest.raises(UserError, match=f'other{number} cannot be paired with first') as error:
            compare(first, other)
        assert words in str(error.value)


def test_too_few_common_seeds_are_refused(workdir):
    a, b, c = workdir('a', trial(A)), workdir('b', trial(B, 8)), workdir('c', trial(B, 7))
    with pytest.raises(UserError, match=r'there are 0 \(a 0 to 7, b 8 to 15\)'):
        compare(a, b)
    with pytest.raises(UserError, match=r'there are 1 \(a 0 to 7, c 7 to 14\)'):
        compare(a, c)


def test_what_is_not_there_is_named(workdir, tmp_path):
    good, sweep = workdir('good', trial(A)), workdir('sweep', trial(A), trial(B), selected=None)
    (tmp_path / 'empty').mkdir()
    unfinished = Path(workdir('unfinished', trial(A)))
    (unfinished / 'summary.json').unlink()
    foreign = Path(workdir('foreign', trial(A)))
    (foreign / 'summary.json').write_text('{"data": {}, "trials": []}')
    for arguments, words in [
        ([], 'name two trials or more'),
        ([good], 'name two trials or more'),
        ([good, f'{good}:0'], 'trial 0 of .*good is named twice'),
        ([good, f'{tmp_path}/nope'], 'nope is no directory'),
        ([good, f'{tmp_path}/nope:1'], 'nope is no directory'),
        ([good, f'{tmp_path}/empty'], 'empty/config.json does not exist'),
        ([good, str(unfinished)], 'summary.json does not exist yet: the training is not finished'),
        ([good, str(foreign)], 'foreign/summary.json was not written by pairjax'),
        ([good, f'{sweep}:2'], "sweep: there is no trial '2'; .* trials 0 to 1"),
        ([good, f'{sweep}:-1'], "there is no trial '-1'"),
        ([good, f'{sweep}:best'], "there is no trial 'best'"),
        ([good, sweep], 'sweep has no selected trial'),
    ]:
        with pytest.raises(UserError, match=words):
            compare(*arguments)


def test_unknown_measures_are_refused_with_the_nearest(workdir):
    arms = workdir('a', trial(A)), workdir('b', trial(B))
    with pytest.raises(UserError, match=r"final_tst.*did you mean 'final_test_accuracy'\?"):
        compare(*arms, measure='final_tst_accuracy')
    with pytest.raises(UserError, match='seeds'):
        compare(*arms, measure='seeds')
    digits = workdir('c', trial(A) | {'final_digit_accuracy': describe([0.9] * 8)})
    with pytest.raises(UserError, match=r'measure=final_digit_accuracy: a has none'):
        compare(digits, arms[0], measure='final_digit_accuracy')


# ------------------------------------------------------------- what is printed, drawn


def test_tables_show_percents_with_intervals_and_n(workdir):
    b = workdir('b', trial(B, **{'model.weight_sharing': False}))
    text = printed(compare(workdir('a', trial(A)), b))
    rows = [line.strip('│ ').split('│') for line in text.splitlines() if line[:1] == '│']
    first, second, pair = ([cell.strip() for cell in row] for row in rows)
    # Mean 938.125, sum of squares 1246.875, so deviation 13.346; t with 7 degrees is 2.3646.
    assert first == ['a', 'AuxNet2 (4, 4, 4, 8)', '8', '93.81 +- 1.33 [92.70, 94.93]']
    assert second[:2] == ['b', 'AuxNet2 (4, 4, 4, 8) not shared']
    differences = np.subtract(A, B) / 10
    half = 2.364624 * differences.std(ddof=1) / math.sqrt(8)
    low, high = differences.mean() - half, differences.mean() + half
    # Of the 255 subset means the sixth from either end: 6 = floor(256 * 0.025).
    assert pair[:3] == ['a - b', '8', f'+{differences.mean():.2f} [+1.50, +2.30]']
    subsets = itertools.chain(*(itertools.combinations(differences, k) for k in range(1, 9)))
    means = sorted(np.mean(subset) for subset in subsets)
    assert [means[5], means[-6]] == pytest.approx([1.4958, 2.3], abs=0.01)
    assert pair[3:6] == ['0.0078', '0.0078', 'better']
    assert pair[6] == f'[+{low:.2f}, +{high:.2f}]' and pair[8] == '-'
    assert pair[7].startswith(f'{np.std(A) / np.std(B):.2f} [')
    assert 'adjusted for 1 comparison\n' in text and 'optimistic' not in text
    assert 'seeds needed:' not in text and 'no p can' not in text


def test_the_best_epoch_on_test_is_called_optimistic(workdir):
    arms = workdir('a', trial(A)), workdir('b', trial(B))
    text = printed(compare(*arms, measure='best_epoch_test_accuracy'))
    assert 'best epoch test accuracy in percent' in text and 'optimistic' in text


def test_equal_arms_and_tiny_differences_have_no_nonsense(workdir):
    almost = [A[0] + 1, A[1] - 1, *A[2:]]
    a, b, c = (workdir(n, trial(v)) for n, v in zip('abc', [A, A, almost], strict=True))
    text = printed(compare(a, b))
    assert '+0.00 ' in text and 'nan' not in text and '1.00' in text
    assert 'nan' not in printed(compare(a, c))
    nearly = workdir('d', trial([v + (i % 2 or -1) * 9 + 0.001 for i, v in enumerate(A)]))
    assert 'over 100,000' in printed(compare(a, nearly))


def test_the_figure_shows_every_seed_and_every_difference(workdir):
    close = [a + step for a, step in zip(A, [3, -2, 4, 1, -1, 3, 2, -1], strict=True)]
    names = zip('abc', [A, B, close], strict=True)
    comparison = compare(*(workdir(name, trial(values)) for name, values in names))
    figure = draw_comparison(comparison)
    assert 'n = 8 seeds' in figure.get_suptitle()
    assert 'final test accuracy' in figure.get_suptitle()
    arms, differences = figure.axes
    seeds = [line.get_ydata() for line in arms.lines[:8]]
    np.testing.assert_allclose(np.transpose(seeds) * 10, [A, B, close])
    assert [label.get_text() for label in arms.get_xticklabels()] == ['a', 'b', 'c']
    labels = [label.get_text().partition('\n')[0] for label in differences.get_yticklabels()]
    assert labels == ['a - b', 'a - c', 'b - c']
    assert differences.get_ylim()[0] > differences.get_ylim()[1]  # The first pair on top.
    for place, (bars, pair) in enumerate(
        zip(differences.containers, comparison.pairs, strict=True)
    ):
        (mean, _, (interval,)) = bars
        assert mean.get_xydata().tolist() == [[pytest.approx(100 * pair.paired.mean), place]]
        ends = interval.get_segments()[0][:, 0] / 100
        assert tuple(ends) == pytest.approx(pair.paired.ci95)
        # Filled where significant, which is told without colour.
        filled = to_hex(mean.get_markerfacecolor()) != '#ffffff'
        assert filled == (pair.adjusted_p <= 0.05)
    dots = [line.get_xdata() for line in differences.lines if len(line.get_xdata()) == 8]
    np.testing.assert_allclose(dots[0], np.subtract(A, B) / 10)


def test_long_names_leave_room_for_the_figure(workdir):
    comparison = compare(workdir('a', trial(A)), workdir('b', trial(B)))
    path = '/scratch/' + 'a_long_name/' * 12
    arms = [arm._replace(name=f'auxnet2 in {path}{arm.name}') for arm in comparison.arms]
    pairs = [pair._replace(a=arms[0].name, b=arms[1].name) for pair in comparison.pairs]
    figure = draw_comparison(comparison._replace(arms=arms, pairs=pairs))
    figure.draw_without_rendering()
    for axes in figure.axes:
        box = axes.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
        assert box.width > 2 and box.height > 1.5
    # Where the layout fails, labels stick out of the page instead.
    box = figure.get_tightbbox()
    assert min(box.min) > -0.1 and all(box.max < figure.get_size_inches() + 0.1)


def test_the_figure_of_equal_arms_is_drawn_and_saved_twice(workdir, tmp_path):
    comparison = compare(workdir('a', trial(A)), workdir('b', trial([a + 1 for a in A])))
    save_figure(draw_comparison(comparison), tmp_path / 'new' / 'comparison.png')
    with Image.open(tmp_path / 'new' / 'comparison.png') as image:
        assert image.width > 1000 and len(np.unique(np.asarray(image.convert('L')))) > 50
    assert (tmp_path / 'new' / 'comparison.pdf').read_bytes().startswith(b'%PDF')


def test_seeds_are_listed_in_ranges():
    assert seed_list([7, 0, 1, 2, 9, 8]) == '0 to 2, 7 to 9'
    assert seed_list([4]) == '4' and seed_list([]) == 'none'


# ------------------------------------------------------------------ the command line


def run_compare(*arguments, returncode=0):
    command = [sys.executable, 'launch/compare.py', *arguments]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == returncode, process.stderr
    return process


def test_the_command_prints_and_draws_into_the_first_workdir(workdir):
    a, b = workdir('a', trial(A)), workdir('b', trial(B))
    out = run_compare(b, '--measure=best_epoch_test_accuracy', a).stdout
    assert 'b - a' in out and 'best epoch test accuracy in percent' in out
    assert f'{b}/figures/comparison.png' in out
    names = ['comparison.pdf', 'comparison.png']
    assert sorted(path.name for path in Path(b, 'figures').iterdir()) == names
    assert not Path(a, 'figures').exists()


def test_the_command_answers_a_mistake_with_one_sentence(workdir, tmp_path):
    (tmp_path / 'file').write_text('')
    a, b = workdir('a', trial(A)), workdir('b', trial(B))
    for arguments, word in [
        ((a, f'--out={tmp_path}'), 'name two trials'),
        ((a, b, f'--out={tmp_path}/file'), f'{tmp_path}/file'),
        ((a, b, '--mesure=x'), 'measure'),
    ]:
        process = run_compare(*arguments, returncode=1)
        (line,) = process.stderr.splitlines()
        assert line.startswith('error: ') and word in line
    assert not list(tmp_path.glob('*.png'))
