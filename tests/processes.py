"""launch/main.py in processes of their own, and what such a process leaves in its workdir."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from forked import ForkedCommand
from orbax.checkpoint import v1 as ocp

ROOT = Path(__file__).resolve().parents[1]

# Python of a process that holds the workdir it is given until its standard input ends.
HOLD = """
import sys, pathlib
from pairjax.workdir.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print('held', flush=True)
    sys.stdin.read()
"""


class Launcher:
    """Starts training as a person would; its processes share what they compile."""

    def __init__(self, directory, digits):
        """Takes where compiled programs go, and an .npz file of digits."""
        self.env = os.environ | {
            'PYTHONPATH': str(ROOT),
            'PAIRJAX_CACHE_DIR': str(directory / 'cache'),
            'JAX_COMPILATION_CACHE_DIR': str(directory / 'compiled'),
            'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
        }
        self.command = [sys.executable, 'launch/main.py', '--config=tests/stress_config.py']
        self.command += [f'--config.data.dir={digits}']

    def start(self, workdir, *flags, before='', env=None):
        """A process that trains in the workdir; `before` is Python that it executes first."""
        command = [*self.command, f'--workdir={workdir}', *flags]
        if not before:
            return ForkedCommand(command, env or self.env)
        code = f'import os, sys\n{before}\nos.execv(sys.argv[1], sys.argv[1:])'
        command = [sys.executable, '-c', code, *command]
        pipes = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True}
        return subprocess.Popen(command, cwd=ROOT, env=env or self.env, **pipes)

    def finish(self, workdir, *flags, returncode=0, **options):
        """Trains until the process ends, and returns what it printed: out, err."""
        process = self.start(workdir, *flags, **options)
        try:
            out, err = process.communicate(timeout=900)  # A busy machine takes its time.
        finally:
            process.kill()
        assert process.returncode == returncode, (process.returncode, out, err)
        assert 'Traceback' not in out + err, err
        return out, err

    def refusal(self, workdir, *flags, **options):
        """The one sentence with which training in the workdir ends."""
        _, err = self.finish(workdir, *flags, returncode=1, **options)
        (line,) = [line for line in err.splitlines() if line.strip()]
        assert line.startswith('error: ')
        return line


def outcome_of(workdir):
    """All that must not depend on what a process went through: lines, summary, parameters."""
    lines = map(json.loads, (workdir / 'metrics.jsonl').read_text().splitlines())
    lines = sorted(lines, key=lambda line: (line['trial'], line['seed'], line['epoch']))
    summary = json.loads((workdir / 'summary.json').read_text())
    del summary['timing']
    states = {}
    for directory in sorted((workdir / 'checkpoints').iterdir()):
        with ocp.training.Checkpointer(directory) as checkpointer:
            state = checkpointer.load()
        arrays = {name: np.asarray(leaf) for name, leaf in state.items()}
        states[directory.name, checkpointer.latest.step] = {
            name: (leaf.dtype.name, leaf.shape, leaf.tobytes()) for name, leaf in arrays.items()
        }
    return {
        'lines': [{k: v for k, v in r.items() if not k.endswith('_seconds')} for r in lines],
        'summary': summary,
        'states': states,
    }


def assert_same_outcome(workdir, expected):
    """Compares part by part, so that what differs is what is shown."""
    found = outcome_of(workdir)
    assert found['lines'] == expected['lines']
    assert found['summary'] == expected['summary']
    assert list(found['states']) == list(expected['states'])
    for where, state in expected['states'].items():
        differing = [name for name in state if found['states'][where][name] != state[name]]
        assert not differing and set(found['states'][where]) == set(state), (where, differing)
