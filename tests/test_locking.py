"""One process at a time writes to a workdir."""

import json
import os
import platform
import subprocess
import sys

import pytest
from conftest import make_small_config

from pairjax.errors import UserError
from pairjax.experiment import run_experiment
from pairjax.locking import locked

HOLD = """
import sys, pathlib
from pairjax.locking import locked
with locked(pathlib.Path(sys.argv[1])):
    print('held', flush=True)
    sys.stdin.read()
"""


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
