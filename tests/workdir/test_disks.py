"""Disks that are full or read-only, and damaged files: one sentence, and nothing else is lost."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from processes import assert_same_outcome

from pairjax.workdir.metrics_log import Metrics


@pytest.fixture(scope='module')
def stopped(launcher, left_alone, tmp_path_factory):
    """A workdir that was asked to stop in programs 2 and 3, the first two; not to be changed."""
    workdir = tmp_path_factory.mktemp('stopped') / 'workdir'
    process = launcher.start(workdir)
    while not {6, 9} <= {line['trial'] for line in Metrics(workdir).read() if line['epoch'] > 4}:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 130
    return workdir


def no_file_above(size):
    """Stands for a full disk: what makes a file longer than that fails."""
    return f'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))'


def size_of(workdir, name):
    return (workdir / name).stat().st_size


def test_full_while_metrics_and_checkpoints_are_written(launcher, left_alone, stopped, tmp_path):
    workdir = shutil.copytree(stopped, tmp_path / 'workdir')
    limit = no_file_above(size_of(workdir, 'metrics.jsonl') + 1000)  # Half an epoch's lines.
    never = '--config.checkpoint.every_seconds=1000'
    sentence = launcher.refusal(workdir, never, before=limit)
    assert f'{workdir}/metrics.jsonl cannot be written (File too large)' in sentence
    assert 'files saved earlier are intact' in sentence
    limit = no_file_above(size_of(workdir, 'metrics.jsonl') + 5000)
    sentence = launcher.refusal(workdir, before=limit)
    assert f'checkpoint {workdir}/checkpoints/program_000' in sentence
    assert 'cannot be written (' in sentence and 'File too large' in sentence
    assert 'free disk space and start again; earlier checkpoints are intact' in sentence
    launcher.finish(workdir)
    assert_same_outcome(workdir, left_alone[1])


def test_full_before_and_after_the_training(launcher, left_alone, tmp_path):
    workdir = shutil.copytree(left_alone[0], tmp_path / 'workdir')
    room = {
        'lock': 0,
        'config.json': 1000,
        'summary.json': size_of(workdir, 'config.json') + 100,
        'figures': size_of(workdir, 'summary.json') + 100,
    }
    (workdir / 'summary.json').unlink()
    for name in ('lock', 'config.json', 'summary.json'):
        sentence = launcher.refusal(workdir, before=no_file_above(room[name]))
        assert f'{workdir}/{name} cannot be written (File too large)' in sentence
    sentence = launcher.refusal(workdir, before=no_file_above(room['figures']))
    assert f'{workdir}/figures/training_curves.png cannot be written (File too large)' in sentence
    assert_same_outcome(workdir, left_alone[1])


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of half a megabyte in memory, where that is allowed."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    command = ['mount', '-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip('there is no mount command')
    if mounted.returncode:
        pytest.skip(f'nothing can be mounted here: {mounted.stderr.strip()}')
    yield disk
    subprocess.run(['umount', str(disk)], check=True)


def test_a_disk_that_is_really_full_and_then_larger(launcher, left_alone, small_disk):
    workdir = small_disk / 'workdir'
    sentence = launcher.refusal(workdir)
    assert 'cannot be written (' in sentence and 'are intact' in sentence
    assert 'o space left on device' in sentence
    subprocess.run(['mount', '-o', 'remount,size=64m', str(small_disk)], check=True)
    launcher.finish(workdir)
    assert_same_outcome(workdir, left_alone[1])


def bound_by_permissions():
    """What a process does first so that file permissions hold for it, also as root; or skips."""
    if os.geteuid():
        return 'pass'
    if sys.platform != 'linux':
        pytest.skip('root may write everywhere')
    # PR_CAPBSET_DROP of linux/prctl.h, CAP_DAC_OVERRIDE of linux/capability.h
    return 'import ctypes; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)'


@contextlib.contextmanager
def read_only(place):
    paths = [place, *place.rglob('*')]
    modes = [path.stat().st_mode for path in paths]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
    finally:
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)


def test_a_read_only_workdir(launcher, left_alone, stopped, tmp_path):
    place = tmp_path / 'place'
    shutil.copytree(stopped, place / 'begun')
    with read_only(place):
        for workdir in (place / 'new', place / 'begun'):
            sentence = launcher.refusal(workdir, before=bound_by_permissions())
            assert f'{workdir} cannot be written (Permission denied); choose another' in sentence
    assert os.listdir(place) == ['begun']
    launcher.finish(place / 'begun')
    assert_same_outcome(place / 'begun', left_alone[1])


def cut_in_half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_named_and_can_be_deleted(launcher, left_alone, stopped, tmp_path):
    workdir = shutil.copytree(stopped, tmp_path / 'workdir')
    newest = max(workdir.glob('checkpoints/program_0002/*'), key=lambda path: int(path.name))
    largest = max(newest.rglob('*'), key=lambda path: path.stat().st_size)
    whole = largest.read_bytes()
    for damage in (cut_in_half, flip_a_bit):
        damage(largest)
        sentence = launcher.refusal(workdir)
        assert f'checkpoint {newest} cannot be read (' in sentence and 'delete it: ' in sentence
        largest.write_bytes(whole)
    shutil.rmtree(newest)  # As the sentence says.
    launcher.finish(workdir)
    assert_same_outcome(workdir, left_alone[1])


def test_half_written_compiled_programs_are_compiled_again(launcher, left_alone, tmp_path):
    compiled = shutil.copytree(launcher.env['JAX_COMPILATION_CACHE_DIR'], tmp_path / 'compiled')
    for path in compiled.iterdir():
        cut_in_half(path)
    env = launcher.env | {'JAX_COMPILATION_CACHE_DIR': str(compiled)}
    launcher.finish(tmp_path / 'workdir', env=env)
    assert_same_outcome(tmp_path / 'workdir', left_alone[1])
