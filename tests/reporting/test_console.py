"""What a person sees: the results table, the plots, and progress with and without a terminal."""

import io
import json
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from pairjax.analysis.results import ExperimentResult, MetricsFrame, TrialResult
from pairjax.analysis.statistics import describe
from pairjax.analysis.summary import summarize
from pairjax.reporting import console as console_report
from pairjax.reporting import progress
from pairjax.reporting.console import (
    accuracy_table,
    show_evaluation,
    show_results,
)
from pairjax.reporting.format import format_statistic
from pairjax.reporting.plots.curves import draw_training_curves
from pairjax.reporting.progress import ProgressDisplay
from pairjax.trials import trial_name, trial_names

MEANS = {
    'train_loss': (1.5, 1.0, 0.5),
    'train_accuracy': (0.5, 0.6, 0.7),
    'validation_accuracy': (0.4, 0.5, 0.45),
    'test_accuracy': (0.3, 0.4, 0.5),
}
CLOCK = {'train_seconds': 2.0, 'compile_seconds': 1.0}


def metrics_lines(trial=0, **changed):
    """Lines of three seeds around each mean, whose deviation is 0.1; null where a mean is None."""
    means = MEANS | changed
    return [
        {name: None if curve[i] is None else curve[i] + shift for name, curve in means.items()}
        | {'trial': trial, 'seed': seed, 'epoch': i + 1, 'test_digit_accuracy': None, **CLOCK}
        for i in range(3)
        for seed, shift in enumerate((-0.1, 0.0, 0.1))
    ]


def trial_of(name='AuxNet2', shared=True):
    fields = {'model.name': name, 'model.widths': [4, 4, 4, 8], 'model.weight_sharing': shared}
    return {'hyperparameters': fields, 'num_params': 12345, 'failure': None}


def summary_of(lines, trials):
    summary = summarize(lines, trials)
    summary['timing']['devices'] = 2
    return {'name': 'mine', 'data': {'source': 'npz'}, **summary}


def printed(show, *arguments):
    """What a function that takes a console prints where there is no terminal."""
    console = Console(file=io.StringIO(), width=160, highlight=False)
    show(*arguments, console)
    return console.file.getvalue()


def result_of(directory, lines, trials):
    (directory / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    summary, log = summary_of(lines, trials), MetricsFrame(directory)
    names = trial_names(summary['trials'])
    results = [TrialResult(i, names[i], t, log) for i, t in enumerate(summary['trials'])]
    return ExperimentResult(directory, summary, {}, {}, results)


def show(directory, lines, trials):
    return printed(show_results, result_of(directory, lines, trials))


# --------------------------------------------------------------------- the table


def test_figures_are_percents_and_say_only_what_n_allows():
    figure = {'mean': 0.93456, 'std': 0.0078, 'ci95': [0.92, 0.949], 'values': []}
    assert format_statistic(figure) == '93.46 +- 0.78 [92.00, 94.90]'
    assert format_statistic(describe([0.5])) == '50.00'
    assert format_statistic(describe([0.5, None])) == '50.00'
    assert format_statistic(describe([None, None])) == format_statistic(None) == '-'


def test_a_trial_is_named_by_model_widths_and_sharing():
    assert trial_name(trial_of()) == 'AuxNet2 (4, 4, 4, 8)'
    assert trial_name(trial_of(shared=False)) == 'AuxNet2 (4, 4, 4, 8) not shared'


def test_the_table_has_a_row_per_trial_with_its_own_n(tmp_path):
    lines = metrics_lines(0) + metrics_lines(1, validation_accuracy=(0.1, 0.2, 0.9))
    for line in lines[-3:-1]:
        line['train_loss'] = None  # Two seeds of three fail in the last epoch of trial 1.
    result = result_of(tmp_path, lines, [trial_of(), trial_of(shared=False)])
    text = printed(lambda console: console.print(accuracy_table(result)))
    assert 'mine, npz digits' in text and 'mean +- std [95 % interval' in text
    rows = [line.strip('│ ').split('│') for line in text.splitlines() if line[:1] == '│']
    first, second = ([cell.strip() for cell in row] for row in rows)
    # Student's t is 4.3027 for n = 3: 0.1 * 4.3027 / sqrt(3) = 0.2484.
    final, best_validation = '50.00 +- 10.00 [25.16, 74.84]', '40.00 +- 10.00 [15.16, 64.84]'
    # The star marks the selected trial: a trial with failed seeds is not selected.
    name = '0* AuxNet2 (4, 4, 4, 8)'
    assert first == [name, '12,345', '3', final, final, best_validation, '6.00']
    assert second == ['1 AuxNet2 (4, 4, 4, 8) not shared', '12,345', '1', *['60.00'] * 3, '6.00']


def test_the_accuracy_over_all_pairs_is_a_column_where_a_trial_has_one(tmp_path):
    lines = metrics_lines(0) + metrics_lines(1)
    without = result_of(tmp_path, lines, [trial_of(), trial_of(shared=False)])
    for line in lines[-3:]:
        line['exact_pair_accuracy'] = 0.75
    of_earlier_version = result_of(tmp_path, lines, [trial_of(), trial_of(shared=False)])
    for trial in of_earlier_version.trials:
        del trial.summary['exact_pair_accuracy'], trial.summary['sampled_pair_accuracy']
    for shown in (without, of_earlier_version):
        headings = [column.header for column in accuracy_table(shown).columns]
        assert headings[-2:] == ['best on validation', 's/run']
    result = result_of(tmp_path, lines, [trial_of(), trial_of(shared=False)])
    *_, column, _ = accuracy_table(result).columns
    assert column.header == 'all test pairs'
    assert list(column.cells) == ['-', '75.00 +- 0.00 [75.00, 75.00]']


def test_results_are_printed_and_drawn(tmp_path):
    text = show(tmp_path, metrics_lines(), [trial_of()])
    assert '\x1b' not in text and '0* AuxNet2 (4, 4, 4, 8)' in text
    # 9 lines of 2 s over 3 runs; 9 lines of 1 s of compilation.
    assert '6.00 s per run on 2 devices (18.0 s of' in text and '9.0 s of compilation' in text
    path = tmp_path / 'figures' / 'training_curves.png'
    assert str(path) in text and str(tmp_path / 'summary.json') in text
    with Image.open(path) as image:
        assert image.format == 'PNG'
        assert 1000 <= image.width <= 3000 and 400 <= image.height <= 1500
        assert len(np.unique(np.asarray(image.convert('L')))) > 50


def test_a_failed_trial_is_named_and_has_no_figures(tmp_path):
    failed = trial_of('AuxNet3') | {'failure': 'RuntimeError: no luck'}
    text = show(tmp_path, metrics_lines(), [trial_of(), failed])
    assert 'AuxNet3 (4, 4, 4, 8) failed: RuntimeError: no luck' in text
    (row,) = [line for line in text.splitlines() if '1 AuxNet3' in line]
    assert '12,345' in row and '%' not in row and row.count(' - ') == 4


def test_failed_seeds_are_named_and_nothing_is_drawn_of_them(tmp_path):
    lines = [line | dict.fromkeys(MEANS) for line in metrics_lines()]
    text = show(tmp_path, lines, [trial_of()])
    assert 'the loss of seeds [0, 1, 2] became NaN' in text
    assert '│ 0 AuxNet2' in text and not (tmp_path / 'figures').exists()


def test_evaluations_are_shown_per_seed_and_averaged_per_trial():
    names = ('trial', 'seed', 'epoch', 'test_accuracy', 'test_digit_accuracy')
    values = [(0, 0, 9, 0.5, 0.25), (0, 1, 9, 0.7, 0.75), (1, 0, 9, 0.9, None)]
    rows = [dict(zip(names, row, strict=True)) for row in [*values, (1, 1, 9, None, None)]]
    text = printed(show_evaluation, rows)
    lines = [line.replace('│', ' ').split() for line in text.splitlines() if line[:1] == '│']
    assert lines == [
        ['0', '0', '9', '50.00', '25.00'],
        ['0', '1', '9', '70.00', '75.00'],
        ['1', '0', '9', '90.00', '-'],
        ['1', '1', '9', '-', '-'],
    ]
    assert 'trial 0: 60.00 +- 14.14' in text and 'trial 1: 90.00 % over n = 1 seeds' in text


# ---------------------------------------------------------------------- pictures


def draw(lines):
    return draw_training_curves(pd.DataFrame.from_records(lines), 'title')


def curves_of(axes):
    """Per label: epochs, means, and the lowest and highest points of the band."""
    curves = {}
    for line, band in zip(axes.lines, axes.collections, strict=True):
        points = pd.DataFrame(np.concatenate([p.vertices for p in band.get_paths()]))
        ends = points.groupby(0)[1].agg(['min', 'max']).to_numpy()
        curves[line.get_label()] = np.column_stack([*line.get_data(), ends])
    return curves


def expected_curve(epochs, means, scale=100.0, deviation=0.1):
    means, deviation = scale * np.array(means), scale * deviation
    return np.column_stack([epochs, means, means - deviation, means + deviation])


def test_bands_are_mean_and_deviation_over_seeds():
    figure = draw(metrics_lines())
    accuracy, loss = figure.axes
    curves = curves_of(accuracy)
    assert list(curves) == ['train', 'validation', 'test']
    for name, curve in curves.items():
        np.testing.assert_allclose(curve, expected_curve([1, 2, 3], MEANS[f'{name}_accuracy']))
    (curve,) = curves_of(loss).values()
    np.testing.assert_allclose(curve, expected_curve([1, 2, 3], MEANS['train_loss'], scale=1))
    assert figure.get_suptitle().startswith('title') and 'n = 3' in figure.get_suptitle()
    assert [text.get_text() for text in accuracy.get_legend().get_texts()] == list(curves)
    assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)


def test_epochs_without_evaluation_and_failed_seeds_are_left_out():
    lines = metrics_lines(test_accuracy=(None, 0.4, 0.5))
    figure = draw(lines + [line | {'seed': 7, 'train_loss': None} for line in lines[::3]])
    assert 'n = 3' in figure.get_suptitle()
    test = curves_of(figure.axes[0])['test']
    np.testing.assert_allclose(test, expected_curve([2, 3], [0.4, 0.5]))
    # One seed has a band of no width.
    test = curves_of(draw(metrics_lines()[1::3]).axes[0])['test']
    np.testing.assert_allclose(test, expected_curve([1, 2, 3], [0.3, 0.4, 0.5], deviation=0))


def test_the_selected_trial_is_drawn(tmp_path, monkeypatch):
    drawn, saved = [], []
    monkeypatch.setattr(console_report, 'draw_training_curves', lambda *a: drawn.append(a))
    monkeypatch.setattr(console_report, 'save_figure', lambda figure, path: saved.append(path))
    lines = metrics_lines(0) + metrics_lines(1, validation_accuracy=(0.9, 0.9, 0.9))
    show(tmp_path, lines, [trial_of(), trial_of('AuxNet1')])
    ((metrics, title),) = drawn
    assert set(metrics.trial) == {1} and len(metrics) == 9
    assert title == 'AuxNet1 (4, 4, 4, 8)'
    assert saved == [tmp_path / 'figures' / 'training_curves.png']


# ---------------------------------------------------------------------- progress


@pytest.fixture
def plain(monkeypatch):
    """Shows epochs that each take so many seconds; returns the lines of a console without bar."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, 'time', SimpleNamespace(monotonic=lambda: clock.now))

    names = ('train_loss', 'validation_accuracy')

    def run(first, last, total, seconds_each, *values):
        def run_and_note(console):
            display = ProgressDisplay(console)
            display.on_program_start('AuxNet2', first, total)
            for epoch in range(first + 1, last + 1):
                clock.now += seconds_each
                display.on_epoch_end('AuxNet2', epoch, [dict(zip(names, values, strict=True))])
            display.on_program_end('AuxNet2')
            display.on_message('y' * 300 + ' [bold]')

        *lines, note = printed(run_and_note).splitlines()
        assert note == 'y' * 300 + ' [bold]'  # Neither wrapped nor read as markup.
        return lines

    return run


def test_without_a_terminal_lines_come_seldom_and_the_last_one_always(plain):
    lines = plain(0, 25, 25, 2, 0.5, 0.875)
    shown = [int(re.search(r'epoch (\d+)/25', line)[1]) for line in lines]
    assert shown == [*range(3, 25, 3), 25]  # Five seconds apart at least.
    assert re.fullmatch(r'AuxNet2: epoch 3/25 +valid.* 87\.5 % +loss 0\.500 +44 s left', lines[0])
    assert lines[-1].endswith('  0 s left')


def test_a_resumed_run_counts_its_own_epochs_and_what_is_missing_is_not_shown(plain):
    assert plain(10, 12, 30, 4, None, None) == ['AuxNet2: epoch 12/30  72 s left']


@pytest.mark.parametrize('width', [80, 160])
def test_on_a_terminal_there_is_a_bar_and_the_time_left(width):
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, _environ={'TERM': 'xterm'})
    display = ProgressDisplay(console)
    name = 'AuxNet2 (16, 32, 256, 128) 1/31'
    display.on_program_start(name, 0, 25)
    for epoch in (1, 12):
        display.on_epoch_end(name, epoch, [{'train_loss': 0.5, 'validation_accuracy': 0.875}])
    display.on_program_end(name)
    display.on_program_end(name)
    # The last of the lines that replaced each other, without its colours.
    line = re.sub(r'\x1b\[[\d;?]*[a-zA-Z]', '', file.getvalue().split('\r')[-1])
    assert line.startswith('AuxNet2 (16') and line.count('━') >= 5 and ' 12/25 ' in line
    assert re.search('validation.* 87.5 %', line) and re.search(r'left +\d+:\d\d:\d\d', line)


def test_images_that_are_read_are_counted_on_a_terminal_and_seldom_elsewhere(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(progress, 'time', SimpleNamespace(monotonic=lambda: clock.now))

    def read(console):
        display = ProgressDisplay(console)
        for num_read in range(10, 110, 10):
            clock.now += 2
            display.on_images_read(num_read, 100)

    assert printed(read).splitlines() == [f'{n} of 100 images read' for n in (30, 60, 90)]
    file = io.StringIO()
    read(Console(file=file, width=80, force_terminal=True, _environ={'TERM': 'xterm'}))
    lines = file.getvalue().split('\r')
    assert (
        lines[4] == '#' * 12 + '.' * 12 + ' 50 of 100 images read' and '\n' not in file.getvalue()
    )
    assert lines[-2:] == [' ' * len(lines[8] + '1'), '']  # Nothing of it stays.
