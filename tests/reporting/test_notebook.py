"""Progress in a notebook, a log file and a sweep, with a clock of its own."""

import io
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from pairjax.reporting import notebook, progress
from pairjax.reporting.plots.curves import new_figure
from pairjax.reporting.progress import ProgressDisplay, bar, tracker


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    for module in (notebook, progress):
        monkeypatch.setattr(module, 'time', SimpleNamespace(monotonic=lambda: clock.now))
    return clock


class Outputs:
    """Stands in for IPython.display: what each output of the cell shows now."""

    def __init__(self):
        self.texts, self.updates = [], 0

    def display(self, data, raw, display_id):
        assert raw and display_id
        self.texts.append(data['text/plain'])
        return SimpleNamespace(update=self.update)

    def update(self, data, raw):
        self.texts[-1] = data['text/plain']
        self.updates += 1


@pytest.fixture
def outputs(monkeypatch):
    outputs = Outputs()
    monkeypatch.setitem(sys.modules, 'IPython', SimpleNamespace(display=outputs))
    monkeypatch.setitem(sys.modules, 'IPython.display', outputs)
    return outputs


@pytest.fixture
def plain():
    """A console without a terminal, and what it has printed."""
    file = io.StringIO()
    return Console(file=file, width=160), lambda: file.getvalue().splitlines()


def sweep(tmp_path):
    """A plan of two programs of three runs, the first of which has three lines already."""
    (tmp_path / 'metrics.jsonl').write_text('{}\n' * 3)
    return SimpleNamespace(
        programs=[[0], [1]],
        runs=lambda number: [0] * 3,
        num_epochs=lambda number: 10,
        program_name=lambda number: f'net {number + 1}/2',
    )


def train(display, clock, name, first, last, total=10, seconds=1.0):
    display.on_program_start(name, first, total)
    for epoch in range(first + 1, last + 1):
        clock.now += seconds
        display.on_epoch_end(name, epoch, [{'train_loss': 0.5, 'validation_accuracy': 0.9}] * 3)
    display.on_program_end(name)


def test_a_cell_has_one_output_with_messages_and_a_bar(outputs, clock):
    display = ProgressDisplay(Console(force_jupyter=True, file=io.StringIO()))
    display.on_message('compiling')
    display.on_program_start('AuxNet2', 0, 4)
    clock.now += 3
    display.on_epoch_end('AuxNet2', 1, [{'train_loss': 0.5, 'validation_accuracy': 0.875}])
    assert outputs.texts == [
        f'compiling\nAuxNet2  {"█" * 6 + "░" * 18}  1/4  validation 87.5 %  9 s left'
    ]
    before = outputs.updates
    display.on_epoch_end('AuxNet2', 2, [{'train_loss': 0.5, 'validation_accuracy': 0.875}])
    assert outputs.updates == before  # Not more often than a person sees.
    display.on_epoch_end('AuxNet2', 4, [{'train_loss': 0.5, 'validation_accuracy': None}])
    display.on_program_end('AuxNet2')
    display.on_program_end('AuxNet2')
    (text,) = outputs.texts
    assert text.splitlines() == ['compiling', f'AuxNet2  {"█" * 24}  4/4']


def test_a_sweep_shows_all_of_it(outputs, clock, tmp_path, plain):
    display = ProgressDisplay(Console(force_jupyter=True, file=io.StringIO()))
    display.on_experiment_start(sweep(tmp_path), tmp_path)
    train(display, clock, 'net 1/2', 1, 6)
    # The first failed after its sixth epoch.
    message, whole = outputs.texts[0].splitlines()
    assert message == 'net 1/2: epoch 6/10  validation 90.0 %'
    assert whole.startswith('all 2 programs') and whole.endswith('  18/48  10 s left')
    display.on_experiment_end()
    display.on_experiment_end()
    assert outputs.texts[0].endswith('  18/48')
    console, lines = plain
    display = ProgressDisplay(console)
    display.on_experiment_start(sweep(tmp_path), tmp_path)
    train(display, clock, 'net 1/2', 1, 10, seconds=2.0)
    # 30 + 30 epochs of runs, 3 of them before, three each 2 seconds.
    assert lines()[0].endswith('epoch 4/10  validation 90.0 %  loss 0.500  12 s left; '
                               'all 2 programs: about 32 s left')  # fmt: skip


def test_a_log_file_has_a_line_now_and_then(plain, clock):
    console, lines = plain
    for _ in tracker(console)(range(10), 'evaluating'):
        clock.now += 2
    assert lines() == [
        *('evaluating: 3 of 10  14 s left', 'evaluating: 6 of 10  8 s left'),
        'evaluating: 9 of 10  2 s left',
    ]
    for _ in tracker(console)(range(10), 'quick'):
        clock.now += 0.1
    assert len(lines()) == 3


def test_a_bar_in_a_notebook_and_on_a_terminal(outputs, clock):
    with bar(Console(force_jupyter=True, file=io.StringIO()), 'reading', 4) as advance:
        clock.now += 1
        advance(2)
        assert outputs.texts[-1].endswith('2/4  1 s left')
        advance(2)
    assert outputs.texts[-1] == f'reading  {"█" * 24}  4/4'
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, _environ={'TERM': 'xterm'})
    assert list(tracker(console)([1, 2], 'evaluating')) == [1, 2]
    assert 'evaluating' in file.getvalue() and '0/2' in file.getvalue()


def test_a_figure_shows_itself_without_pyplot():
    assert new_figure(1, 1)._repr_png_().startswith(b'\x89PNG')
