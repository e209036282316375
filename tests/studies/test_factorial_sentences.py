"""Sentences say what the statistics support: both directions, and that nothing is resolved."""

import pytest
from fake_study import DESIGN, gains, made_results, made_trial, train_nothing
from hypothesis import given
from hypothesis import strategies as st

from pairjax.analysis.statistics import PairedComparison, compare_paired
from pairjax.reporting.markdown import bullet, paragraph, table, wrap
from pairjax.studies.factorial.analysis import Effect, analyse, read_study
from pairjax.studies.factorial.design import DesignCell, Network
from pairjax.studies.factorial.document import p_value, study_document
from pairjax.studies.factorial.running import run_study

A, B = (DesignCell('AuxNet2', sharing, 2.0, 1000) for sharing in ('shared', 'separate'))


def effect_of(low, high, adjusted_p=0.01):
    interval = None if low is None else (low, high)
    mean = 0.01 if low is None else (low + high) / 2
    return Effect(A, B, PairedComparison(20, mean, 0.02, interval, 0.01, 1e-5), adjusted_p)


# Ten seeds can be significant among many comparisons: 2 / 2**10 * 20 is below 0.05.
STUDY = DESIGN._replace(
    networks=(Network('AuxNet2', (8, 8, 16, 32), None, num_seeds=10, train_pairs=(500,)),)
)


def sentences_of(results, findings):
    """The sentences of the document's summary, without line breaks."""
    text = study_document(STUDY, results, findings, missing=[], quick=False)
    section = text.partition('## In three sentences\n')[2].partition('\n\nAccuracy is')[0]
    return [' '.join(sentence.split()) for sentence in section.split('\n- ')[1:]]


def sentences_for(tmp_path, **true_gains):
    run = train_nothing(gains(**true_gains))
    results = read_study(STUDY, run_study(STUDY, tmp_path, run))
    return sentences_of(results, analyse(STUDY, results))


def document_of(*sharing):
    """The document of some effects of sharing alone, without line breaks."""
    results = made_results({A: made_trial([0.9]), B: made_trial([0.9])})
    findings = analyse(STUDY, results) | {'sharing': list(sharing)}
    return ' '.join(study_document(STUDY, results, findings, [], quick=False).split())


@pytest.mark.parametrize(
    ('low', 'high', 'said'),
    [
        (0.001, 0.02, 'above'),
        (-0.02, -0.001, 'below'),
        (-0.001, 0.02, 'unresolved'),
        (-0.02, 0.001, 'unresolved'),
        (0.0, 0.02, 'unresolved'),
        (-0.02, 0.0, 'unresolved'),
        (None, None, 'unresolved'),
    ],
)
def test_a_direction_needs_an_interval_that_excludes_zero(low, high, said):
    assert effect_of(low, high).direction == said


@pytest.mark.parametrize(('adjusted_p', 'said'), [(0.049, 'above'), (0.05, 'unresolved')])
def test_a_direction_needs_the_adjusted_p_value_too(adjusted_p, said):
    assert effect_of(0.001, 0.02, adjusted_p).direction == said


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8), st.floats(0, 1), st.floats(1e-3, 1))
def test_no_direction_is_claimed_that_the_interval_does_not_support(values, adjusted_p, scale):
    paired = compare_paired([scale * v for v in values], [0.0] * len(values))
    said = Effect(A, B, paired, adjusted_p).direction
    if said == 'above':
        assert paired.ci95[0] > 0 and adjusted_p < 0.05
    if said == 'below':
        assert paired.ci95[1] < 0 and adjusted_p < 0.05
    if adjusted_p < 0.05 and paired.ci95 and paired.ci95[0] * paired.ci95[1] > 0:
        assert said == ('above' if paired.mean > 0 else 'below')


def test_numbers_are_points_with_interval_n_and_adjusted_p():
    text = document_of(effect_of(0.01, 0.03, 0.0421))
    assert '2 (+2.00 points [+1.00, +3.00], n = 20, adjusted p = 0.042).' in text
    assert 'adjusted p < 0.001).' in document_of(effect_of(0.01, 0.03, 0.0002))
    assert '(+1.00 points [-], n = 20' in document_of(effect_of(None, None))


@pytest.mark.parametrize(('p', 'shown'), [(0.0009, '< 0.001'), (0.001, '= 0.001'), (1, '= 1.000')])
def test_small_p_values_are_bounds(p, shown):
    assert p_value(p, '= ') == shown


def test_a_tally_counts_each_verdict():
    rows = [effect_of(0.1, 0.2), effect_of(0.1, 0.2, 0.5), effect_of(-0.2, -0.1)]
    assert (
        'of the same widths: 3 differences, of which 1 lie above zero, 1 below it and 1 are '
        'unresolved.'
    ) in document_of(*rows)


def test_gains_are_told_as_gains(tmp_path):
    sharing, aux, both = sentences_for(tmp_path, sharing=0.05, aux=0.04, both=0.03)
    assert sharing.startswith(
        'Weight sharing in AuxNet2 (1,000 train pairs, bundled digits): against two branches of '
        'the same widths it raises the test accuracy without the auxiliary loss (+'
    )
    assert 'and at auxiliary weight 2 (+' in sharing
    assert aux.count('raises') == 1 and 'weight 2 raises the test accuracy with one shared' in aux
    assert 'with sharing the effect of weight 2 is larger than that without (+' in both
    assert 'sharing with 500 train pairs exceeds not sharing with 1,000' in both
    assert 'lowers' not in sharing + aux and 'resolved' not in sharing + aux


def test_losses_are_told_as_losses(tmp_path):
    sharing, aux, both = sentences_for(tmp_path, sharing=-0.05, aux=-0.04, both=-0.03)
    assert 'it lowers the test accuracy without the auxiliary loss (-' in sharing
    assert 'weight 2 lowers the test accuracy with one shared branch (-' in aux
    assert 'the effect of weight 2 is smaller than that without (-' in both
    assert 'sharing with 500 train pairs falls short of not sharing with 1,000' in both
    assert 'raises' not in sharing + aux


def test_nothing_is_told_as_unresolved(tmp_path):
    sharing, aux, both = sentences_for(tmp_path)
    for text in (sharing, aux):
        assert 'has no resolved effect on the test accuracy' in text
        assert 'raises' not in text and 'lowers' not in text
    assert 'cannot be told from that without' in both
    assert 'sharing with 500 train pairs cannot be told from not sharing with 1,000' in both


def test_unlike_verdicts_are_told_apart(tmp_path):
    sharing, *_ = sentences_for(tmp_path, sharing=0.05, both=-0.1)
    assert 'raises the test accuracy without the auxiliary loss (+' in sharing
    assert ', and lowers the test accuracy at auxiliary weight 2 (-' in sharing


def test_sentences_without_runs_are_left_out():
    empty = made_results({})
    assert sentences_of(empty, analyse(STUDY, empty)) == []


# ---------------------------------------------------------------------------------- markdown


@pytest.mark.parametrize(
    ('mark', 'shown'), [('-', '\\-'), ('4.', '4\\.'), ('+', '\\+'), ('-1', '-1'), ('p.4', 'p.4')]
)
def test_a_line_does_not_become_a_list_by_chance(mark, shown):
    word = 'x' * 99  # Leaves no room for another.
    assert paragraph(f'{word} {mark} y', 'z') == f'{word}\n{shown} y z'


def test_lists_and_tables():
    text = bullet('word ' * 30)
    first, second = text.split('\n')
    assert first.startswith('- word') and second.startswith('  word')
    assert max(map(len, (first, second))) <= 102
    assert table(('a', 'b'), [('1', '2')]) == '| a | b |\n| --- | --- |\n| 1 | 2 |'


def test_a_document_is_wrapped_but_for_headings_tables_and_plots():
    prose, row = ('word ' * 30).strip(), f'| {"x " * 60}|'
    kept = (f'# {prose}', f'{row}\n{row}', f'![{prose}](a.png)')
    blocks = [*kept, f'{prose}\n{prose}', f'- {prose}\n- b\nc']
    expected = [*kept, paragraph(prose, prose), f'{bullet(prose)}\n- b c']
    assert wrap('\n\n'.join(blocks)) == '\n\n'.join(expected) + '\n'
