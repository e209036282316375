"""A paragraph on each comparison, to be pasted into a paper, in plain English and as LaTeX."""

import re

from pairjax.analysis.paired import Comparison, Pair, measure_name
from pairjax.analysis.seeds_and_images import CrossedInterval
from pairjax.analysis.verdicts import is_within
from pairjax.reporting.format import p_text, points, points_span
from pairjax.reporting.markdown import make_environment

TESTS = {
    'sign-flip': 'sign-flip test',
    't': "Student's t interval and sign-flip test",
    'sequential': 'sequential test of symmetry about zero (Vovk and Wang, 2024)',
}
# What LaTeX reads as markup.
_SPECIAL = {'\\': r'\textbackslash{}', '~': r'\textasciitilde{}', '^': r'\textasciicircum{}'}
_SPECIAL |= {character: f'\\{character}' for character in '&%$#_{}'}


def comparison_paragraphs(comparison: Comparison) -> list[str]:
    """One paragraph per pair: test, n, effect, interval, verdict, and what may not be said."""
    crossed = comparison.crossed or [None] * len(comparison.pairs)
    return [
        pair_paragraph(comparison, pair, interval)
        for pair, interval in zip(comparison.pairs, crossed, strict=True)
    ]


def pair_paragraph(comparison: Comparison, pair: Pair, crossed: CrossedInterval | None) -> str:
    """The paragraph on one pair of arms, one line."""
    environment = make_environment('pairjax.reporting')
    text = environment.get_template('paragraph.txt').render(
        pair=pair,
        measure=measure_name(comparison.measure),
        num_pairs=len(comparison.pairs),
        num_images=comparison.arms[0].experiment.data['test_pool'],
        optimistic=comparison.measure.startswith('best_epoch'),
        within=is_within(pair.equivalence),
        test=TESTS[pair.paired.method],
        equivalence=_equivalence_text(pair, len(comparison.pairs)),
        crossed=crossed,
        points=points,
        points_span=points_span,
        p_text=p_text,
    )
    return ' '.join(text.split())


def _equivalence_text(pair: Pair, num_pairs: int) -> str:
    """The test of equivalence in words; empty where there was none."""
    test = pair.equivalence
    if test is None:
        return ''
    span = f'90 % interval {points_span(*test.interval)}' if test.interval else 'no 90 % interval'
    holm = " after Holm's correction" if num_pairs > 1 else ''
    return f'two one-sided tests, p = {p_text(test.adjusted_p)}{holm}, {span}'


def as_latex(text: str) -> str:
    """Plain text as LaTeX: its special characters escaped, signed numbers as formulas."""
    escaped = ''.join(_SPECIAL.get(character, character) for character in text)
    # A hyphen before a number is a minus; a space before the percent sign must not break.
    signed = re.sub(r'(?<![\w.$+-])[+-]\d+(?:\.\d+)?', lambda number: f'${number[0]}$', escaped)
    signed = re.sub(r'\b([np]) = (\d+(?:\.\d+)?(?:e-\d+)?)', _as_formula, signed)
    return signed.replace(r' \%', r'\,\%').replace(' +- ', r' $\pm$ ')


def _as_formula(equation: re.Match) -> str:
    name, number = equation.groups()
    base, _, exponent = number.partition('e')
    power = rf' \times 10^{{{int(exponent)}}}' if exponent else ''
    return f'${name} = {base}{power}$'
