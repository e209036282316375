"""Several programs side by side: how many there are, and that nobody can tell from the results."""

import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from conftest import make_shallow_config
from failing import failing_trainer
from processes import ROOT, assert_same_outcome, outcome_of

from pairjax.errors import UserError
from pairjax.runtime import experiment, train_loop
from pairjax.runtime.callbacks import Callback
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.plan import make_plan
from pairjax.runtime.preemption import Interrupted
from pairjax.runtime.scheduling import DeviceGroup, choose_device_groups, longest_first
from pairjax.workdir.metrics_log import Metrics


def widths_of_groups(num_devices, programs, **runs):
    """How many devices each group has."""
    jax_devices = jax.devices()[:num_devices]
    assert len(jax_devices) == num_devices
    settings = SimpleNamespace(devices=num_devices, per_batch=0, **runs)
    groups = choose_device_groups(programs, settings)
    devices = [device for group in groups for device in group.devices]
    assert len(set(devices)) == len(devices)
    assert sum(group.share for group in groups) == pytest.approx(1)
    return [len(group.devices) for group in groups]


@pytest.mark.parametrize(
    ('num_devices', 'programs', 'groups'),
    [
        (2, [(5, 25)] * 31, [1, 1]),  # 16 x 5 runs, where one group has 31 x 3
        (2, [(10, 25)] * 31, [2]),  # runs divide by devices
        (2, [(5, 25)], [2]),  # one program cannot be in two groups
        (2, [(5, 25)] * 3, [2]),  # 3 x 3 runs, where the longer of two groups has 2 x 5
        (8, [(5, 25)] * 31, [1] * 8),
        (8, [(5, 25)] * 3, [8]),  # 3 x 1 runs, as many as in three groups
        (3, [(1, 10), (1, 10), (1, 10)], [1, 1, 1]),
        (2, [(5, 250), (1, 1)], [2]),  # a short program is no reason to slow a long one down
        (1, [(5, 25)] * 31, [1]),
        (2, [], [2]),
        (8, [(1001, 25)] * 64, [8]),  # a hundredth of the time is not worth eight times the memory
    ],
)
def test_the_devices_are_split_where_that_is_sooner_done(num_devices, programs, groups):
    assert widths_of_groups(num_devices, programs) == groups


def test_several_processes_and_accelerators_have_one_lane(monkeypatch):
    cores = [SimpleNamespace(platform='cpu', process_index=i % 2) for i in range(4)]
    chips = [SimpleNamespace(platform='gpu', process_index=0) for _ in range(4)]
    settings, programs = SimpleNamespace(devices=0), [(5, 25)] * 31
    for devices, num_processes in ((cores, 2), (chips, 1)):
        monkeypatch.setattr(jax, 'devices', lambda devices=devices: devices)
        monkeypatch.setattr(jax, 'process_count', lambda count=num_processes: count)
        assert [group.devices for group in choose_device_groups(programs, settings)] == [devices]


def test_the_devices_in_use_are_those_of_the_programs_that_have_most(config):
    config.num_seeds, config.runs.devices = 1, 4
    # A program of one run, one of three, one of two.
    config.sweep.settings = tuple(
        (('model.widths', (width,)), ('optimizer.learning_rate', rate))
        for width, rates in ((5, (1e-3,)), (6, (1e-3, 2e-3, 3e-3)), (7, (1e-3, 2e-3)))
        for rate in rates
    )
    config.sweep.product = ()
    plan, devices = make_plan(config), jax.devices()
    assert experiment.max_devices_in_use(plan, [DeviceGroup(devices[:4], 1)]) == 3
    groups = [DeviceGroup(devices[:2], 0.5), DeviceGroup(devices[2:4], 0.5)]
    assert experiment.max_devices_in_use(plan, groups) == 4
    groups = [DeviceGroup([device], 0.25) for device in devices[:4]]
    assert experiment.max_devices_in_use(plan, groups) == 3


def test_what_takes_longest_comes_first(config):
    config.num_seeds = 1
    config.sweep.settings = tuple(
        (('model.widths', (width,)), ('train.num_epochs', epochs))
        for width, epochs in ((5, 2), (9, 2), (5, 3), (9, 1), (5, 4))
    )
    config.sweep.product = ()
    assert list(longest_first(make_plan(config), [0, 1, 2, 3, 4])) == [4, 1, 2, 0, 3]
    assert list(longest_first(make_plan(config), [0, 3])) == [0, 3]


# ------------------------------------------------------------------------- whole experiments

KEPT = ('trial', 'seed', 'epoch', 'train_accuracy', 'validation_accuracy', 'test_accuracy')


def make_sweep_config(path):
    """Four programs of three runs: two groups on two devices."""
    config = make_shallow_config(path)
    config.num_seeds = 3
    config.train.shuffle = True
    config.train.num_epochs = 4
    config.checkpoint.every_seconds = 0.0
    config.runs.devices, config.runs.per_batch = 2, 1
    config.sweep.product = (('model.widths', ((5,), (6,), (7,), (8,))),)
    return config


@pytest.fixture
def config(small_digits_path):
    return make_sweep_config(small_digits_path)


@pytest.fixture(scope='module')
def undisturbed(small_digits_path, tmp_path_factory):
    """The experiment in two groups that nothing disturbed: workdir, summary, and its `Names`."""
    workdir = tmp_path_factory.mktemp('undisturbed') / 'workdir'
    config, names = make_sweep_config(small_digits_path), Names()
    return workdir, run_experiment(config, workdir, callbacks=[names]), names


class Names(Callback):
    """Remembers which threads trained and what is under way, and does something at an epoch."""

    def __init__(self, at_epoch=lambda name, epoch: None):
        self.under_way, self.threads, self.at_epoch = set(), set(), at_epoch

    def on_program_start(self, name, first_epoch, num_epochs):
        self.under_way.add(name)
        self.threads.add(threading.get_ident())

    def on_epoch_end(self, name, epoch, records):
        self.at_epoch(name, epoch)

    def on_program_end(self, name):
        self.under_way.discard(name)


def test_what_two_lanes_write_is_what_one_lane_writes(config, undisturbed, tmp_path, monkeypatch):
    workdir, summary, names = undisturbed
    assert len(names.threads) == 2 and not names.under_way
    assert summary['timing']['devices'] == 2
    monkeypatch.setattr(
        experiment, 'choose_device_groups', lambda sizes, runs: choose_device_groups([], runs)
    )
    in_one_group = run_experiment(config, tmp_path / 'in one group', callbacks=[names := Names()])
    assert len(names.threads) == 1 and in_one_group['timing']['devices'] == 2
    both = zip(
        *(Metrics(path).read() for path in (workdir, tmp_path / 'in one group')), strict=True
    )
    for line, other in both:
        assert {k: line[k] for k in KEPT} == {k: other[k] for k in KEPT}
        # With three runs on a device instead of two the compiler rounds in another order.
        assert line['train_loss'] == pytest.approx(other['train_loss'], rel=1e-5)
    for trial, other in zip(summary['trials'], in_one_group['trials'], strict=True):
        assert trial['final_test_accuracy'] == other['final_test_accuracy']


def test_asked_to_stop_both_lanes_save_and_go_on_later(config, undisturbed, tmp_path):
    workdir = tmp_path / 'workdir'

    asked = []

    def stop_in_the_third_epoch(name, epoch):
        # Once: a second time would end this process.
        if epoch == 3 and not asked:
            asked.append(name)
            os.kill(os.getpid(), signal.SIGTERM)
            # Handlers run in the main thread, which needs its turn.
            time.sleep(0.2)

    with pytest.raises(Interrupted, match=r'^stopped and saved after epoch \d of program \d'):
        run_experiment(config, workdir, callbacks=[Names(stop_in_the_third_epoch)])
    assert not (workdir / 'summary.json').exists()
    seen = {(line['trial'], line['epoch']) for line in Metrics(workdir).read()}
    assert len({trial for trial, _ in seen}) <= 2
    run_experiment(config, workdir)
    assert_same_outcome(workdir, outcome_of(undisturbed[0]))


def test_a_program_that_fails_keeps_neither_lane_from_the_others(
    config, undisturbed, tmp_path, monkeypatch
):
    workdir = tmp_path / 'workdir'
    with monkeypatch.context() as patch:
        patch.setattr(train_loop, 'Trainer', failing_trainer([(6,), (7,)], 'no luck', 2))
        with pytest.raises(UserError, match=r'^2 of 4 programs failed.*no luck'):
            run_experiment(config, workdir)
    finished = {line['trial'] for line in Metrics(workdir).read() if line['epoch'] == 4}
    assert finished == {0, 3}
    run_experiment(config, workdir)
    assert_same_outcome(workdir, outcome_of(undisturbed[0]))


def test_what_stops_one_lane_stops_all(config, tmp_path, monkeypatch):
    """A full disk is met once; the other group ends with what it has, and nothing hangs."""
    workdir, append = tmp_path / 'workdir', Metrics.append

    def disk_full(metrics, records):
        if records[0]['trial'] == 3 and records[0]['epoch'] == 2:
            raise UserError('no space is left')
        append(metrics, records)

    monkeypatch.setattr(Metrics, 'append', disk_full)
    with pytest.raises(UserError, match=r'^no space is left$'):
        run_experiment(config, workdir)
    # What takes longest came first.
    assert {line['trial'] for line in Metrics(workdir).read()} <= {2, 3}


def test_a_second_interruption_ends_all_lanes_at_once(small_digits_path, tmp_path):
    code = """
import runpy, sys, time
from pairjax.runtime import train_loop

train_loop.Trainer.epoch = lambda *_, **__: (print('an epoch', flush=True), time.sleep(600))
runpy.run_path('launch/main.py', run_name='__main__')
"""
    flags = [f'--config.data.dir={small_digits_path}', f'--workdir={tmp_path / "workdir"}']
    command = [sys.executable, '-c', code, '--config=tests/stress_config.py', *flags]
    pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
    process = subprocess.Popen(command, cwd=ROOT, **pipes)
    next(line for line in process.stdout if line == 'an epoch\n')
    process.send_signal(signal.SIGINT)
    next(line for line in process.stderr if 'once more stops at once' in line)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == -signal.SIGINT


def test_a_plan_gives_each_lane_its_devices(config):
    plan = make_plan(config)
    groups = choose_device_groups([(3, 4)] * 4, plan.config.runs)
    trainers = [train_loop.Trainer(plan, 0, group) for group in groups]
    used = [set(np.ravel(trainer.layout.mesh.devices)) for trainer in trainers]
    assert used == [set(group.devices) for group in groups]
