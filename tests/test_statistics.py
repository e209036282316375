"""Statistics over seeds against hand-computed figures."""

import pytest

from pairjax.statistics import describe


def test_interval_of_a_mean_is_the_student_t_interval():
    figure = describe([0.90, 0.92, 0.94, 0.91, 0.93])
    assert figure['mean'] == pytest.approx(0.92)
    assert figure['std'] == pytest.approx(0.0158113883)
    # 2.776445 is the 97.5 % point of Student's t with 4 degrees of freedom, from a printed table.
    half_width = 2.776445 * 0.0158113883 / 5**0.5
    assert figure['ci95'] == pytest.approx([0.92 - half_width, 0.92 + half_width], abs=1e-7)


def test_a_failed_seed_stays_in_the_values_but_in_no_figure():
    assert describe([0.5, None, 0.7])['values'] == [0.5, None, 0.7]
    assert describe([0.5, None, 0.7])['mean'] == pytest.approx(0.6)


def test_what_n_does_not_allow_is_none():
    assert describe([0.5]) == {'mean': 0.5, 'std': None, 'ci95': None, 'values': [0.5]}
    assert describe([None])['mean'] is None
