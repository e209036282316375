"""launch/study.py in real processes: exit codes and what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What takes minutes is replaced; all around it is real.
START = """
import runpy, sys
from pairjax.studies.factorial import running as study
from pairjax.studies.factorial import document as study_report
from pairjax.runtime.preemption import Interrupted
from pairjax.studies.factorial.parts import part_names

def run_study(design, workdir, callbacks):
    {body}

def write_study(design, workdirs, out, quick):
    return out / f'study.md with {{len(workdirs)}} parts, quick {{quick}}'

study.run_study, study_report.write_study = run_study, write_study
sys.argv = ['launch/study.py', *sys.argv[1:]]
runpy.run_path('launch/study.py', run_name='__main__')
"""
FINISHES = 'return dict.fromkeys(part_names(design), workdir)'
LOSES_ONE = 'return dict.fromkeys(part_names(design)[:-1], workdir)'
LOST = 'error: AuxNet2-heads '
STOPS = "raise Interrupted('stopped and saved after epoch 3')"


@pytest.mark.parametrize(
    ('body', 'flags', 'returncode', 'out', 'err'),
    [
        (FINISHES, [], 0, 'docs/study.md with 16 parts, quick False', ''),
        (LOSES_ONE, ['--quick'], 1, 'D/quick/study.md with 9 parts, quick True', LOST),
        (LOSES_ONE, ['--quick', '--out=here'], 1, ': here/study.md with 9 parts', LOST),
        (STOPS, ['--quick'], 130, '', 'stopped and saved after epoch 3; to resume: '),
    ],
    ids=['finished', 'one failed', 'somewhere else', 'interrupted'],
)
def test_exit_codes_and_words(body, flags, returncode, out, err):
    done = run('-c', START.format(body=body), '--workdir=D', *flags)
    assert done.returncode == returncode, done.stderr
    assert out in done.stdout
    assert done.stderr.startswith(err) if err else not done.stderr
    if returncode == 130:
        assert done.stderr.endswith(' launch/study.py --workdir=D --quick\n')


def test_a_wrong_source_is_named_and_nothing_is_written(tmp_path):
    done = run('launch/study.py', '--quick', '--data_source=bundeld', f'--workdir={tmp_path}')
    assert done.returncode == 1
    assert "did you mean 'bundled'" in done.stdout
    assert done.stderr.startswith('error: no part of the study is finished')
    assert 'Traceback' not in done.stdout + done.stderr
    assert not (tmp_path / 'quick' / 'study.md').exists()


def run(*arguments):
    env = os.environ | {'PYTHONPATH': str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
