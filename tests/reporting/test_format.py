"""Numbers as they are printed: never on the other side of a limit that readers compare with."""

import pytest

from pairjax.reporting.format import p_text, points


@pytest.mark.parametrize(
    ('p_value', 'text'),
    [(1.0, '1'), (0.0123, '0.012'), (0.05, '0.05'), (0.0496, '0.05'), (0.0504, '0.0504'),
     (0.050001, '0.050001'), (0.00001, '1e-05')],
)  # fmt: skip
def test_no_p_value_is_rounded_across_the_level(p_value, text):
    assert p_text(p_value) == text


@pytest.mark.parametrize(
    ('difference', 'text'),
    [(None, '-'), (0.0, '+0.00'), (-1e-17, '+0.00'), (0.0149, '+1.49'), (-0.00005, '-0.01'),
     (0.00003, '+0.003'), (-0.0000004, '-0.00004')],
)  # fmt: skip
def test_a_small_difference_is_not_shown_as_zero(difference, text):
    assert points(difference) == text
