"""What is printed of any comparison: verdict, p-values and intervals that agree, as their readers
compare them."""

import re
from types import SimpleNamespace
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pairjax.analysis import paired
from pairjax.analysis.paired import Comparison, ComparisonOptions, compare_pairs
from pairjax.reporting.comparison import difference_columns
from pairjax.reporting.text import comparison_paragraphs

NUMBER = r'[+-]\d+\.\d+'
ARM = SimpleNamespace(experiment=SimpleNamespace(data={'test_pool': 60_000}))


@st.composite
def experiments(draw):
    """Two or three arms over the same seeds; accuracies on a grid, often with ties."""
    n, decimals = draw(st.integers(2, 30)), draw(st.sampled_from([2, 3, 4]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    base = generator.normal(0.9, 0.01, n)
    arms = [base.round(decimals)]
    for _ in range(draw(st.integers(1, 2))):
        # From no difference to several standard errors, and sometimes the same for every seed.
        shift = draw(st.sampled_from([0, 1.8, 2.2, 2.6, 5])) * 0.01 / n**0.5
        spread = draw(st.sampled_from([0, 0.0005, 0.01]))
        arms.append((base + shift + generator.normal(0, spread, n)).round(decimals))
    margin = draw(st.sampled_from([None, 0.002, 0.01, 0.03]))
    return arms, ComparisonOptions(margin=margin, sequential=draw(st.booleans()))


def printed(experiment):
    """The columns of the table as texts, and the paragraphs."""
    arms, options = experiment
    named = [('a', f'b{i}', arms[0], arm) for i, arm in enumerate(arms[1:])]
    # The ratio of stds is bootstrapped, which takes long.
    with mock.patch.object(paired, 'std_ratio', lambda a, b: (None, None, None)):
        pairs = compare_pairs(named, options)
    seeds = list(range(len(arms[0])))
    comparison = Comparison('final_test_accuracy', seeds, [ARM] * 2, [], pairs, options)
    columns = {
        re.sub(r' \[.*|, at.*', '', heading): [getattr(cell, 'text', cell) for cell in cells]
        for heading, cells in difference_columns(comparison).items()
    }
    return columns, comparison_paragraphs(comparison)


def interval(text):
    """The ends of the interval printed in a text, None where there is none."""
    found = re.search(rf'\[({NUMBER}), ({NUMBER})\]', text)
    return found and tuple(map(float, found.groups()))


@settings(derandomize=True, max_examples=60, deadline=None)
@given(experiments())
def test_no_printed_verdict_contradicts_a_number_printed_beside_it(experiment):
    columns, paragraphs = printed(experiment)
    margin = experiment[1].margin
    within = f'within {100 * margin:g}?' if margin else None
    equivalence = columns.get(f'{within} Holm p', [None] * len(paragraphs))
    # The heading of the interval loses its bracket above.
    for row, text in enumerate(paragraphs):
        verdict, p, holm = (columns[name][row] for name in ('verdict', 'p', 'Holm p'))
        mean = float(re.match(NUMBER, columns['difference'][row])[0])
        found = interval(columns['difference'][row])
        assert verdict.startswith(('better', 'worse')) == (float(holm) <= 0.05 and mean != 0)
        assert float(holm) >= float(p)
        if verdict.startswith(('better', 'worse')):
            assert (mean > 0) == verdict.startswith('better')
        if found is not None:
            assert (found[0] > 0 or found[1] < 0) == (float(p) <= 0.05)
            assert found[0] <= mean <= found[1]
        is_within = within is not None and float(equivalence[row]) <= 0.05
        assert ('within' in verdict or verdict == 'equivalent') == is_within
        check_paragraph(text, verdict, p, holm, len(paragraphs))


def check_paragraph(text, verdict, p, holm, number):
    """The paragraph says the verdict of the table and no other, with the same numbers."""
    sentences = {
        'better': 'is better than',
        'worse': 'is worse than',
        'equivalent': 'are equivalent within',
        'unresolved': 'Which of the two is better is not resolved',
    }
    said = [name for name, sentence in sentences.items() if sentence in text]
    assert said == [verdict.partition(',')[0]]
    assert f'p = {p}' in text and (number == 1 or f', {holm} after Holm' in text)
