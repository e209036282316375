"""The event files, read back byte by byte: what metrics.jsonl holds, each point once."""

import io
import shutil
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import make_small_config
from rich.console import Console

from pairjax.errors import UserError
from pairjax.reporting import tensorboard
from pairjax.reporting.progress import ProgressDisplay
from pairjax.reporting.tensorboard import TensorBoard
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.workdir.metrics_log import Metrics
from pairjax.workdir.status import saved_epoch
from pairjax.workdir.workdir import checkpoint_directory

pytest.importorskip('tensorboardX')
from tensorboardX.proto.event_pb2 import Event

CURVES = ['train_loss', *(f'{name}_accuracy' for name in ('train', 'validation', 'test'))]


def masked_checksum(data):
    """CRC-32C bit by bit (polynomial 0x1EDC6F41 reflected), masked as TFRecords have it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_events(path):
    """The events of a file; length (8 bytes), checksum, event, checksum, and so on."""
    content, events = path.read_bytes(), []
    while content:
        (length,) = struct.unpack('<Q', content[:8])
        data, content_after = content[12 : 12 + length], content[16 + length :]
        checksums = struct.unpack('<I', content[8:12]) + struct.unpack(
            '<I', content[12 + length : 16 + length]
        )
        assert checksums == (masked_checksum(content[:8]), masked_checksum(data))
        events.append(Event.FromString(data))
        content = content_after
    return events


def read_points(workdir):
    """Every point as (run, name, step, value), in the order of the files."""
    points = []
    for path in sorted((workdir / 'tensorboard').rglob('*')):
        if path.is_file():
            assert path.name.startswith('events.out.tfevents.')
            run = path.parent.relative_to(workdir / 'tensorboard').as_posix()
            version, *events = read_events(path)
            assert version.file_version == 'brain.Event:2'
            times = [event.wall_time for event in events]
            assert times == sorted(times)
            points += [
                (run, v.tag, e.step, v.simple_value) for e in events for v in e.summary.value
            ]
    return points


def expected_points(workdir, with_seeds=True):
    """The same by pandas, from metrics.jsonl; event files hold float32."""
    frame = pd.DataFrame.from_records(Metrics(workdir).read())
    names = [name for name in frame if name.endswith('_accuracy') or name == 'train_loss']
    frame[names] = frame[names].astype(float)
    points = []
    if with_seeds:
        for row in frame.to_dict('records'):
            run = f'trial_{row["trial"]}/seed_{row["seed"]}'
            points += [(run, name, row['epoch'], row[name]) for name in names]
    for (trial, epoch), group in frame.groupby(['trial', 'epoch']):
        run = f'trial_{trial}/mean'
        points += [(run, name, epoch, group[name].mean()) for name in names]
        points.append((run, 'num_seeds', epoch, group.train_loss.count()))
    return [(*point, np.float32(value)) for *point, value in points if not np.isnan(value)]


def assert_same_points(workdir, **keywords):
    points, expected = read_points(workdir), expected_points(workdir, **keywords)
    places = [point[:3] for point in points]
    assert len(set(places)) == len(places)
    assert sorted(places) == sorted(point[:3] for point in expected)
    values, wanted = ([p[3] for p in sorted(ps)] for ps in (points, expected))
    np.testing.assert_allclose(values, wanted, rtol=1e-6)


def make_config(path):
    """Two programs of two trials each, saved after each epoch."""
    config = make_small_config(path)
    config.model.name = 'ShallowModel'
    config.model.dropout_rate = config.loss.aux_weight = 0.0
    config.checkpoint.every_seconds = 0.0
    config.sweep.product = (
        ('model.widths', ((8,), (6,))),
        ('optimizer.learning_rate', (1e-3, 1e-2)),
    )
    return config


@pytest.fixture
def config(small_digits_path):
    return make_config(small_digits_path)


def run(config, workdir, *others, **keywords):
    """Runs with event files and returns what was printed; `others` watch, too."""
    console = Console(file=io.StringIO(), width=200)
    display = ProgressDisplay(console)
    callbacks = [display, TensorBoard(display.on_message), *others]
    run_experiment(config, workdir, callbacks=callbacks, **keywords)
    return console.file.getvalue()


class Crash(BaseException):
    """Stands for the power going out."""


class CrashAfter(Callback):
    def __init__(self, epochs):
        self.epochs_left = epochs

    def on_epoch_end(self, name, epoch, records):
        self.epochs_left -= 1
        if self.epochs_left == 0:
            raise Crash


class Live(Callback):
    """After every epoch compares the files with metrics.jsonl."""

    def __init__(self):
        self.workdir, self.num_points = None, []

    def on_experiment_start(self, plan, workdir):
        self.workdir = workdir

    def on_epoch_end(self, name, epoch, records):
        assert_same_points(self.workdir)
        self.num_points.append(len(read_points(self.workdir)))


def test_every_point_is_there_once_while_training_and_at_the_end(config, tmp_path):
    live = Live()
    printed = run(config, tmp_path / 'workdir', live)
    # Two trials a program, of 3 seeds with 4 curves each, and a mean that has num_seeds, too.
    # Each program ends with the accuracy over sampled pairs, of every seed and their mean.
    last = [0, 0, 1, 1, 1, 2]
    assert live.num_points == [
        2 * (3 * 4 + 5) * epochs + 2 * (3 + 1) * last[epochs - 1] for epochs in range(1, 7)
    ]
    assert_same_points(tmp_path / 'workdir')
    assert {name for _, name, _, _ in read_points(tmp_path / 'workdir')} == {
        *CURVES,
        'sampled_pair_accuracy',
        'num_seeds',
    }
    assert f'tensorboard --logdir={tmp_path}/workdir/tensorboard\n' in printed


def test_after_a_crash_no_point_is_double_and_none_is_missing(config, tmp_path):
    workdir = tmp_path / 'workdir'
    with pytest.raises(Crash):
        run(config, workdir, CrashAfter(5))
    # Epoch 2 of the second program has points and no checkpoint; and half an event was written.
    assert len(Metrics(workdir).read()) == 6 * 5
    assert saved_epoch(checkpoint_directory(workdir, 1)) == 1
    for path in (workdir / 'tensorboard').rglob('events*'):
        path.write_bytes(path.read_bytes()[:-7])
    run(config, workdir)
    assert_same_points(workdir)
    assert len(Metrics(workdir).read()) == 36


def test_what_was_trained_without_event_files_gets_them(config, tmp_path):
    workdir = tmp_path / 'workdir'
    with pytest.raises(Crash):
        run_experiment(config, workdir, callbacks=[CrashAfter(4)])
    assert not (workdir / 'tensorboard').exists()
    run(config, workdir)
    assert_same_points(workdir)
    shutil.rmtree(workdir / 'tensorboard')
    run(config, workdir)  # A finished experiment gets them, too.
    assert_same_points(workdir)


def test_the_mean_is_over_the_seeds_that_have_a_value():
    lines = [
        {'trial': 0, 'seed': s, 'epoch': 1, 'train_loss': loss, 'test_accuracy': a, 'x_seconds': 1}
        for s, loss, a in ((0, 1.0, 0.5), (1, None, None), (2, 4.0, 0.75))
    ]
    expected = {'train_loss': 2.5, 'test_accuracy': 0.625, 'num_seeds': 2}
    assert tensorboard.mean_scalars(lines) == expected
    assert tensorboard.scalars(lines[1]) == {}
    assert tensorboard.scalars(lines[2]) == {'train_loss': 4.0, 'test_accuracy': 0.75}


def watch(workdir, num_epochs, num_seeds=3, failed=()):
    """Tells event files alone of an experiment of one trial; returns what was printed."""
    console = Console(file=io.StringIO(), width=200)
    callback = TensorBoard(ProgressDisplay(console).on_message)
    callback.on_experiment_start(SimpleNamespace(trials=[None], seeds=range(num_seeds)), workdir)
    for epoch in range(1, num_epochs + 1):
        values = {seed: None if seed in failed else epoch / (2 + seed) for seed in range(num_seeds)}
        records = [
            {
                **{'trial': 0, 'seed': seed, 'epoch': epoch},
                **{'train_seconds': 1.0, 'compile_seconds': 0.0},
                **dict.fromkeys(('train_loss', 'test_accuracy'), value),
                **dict.fromkeys(('train_accuracy', 'validation_accuracy', 'test_digit_accuracy')),
            }
            for seed, value in values.items()
        ]
        Metrics(workdir).append(records)
        callback.on_epoch_end('a program', epoch, records)
    return console.file.getvalue()


def test_runs_that_diverged_have_no_points_and_count_in_no_mean(tmp_path):
    watch(tmp_path, 2, failed=(1,))
    assert_same_points(tmp_path)
    points = read_points(tmp_path)
    assert {p[0] for p in points} == {'trial_0/mean', 'trial_0/seed_0', 'trial_0/seed_2'}
    assert ('trial_0/mean', 'num_seeds', 2, 2.0) in points


def test_where_all_diverged_the_number_of_seeds_is_left(tmp_path):
    watch(tmp_path, 1, failed=(0, 1, 2))
    assert read_points(tmp_path) == [('trial_0/mean', 'num_seeds', 1, 0.0)]


def test_of_very_many_runs_there_are_means_alone(tmp_path):
    printed = watch(tmp_path, 2, num_seeds=201)
    assert_same_points(tmp_path, with_seeds=False)
    assert 'with 201 runs the means over seeds alone' in printed
    assert len(list((tmp_path / 'tensorboard').rglob('events*'))) == 1


def test_a_missing_package_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorboardX', None)
    with pytest.raises(UserError, match=r"tensorboardX.*pip install -e '.\[tensorboard\]'"):
        TensorBoard(Console())
