"""Freezes what one checkout of pairjax computes, and compares another checkout with it.

python tests/baseline/freeze.py --repo=OLD --out=old.json
python tests/baseline/freeze.py --repo=. --out=new.json --against=old.json

Trains small experiments through launch/main.py of the checkout, with the Python that runs this
script, and writes per case a digest of metrics.jsonl without clock values and one of the final
checkpoints' arrays. Both checkouts must see the same jax on the same kind of processor. With
--against it exits with 1 where a digest differs.
"""

import argparse
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from orbax.checkpoint import v1 as ocp

SWEEP = (
    '--config=configs/auxnet2.py',
    '--config.num_seeds=2',
    '--config.train.num_epochs=3',
    '--config.sweep.product='
    "((('model.widths'), ((8, 8, 16, 16), (8, 8, 16, 32))), ('loss.aux_weight', (0.0, 2.0)))",
)
CASES = {
    'auxnet2': ('--config=configs/auxnet2.py',),
    'basicnet1': ('--config=configs/basicnet1.py',),
    'deep': ('--config=configs/deep.py', '--config.train.num_epochs=2'),
    'pairnet': (
        '--config=configs/pairnet.py',
        '--config.num_seeds=2',
        '--config.train.num_epochs=3',
        '--config.train.evaluate_every=1',
    ),
    'sweep': SWEEP,
}


def digest_of(workdir: Path) -> dict[str, str]:
    """SHA-256 of the metrics without clock values, and of every final checkpoint's arrays.

    The arrays count whatever their names are, so that a field may be renamed.
    """
    metrics = hashlib.sha256()
    for line in (workdir / 'metrics.jsonl').read_text().splitlines():
        record = json.loads(line)
        kept = {k: v for k, v in record.items() if not k.endswith('_seconds')}
        metrics.update(json.dumps(kept, sort_keys=True).encode())
    arrays = []
    for directory in sorted((workdir / 'checkpoints').iterdir()):
        with ocp.training.Checkpointer(directory) as checkpointer:
            state = checkpointer.load()
        for name in sorted(state):
            if name != 'digest':
                leaf = np.asarray(state[name])
                arrays.append(f'{leaf.dtype}{leaf.shape}'.encode() + leaf.tobytes())
    return {'metrics': metrics.hexdigest(), 'checkpoint': _digest(arrays)}


def _digest(arrays: list[bytes]) -> str:
    parts = sorted(hashlib.sha256(array).digest() for array in arrays)
    return hashlib.sha256(b''.join(parts)).hexdigest()


def start(repo: Path, workdir: Path, arguments: tuple[str, ...]) -> subprocess.Popen:
    """launch/main.py of that checkout, in its own process."""
    command = [sys.executable, 'launch/main.py', f'--workdir={workdir}', *arguments]
    environment = os.environ | {'PYTHONPATH': str(repo)}
    quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=repo, env=environment, **quiet)


def finish(process: subprocess.Popen) -> None:
    """Waits for a training; raises where it failed."""
    if process.wait(timeout=3600) != 0:
        raise SystemExit(f'{" ".join(process.args)} ended with {process.returncode}')


def train_in_two_processes(repo: Path, workdir: Path) -> None:
    """Two processes over loopback, a device each."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    joined = (f'--coordinator=127.0.0.1:{port}', '--num_processes=2', '--config.runs.devices=2')
    processes = [
        start(repo, workdir, (*SWEEP, *joined, f'--process_id={number}')) for number in range(2)
    ]
    for process in processes:
        finish(process)


def train_killed(repo: Path, workdir: Path) -> None:
    """AuxNet2, killed once it has saved its tenth epoch or a later one, and resumed."""
    arguments = ('--config=configs/auxnet2.py', '--config.checkpoint.every_seconds=0')
    process, metrics = start(repo, workdir, arguments), workdir / 'metrics.jsonl'
    while process.poll() is None:
        if metrics.exists() and metrics.read_text().count('"epoch": 10,'):
            process.send_signal(signal.SIGKILL)
        time.sleep(0.05)
    if process.returncode == 0:
        raise SystemExit('the training ended before it could be killed')
    finish(start(repo, workdir, arguments))


def freeze(repo: Path) -> dict[str, dict[str, str]]:
    """The digests of every case."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in CASES.items():
            finish(start(repo, Path(folder) / name, arguments))
        train_in_two_processes(repo, Path(folder) / 'two_processes')
        train_killed(repo, Path(folder) / 'killed')
        for workdir in sorted(Path(folder).iterdir()):
            found[workdir.name] = digest_of(workdir)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repo', type=Path, default=Path(), help='the checkout to run')
    parser.add_argument('--out', type=Path, required=True, help='where the digests go')
    parser.add_argument('--against', type=Path, help='digests of an earlier checkout')
    arguments = parser.parse_args()
    found = freeze(arguments.repo.resolve())
    arguments.out.write_text(json.dumps(found, indent=1) + '\n')
    if arguments.against:
        expected = json.loads(arguments.against.read_text())
        differing = [
            f'{name} ({part})'
            for name in expected
            for part in expected[name]
            if found.get(name, {}).get(part) != expected[name][part]
        ]
        sys.exit(f'other digests: {", ".join(differing)}' if differing else 0)


if __name__ == '__main__':
    main()
