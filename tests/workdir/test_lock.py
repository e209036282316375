"""One process at a time writes to a workdir."""

import errno
import json
import os
import platform
import subprocess
import sys

import pytest
from conftest import make_small_config
from processes import HOLD

from pairjax.errors import UserError
from pairjax.reporting.progress import ProgressDisplay
from pairjax.runtime.experiment import run_experiment
from pairjax.workdir.lock import locked


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the workdir."""
    command = [sys.executable, '-c', HOLD, str(tmp_path / 'workdir')]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'held\n'
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_told_who_was_first(holder, tmp_path, small_digits_path):
    expected = f'workdir is in use by process {holder.pid} on {platform.node()};'
    with pytest.raises(UserError, match=expected):
        run_experiment(make_small_config(small_digits_path), tmp_path / 'workdir', overwrite=True)
    assert os.listdir(tmp_path / 'workdir') == ['lock']


def test_what_a_killed_process_left_is_not_in_the_way(holder, tmp_path):
    holder.kill()
    holder.wait()
    with locked(tmp_path / 'workdir'):
        content = json.loads((tmp_path / 'workdir' / 'lock').read_text())
        assert content == {'host': platform.node(), 'process': os.getpid()}


def test_the_lock_ends_with_the_block_even_when_it_fails(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    assert (tmp_path / 'lock').read_text() == ''
    with locked(tmp_path):
        pass


def test_a_workdir_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / 'file').write_text('')
    with (
        pytest.raises(UserError, match=r'file/workdir cannot be written'),
        locked(tmp_path / 'file' / 'workdir'),
    ):
        pass


def left_by(host, path):
    path.write_text(json.dumps({'host': host, 'process': 7}))


def test_what_a_killed_process_on_this_host_left_is_not_spoken_of(tmp_path):
    left_by(platform.node(), tmp_path / 'lock')
    with locked(tmp_path) as warning:
        assert warning == ''


def test_a_process_on_another_host_may_still_run_and_is_spoken_of(
    tmp_path, small_digits_path, capsys
):
    """Its lock may not be seen here: some shared file systems keep locks to one host."""
    left_by('elsewhere', tmp_path / 'lock')
    config = make_small_config(small_digits_path)
    config.model.name, config.model.widths, config.train.num_epochs = 'ShallowModel', (2,), 1
    config.model.dropout_rate = config.loss.aux_weight = 0.0
    run_experiment(config, tmp_path, callbacks=[ProgressDisplay()])
    assert f'process 7 on elsewhere may still write to {tmp_path}' in capsys.readouterr().out
    with locked(tmp_path) as warning:
        assert warning == ''


def test_without_locks_it_goes_on_and_says_so(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr('fcntl.flock', unsupported)
    with locked(tmp_path) as warning:
        assert warning == f'{tmp_path} cannot be locked: start one process at a time there'


def test_a_lock_file_with_anything_in_it_is_taken(tmp_path):
    for content in ('', '{', '[]', '{"host": 3}', '\xff'):
        (tmp_path / 'lock').write_text(content, encoding='latin-1')
        with locked(tmp_path) as warning:
            assert warning == ''
