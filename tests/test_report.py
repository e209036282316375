"""What a person sees: the results table, the pictures, and progress with and without a terminal."""

import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from pairjax import progress
from pairjax.figures import plot_training_curves
from pairjax.progress import ProgressDisplay
from pairjax.report import format_figure, results_table, show_evaluation, show_results, trial_name
from pairjax.statistics import describe
from pairjax.summary import summarize

SEED_SHIFTS = (-0.1, 0.0, 0.1)  # Three seeds around a mean: their deviation is 0.1.
MEANS = {
    'train_loss': (1.5, 1.0, 0.5),
    'train_accuracy': (0.5, 0.6, 0.7),
    'validation_accuracy': (0.4, 0.5, 0.45),
    'test_accuracy': (0.3, 0.4, 0.5),
}


def metrics_lines(trial=0, means=MEANS, shifts=SEED_SHIFTS):
    """Lines of metrics.jsonl: each mean plus each seed's shift; null where a mean is None."""
    num_epochs = len(means['train_loss'])
    return [
        {
            name: None if curve[epoch] is None else curve[epoch] + shift
            for name, curve in means.items()
        }
        | {'trial': trial, 'seed': seed, 'epoch': epoch + 1, 'test_digit_accuracy': None}
        | {'train_seconds': 2.0, 'compile_seconds': 6.0 if epoch == 0 else 0.0}
        for epoch in range(num_epochs)
        for seed, shift in enumerate(shifts)
    ]


def hyper(name='AuxNet2', widths=(4, 4, 4, 8), shared=True):
    fields = {'model.name': name, 'model.widths': list(widths), 'model.weight_sharing': shared}
    return {'hyperparameters': fields, 'num_params': 12345}


def summary_of(lines, trials):
    summary = summarize(lines, trials)
    summary['timing']['devices'] = 2
    return {'name': 'mine', 'data': {'source': 'npz'}, **summary}


def plain_console(**keywords):
    return Console(file=io.StringIO(), width=160, highlight=False, **keywords)


def cells_of(table):
    """The texts of a table, row by row."""
    return [list(row) for row in zip(*(column.cells for column in table.columns), strict=True)]


# --------------------------------------------------------------------- the table


def test_figures_are_percents_with_deviation_and_interval():
    text = format_figure({'mean': 0.93456, 'std': 0.0078, 'ci95': [0.92, 0.949], 'values': []})
    assert text == '93.46 +- 0.78 [92.00, 94.90]'


def test_figures_say_only_what_n_allows():
    assert format_figure(describe([0.5])) == '50.00'
    assert format_figure(describe([0.5, None])) == '50.00'
    assert format_figure(describe([None, None])) == '-'
    assert format_figure(None) == '-'


def test_a_trial_is_named_by_model_widths_and_sharing():
    assert trial_name(hyper()) == 'AuxNet2 (4, 4, 4, 8)'
    assert trial_name(hyper(widths=[500])) == 'AuxNet2 (500)'
    assert trial_name(hyper(shared=False)) == 'AuxNet2 (4, 4, 4, 8) not shared'


def test_the_table_has_a_row_per_trial_with_its_own_n():
    bad = MEANS | {'train_loss': (1.0, None, None), 'validation_accuracy': (0.1, None, None)}
    lines = metrics_lines(0) + metrics_lines(1, bad)
    lines[-1]['train_loss'] = lines[-4]['train_loss'] = 0.5  # Seed 2 of trial 1 did not fail.
    lines[-1]['validation_accuracy'] = lines[-4]['validation_accuracy'] = 0.9
    summary = summary_of(lines, [hyper(), hyper(shared=False)])
    table = results_table(summary)
    console = plain_console()
    console.print(table)
    text = console.file.getvalue()
    assert 'mine, npz digits' in text and 'mean +- std [95 % interval' in text
    first, second = cells_of(table)
    # t = 4.3027 for n = 3: 0.1 * 4.3027 / sqrt(3) = 0.2484.
    assert first == ['0 AuxNet2 (4, 4, 4, 8)', '12,345', '3'] + [
        '50.00 +- 10.00 [25.16, 74.84]',
        '50.00 +- 10.00 [25.16, 74.84]',
        '40.00 +- 10.00 [15.16, 64.84]',
    ]
    # The star marks what validation selects; one seed of three is left.
    assert second[0] == '1* AuxNet2 (4, 4, 4, 8) not shared' and second[2] == '1'
    assert second[3] == '60.00'
    assert all(cell in text for row in (first, second) for cell in row)


# ------------------------------------------------------------------ show_results


def show(tmp_path, lines, trials):
    (tmp_path / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    console = plain_console()
    show_results(summary_of(lines, trials), tmp_path, console)
    return console.file.getvalue()


def test_results_are_printed_and_drawn(tmp_path):
    text = show(tmp_path, metrics_lines(), [hyper()])
    assert '\x1b' not in text
    assert '0* AuxNet2 (4, 4, 4, 8)' in text
    # 9 lines of 2 s over 3 runs; 3 lines of 6 s of compilation.
    assert '6.00 s per run on 2 devices (18.0 s of training' in text
    assert '18.0 s of compilation' in text
    path = tmp_path / 'figures' / 'training_curves.png'
    assert str(path) in text and str(tmp_path / 'summary.json') in text
    with Image.open(path) as image:
        assert image.format == 'PNG'
        assert 1000 <= image.width <= 3000 and 400 <= image.height <= 1500
        assert len(np.unique(np.asarray(image.convert('L')))) > 50


def test_when_every_run_failed_there_is_a_table_and_no_picture(tmp_path):
    lines = [line | dict.fromkeys(MEANS) for line in metrics_lines()]
    text = show(tmp_path, lines, [hyper()])
    assert 'seeds [0, 1, 2] became not-a-number' in text
    assert '│ 0 AuxNet2' in text
    assert not (tmp_path / 'figures').exists()


def test_evaluations_are_shown_per_seed_and_averaged_per_trial():
    names = ('trial', 'seed', 'epoch', 'test_accuracy', 'test_digit_accuracy')
    rows = [
        (0, 0, 25, 0.5, 0.25),
        (0, 1, 25, 0.7, 0.75),
        (1, 0, 25, 0.9, None),
        (1, 1, 25, None, None),
    ]
    console = plain_console()
    show_evaluation([dict(zip(names, row, strict=True)) for row in rows], console)
    text = console.file.getvalue()
    lines = [line.replace('│', ' ').split() for line in text.splitlines() if line[:1] == '│']
    assert lines == [
        ['0', '0', '25', '50.00', '25.00'],
        ['0', '1', '25', '70.00', '75.00'],
        ['1', '0', '25', '90.00', '-'],
        ['1', '1', '25', '-', '-'],
    ]
    assert 'trial 0: 60.00 +- 14.14' in text and 'over n = 2 seeds' in text
    assert 'trial 1: 90.00 % over n = 1 seeds' in text


# ---------------------------------------------------------------------- pictures


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """Draws lines and returns the figure that would have been saved."""
    figures = []
    monkeypatch.setattr(Figure, 'savefig', lambda self, *a, **k: figures.append(self))

    def draw(lines):
        plot_training_curves(pd.DataFrame.from_records(lines), 'title', tmp_path / 'x.png')
        return figures.pop()

    return draw


def curves_of(axes):
    """Per label: the line's points, and the lowest and highest points of its band."""
    curves = {}
    for line, band in zip(axes.lines, axes.collections, strict=True):
        points = pd.DataFrame(np.concatenate([p.vertices for p in band.get_paths()]))
        low, high = (getattr(points.groupby(0)[1], end)().to_numpy() for end in ('min', 'max'))
        curves[line.get_label()] = np.column_stack([line.get_xdata(), line.get_ydata(), low, high])
    return curves


def expected_curve(epochs, means, deviation, scale):
    means = scale * np.array(means)
    return np.column_stack([epochs, means, means - scale * deviation, means + scale * deviation])


def test_bands_are_mean_and_deviation_over_seeds(drawn):
    figure = drawn(metrics_lines())
    accuracy, loss = figure.axes
    curves = curves_of(accuracy)
    assert list(curves) == ['train', 'validation', 'test']
    for name, curve in curves.items():
        expected = expected_curve([1, 2, 3], MEANS[f'{name}_accuracy'], 0.1, scale=100)
        np.testing.assert_allclose(curve, expected, err_msg=name)
    (curve,) = curves_of(loss).values()
    np.testing.assert_allclose(curve, expected_curve([1, 2, 3], MEANS['train_loss'], 0.1, scale=1))
    assert figure.get_suptitle().startswith('title') and 'n = 3' in figure.get_suptitle()
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == list(curves)
    for axes in (accuracy, loss):
        assert axes.get_xlabel() and axes.get_ylabel()


def test_epochs_without_evaluation_and_failed_seeds_are_left_out(drawn):
    lines = metrics_lines(means=MEANS | {'test_accuracy': (None, 0.4, 0.5)})
    figure = drawn(lines + [line | {'seed': 7, 'train_loss': None} for line in lines[::3]])
    assert 'n = 3' in figure.get_suptitle()
    expected = expected_curve([2, 3], [0.4, 0.5], 0.1, scale=100)
    np.testing.assert_allclose(curves_of(figure.axes[0])['test'], expected)


def test_the_selected_trial_is_drawn(tmp_path, monkeypatch):
    better = MEANS | {'validation_accuracy': (0.9, 0.9, 0.9)}
    drawn = []
    monkeypatch.setattr('pairjax.report.plot_training_curves', lambda *a: drawn.append(a))
    show(tmp_path, metrics_lines(0) + metrics_lines(1, better), [hyper(), hyper('AuxNet1')])
    ((metrics, title, path),) = drawn
    assert set(metrics.trial) == {1} and len(metrics) == 9
    assert title == 'AuxNet1 (4, 4, 4, 8)' and path == tmp_path / 'figures' / 'training_curves.png'


# ---------------------------------------------------------------------- progress


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(value=100.0)
    monkeypatch.setattr(progress, 'time', SimpleNamespace(monotonic=lambda: now.value))
    return now


def lines_after(display, clock, epochs, seconds_each):
    """The lines that a display adds while epochs pass that take so long each."""
    for epoch in epochs:
        clock.value += seconds_each
        display.epoch(epoch, 0.5, 0.875)
    text = display.console.file.getvalue()
    display.console.file = io.StringIO()
    return text.splitlines()


def test_without_a_terminal_lines_come_seldom_and_the_last_one_always(clock):
    display = ProgressDisplay(plain_console())
    display.start('AuxNet2 (1/1)', 0, 25)
    lines = lines_after(display, clock, range(1, 26), seconds_each=2)
    # Every 5 s at most, that is every third epoch.
    assert [line.split('epoch ')[1].split('/')[0] for line in lines] == [
        *map(str, range(3, 25, 3)),
        '25',
    ]
    assert lines[0] == (
        'AuxNet2 (1/1): epoch 3/25  loss 0.500  validation accuracy 87.5 %  44 s left'
    )
    assert lines[-1].endswith('  0 s left')
    display.stop()
    display.stop()


def test_time_left_of_a_resumed_run_counts_its_own_epochs(clock):
    display = ProgressDisplay(plain_console())
    display.start('AuxNet2', 10, 30)
    assert lines_after(display, clock, [11, 12], seconds_each=4)[0].endswith('  72 s left')


def test_what_there_is_not_is_not_shown(clock):
    display = ProgressDisplay(plain_console())
    display.start('AuxNet2', 0, 1)
    clock.value += 1
    display.epoch(1, None, None)
    assert display.console.file.getvalue() == 'AuxNet2: epoch 1/1  0 s left\n'


def test_notes_are_never_wrapped_or_read_as_markup():
    display = ProgressDisplay(plain_console())
    display.note('python launch/main.py ' + 'x' * 300 + ' [bold]')
    assert display.console.file.getvalue() == 'python launch/main.py ' + 'x' * 300 + ' [bold]\n'


@pytest.mark.parametrize('width', [80, 160])
def test_on_a_terminal_there_is_a_bar(width):
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, _environ={'TERM': 'xterm'})
    display = ProgressDisplay(console)
    display.start('AuxNet2 (1/1)', 0, 25)
    for epoch in (1, 12):
        display.epoch(epoch, 0.5, 0.875)
    display.stop()
    last = file.getvalue().split('\r')[-1]
    assert '\x1b[' in last and last.count('━') >= 5
    assert 'AuxNet2' in last and 'epoch 12/25' in last and re.search('validation.* 87.5 %', last)
    # The time left is there in full also where the terminal is as narrow as they come.
    assert re.search(r'left \D*\S*\d:\d\d:\d\d', last)
