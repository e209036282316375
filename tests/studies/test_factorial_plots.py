"""What the study's plots show: every seed, every mean, every interval."""

import dataclasses

import numpy as np
import pytest
from fake_study import DESIGN, gains, train_nothing
from matplotlib.container import ErrorbarContainer

from pairjax.analysis.statistics import describe
from pairjax.studies.factorial.analysis import analyse, read_study
from pairjax.studies.factorial.design import DesignCell
from pairjax.studies.factorial.plots import draw_accuracies, draw_effects, draw_train_pairs
from pairjax.studies.factorial.running import run_study


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    run = train_nothing(gains(sharing=0.02, aux=0.03), failed=(4,))
    return read_study(DESIGN, run_study(DESIGN, tmp_path_factory.mktemp('study'), run))


def shown_panels(figure):
    return [axes for axes in figure.axes if axes.axison]


def means_of(axes):
    """Means and interval ends in percent by label, in the order of the horizontal axis."""
    found = {}
    for container in axes.containers:
        assert isinstance(container, ErrorbarContainer)
        line, _, (bars,) = container.lines
        ends = [segment[:, 1] for segment in bars.get_segments()]
        found[container.get_label()] = (line.get_ydata(), np.array(ends))
    return found


def dots_of(axes):
    dots = [line for line in axes.lines if line.get_marker() == '.']
    return np.sort(np.concatenate([line.get_ydata() for line in dots]))


def cells_of(network, sharing):
    return [DesignCell(network, sharing, weight, 1000) for weight in DESIGN.aux_weights]


def test_every_surviving_seed_is_a_dot_and_every_arm_a_mean(results):
    panels = shown_panels(draw_accuracies(DESIGN, results))
    assert [axes.get_title() for axes in panels] == ['AuxNet2, 6 seeds', 'DeepModel, 6 seeds']
    for axes, network in zip(panels, ('AuxNet2', 'DeepModel'), strict=True):
        shown = (network, 1000, 'learned')
        tests = [
            results.test_accuracy(cell)
            for cell in results.trials
            if (cell.network, cell.train_pairs, cell.head) == shown
        ]
        assert np.allclose(dots_of(axes), np.sort(100 * np.concatenate(tests)))
        assert [t.get_text() for t in axes.get_xticklabels()] == ['0', '2']
    shared, ends = means_of(panels[0])['one shared branch']
    statistics = [
        describe(results.test_accuracy(c).tolist()) for c in cells_of('AuxNet2', 'shared')
    ]
    assert np.allclose(shared, [100 * statistic['mean'] for statistic in statistics])
    assert np.allclose(ends, [100 * np.array(statistic['ci95']) for statistic in statistics])
    assert len(means_of(panels[0])) == 3 and len(means_of(panels[1])) == 2


def test_differences_stand_at_their_weights_with_their_intervals(results):
    rows = analyse(DESIGN, results)['sharing']
    figure = draw_effects(DESIGN, rows)
    panel = shown_panels(figure)[0]
    for label, other in (
        ('against two branches of the same widths', 'separate'),
        ('against two branches cut to the same number of parameters', 'cut'),
    ):
        mine = [row for row in rows if (row.a.network, row.b.sharing) == ('AuxNet2', other)]
        means, ends = means_of(panel)[label]
        assert np.allclose(means, [100 * row.paired.mean for row in mine])
        assert np.allclose(ends, [100 * np.array(row.paired.ci95) for row in mine])
    [legend] = figure.legends
    assert len(legend.get_texts()) == 2


def test_train_pairs_have_a_panel_a_weight(results):
    panels = shown_panels(draw_train_pairs(DESIGN, results))
    assert [axes.get_title() for axes in panels] == [
        'AuxNet2, aux weight 0, 6 seeds',
        'AuxNet2, aux weight 2, 6 seeds',
    ]
    for axes, weight in zip(panels, (0.0, 2.0), strict=True):
        means, _ = means_of(axes)['two branches of the same widths']
        cells = [DesignCell('AuxNet2', 'separate', weight, size) for size in (250, 500, 1000)]
        assert np.allclose(means, [100 * results.test_accuracy(cell).mean() for cell in cells])
        assert len(dots_of(axes)) == 2 * 3 * 5  # One of the six seeds failed.


def test_missing_parts_leave_room(results):
    main = {cell: t for cell, t in results.trials.items() if cell[::3] == ('AuxNet2', 1000)}
    some = dataclasses.replace(results, trials=main)
    accuracies = shown_panels(draw_accuracies(DESIGN, some))
    assert len(accuracies) == 2
    panel = shown_panels(draw_train_pairs(DESIGN, some))[0]
    means = panel.containers[0].lines[0].get_ydata(orig=False)
    assert np.isnan(means[:2]).all() and np.isfinite(means[2])
