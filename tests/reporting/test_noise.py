"""The picture of the noise floor."""

import numpy as np

from pairjax.analysis.noise import noise_floor
from pairjax.reporting.noise import draw_noise


def test_every_bar_has_equally_many_attainable_differences():
    accuracies = np.random.default_rng(0).normal(930, 12, 60).round() / 1000
    left, _ = draw_noise(noise_floor(accuracies.tolist()), 'auxnet2').axes
    bars = left.patches
    assert sum(bar.get_height() for bar in bars) == 60 * 59 / 2
    # Accuracies of 1,000 pairs are 0.1 points apart; no edge is where a difference may be.
    steps = [bar.get_width() / 0.1 for bar in bars]
    assert np.allclose(steps, np.round(steps[0])) and 10 <= len(bars) <= 31
    edges = [bar.get_x() / 0.1 % 1 for bar in bars]
    assert np.allclose(edges, 0.5)
    top = max(bar.get_height() for bar in bars)
    assert left.get_ylim()[1] > 1.1 * top  # The words stand above the bars.
