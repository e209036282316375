"""The paragraph to paste: sentence by sentence for each verdict, and as LaTeX."""

from types import SimpleNamespace

import numpy as np
import pytest

from pairjax.analysis import paired
from pairjax.analysis.paired import Comparison, ComparisonOptions, compare_pairs
from pairjax.analysis.seeds_and_images import CrossedInterval
from pairjax.reporting.text import as_latex, comparison_paragraphs

BASE = np.random.default_rng(0).normal(0.9, 0.01, 30).round(3)
NOISE = np.random.default_rng(1).normal(0, 0.004, 30).round(3)
RESOLVED = ' The sign of the difference is resolved, its size only as far as the interval says.'
FIXED = ' The number of seeds must have been fixed before the differences were looked at.'
IMAGES = ' Test and interval are over seeds: they leave out the choice of the 2,000 test images, '
LAST = 'which all seeds share. It does not cover how the hyperparameters of either were chosen.'


@pytest.fixture(autouse=True)
def without_bootstrap(monkeypatch):
    monkeypatch.setattr(paired, 'std_ratio', lambda a, b: (None, None, None))


def text_of(shift, n, margin=None, sequential=False, crossed=None, measure='final_test_accuracy'):
    options = ComparisonOptions(margin=margin, sequential=sequential)
    arms = [('a_1', 'b', BASE[:n] + shift + NOISE[:n], BASE[:n])]
    arm = SimpleNamespace(experiment=SimpleNamespace(data={'test_pool': 2000}))
    pairs = compare_pairs(arms, options)
    comparison = Comparison(measure, list(range(n)), [arm, arm], [], pairs, options, crossed)
    (text,) = comparison_paragraphs(comparison)
    return pairs[0], text


def test_better():
    pair, text = text_of(0.01, 20)
    low, high = (f'{100 * end:+.2f}' for end in pair.paired.ci95)
    assert text == (
        'Over n = 20 seeds, each drawing the same pairs for both, the mean difference in final '
        f'test accuracy between a_1 and b is {100 * pair.paired.mean:+.2f} percentage points (95 % '
        f"interval [{low}, {high}]; Student's t interval and sign-flip test, two-sided p = 1e-05). "
        f'a_1 is better than b at the 5 % level.{RESOLVED}{FIXED}{IMAGES}{LAST}'
    )


def test_worse_and_shown_to_be_small():
    _, text = text_of(-0.003, 30, margin=0.02)
    assert 'a_1 is worse than b at the 5 % level.' in text
    assert 'nevertheless shown to be smaller than 2 points (two one-sided tests, p = ' in text


def test_equivalent_is_not_called_equal():
    _, text = text_of(0.0, 20, margin=0.01)
    assert 'The two are equivalent within 1 points (two one-sided tests, p = ' in text
    assert 'This does not say that they are equal, and which of them is better is not' in text
    assert '90 % interval [' in text and 'at the 5 % level' not in text


def test_unresolved_is_not_called_equal():
    pair, text = text_of(0.0, 20)
    low, high = (f'{100 * end:+.2f}' for end in pair.paired.ci95)
    assert f'is not resolved: differences from {low} to {high} points are compatible' in text
    assert 'This is no evidence that they are equal.' in text
    assert 'could have been resolved' not in text


def test_too_few_seeds_say_so_and_show_what_rests_on_normality():
    _, text = text_of(0.05, 3)
    assert '(no bounded 95 % interval with 3 seeds; [+' in text
    assert "] by Student's t if the differences are normal; sign-flip test" in text
    assert (
        'two-sided p = 0.25). Which of the two is better is not resolved. With 3 seeds and' in text
    )
    assert '1 comparison no difference, however large, could have been resolved.' in text


def test_the_sequential_text_allows_looking():
    _, text = text_of(0.01, 20, sequential=True)
    assert 'sequential test of symmetry about zero (Vovk and Wang, 2024)' in text
    assert 'hold at every number of seeds at once' in text and 'must have been fixed' not in text


def test_images_and_the_best_epoch_are_named():
    crossed = CrossedInterval(20, 2000, 0.01, (0.0, 0.02), (-0.001, 0.021), 0.1, 'all pairs')
    _, text = text_of(0.01, 20, crossed=[crossed], measure='best_epoch_test_accuracy')
    assert 'For other seeds and other test images the interval is [-0.10, +2.10]' in text
    assert 'leaves out the choice' not in text
    assert 'those of the best epoch on test and so optimistic' in text


@pytest.mark.parametrize(
    ('plain', 'latex'),
    [
        ('a_1 & 5 %', r'a\_1 \& 5\,\%'),
        ('[-0.10, +2.10]', r'[$-0.10$, $+2.10$]'),
        ('two-sided p = 1e-05', r'two-sided $p = 1 \times 10^{-5}$'),
        ('n = 20', '$n = 20$'),
        ('sign-flip, runs/x:3', 'sign-flip, runs/x:3'),
        ('~^\\', r'\textasciitilde{}\textasciicircum{}\textbackslash{}'),
    ],
)
def test_latex(plain, latex):
    assert as_latex(plain) == latex
