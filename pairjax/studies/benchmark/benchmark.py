"""How fast many runs train: against this machine's peak, and against PyTorch where it is installed.

Seconds are wall seconds. The peers are described in `torch_peers.py`, which only their own
processes import.
"""

import contextlib
import importlib.metadata
import importlib.util
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax

from pairjax.config import default_config, flatten, validate
from pairjax.errors import UserError
from pairjax.models.flops import epoch_flops
from pairjax.runtime.plan import Plan, make_plan
from pairjax.runtime.trainer import Trainer
from pairjax.studies.benchmark.machine import matmul_peak, peak_memory
from pairjax.studies.benchmark.peers import MOST_PEER_RUNS, PEERS, Machine, PeerProcesses, peer_jobs
from pairjax.workdir.workdir import versions

Seconds = dict[str, list[float]]
REPORTS_MODELS = ('BasicNet1', 'AuxNet1', 'AuxNet2', 'AuxNet3', 'ShallowModel', 'DeepModel')
BEYOND_THE_REPORTS = (
    'augment.',
    'loss.label_smoothing',
    'model.normalization',
    'model.head',
    'optimizer.b2',
    'optimizer.schedule',
)


class Options(NamedTuple):
    """What launch/benchmark.py was asked for; cold_script is launch/main.py with --cold."""

    num_seeds: Sequence[int]
    num_epochs: int
    repeats: int
    torch: bool | None
    cold_script: Path | None = None


def ratios(slower: Sequence[float], faster: Sequence[float]) -> dict[str, Any]:
    """How many times faster, pair by pair of alternating repeats."""
    values = [s / f for s, f in zip(slower, faster, strict=True)]
    return {'min': min(values), 'median': median(values), 'max': max(values), 'values': values}


def with_seeds(plan: Plan, num_seeds: int) -> Plan:
    """The same experiment with another number of seeds."""
    return plan._replace(config=validate({**plan.config.to_dict(), 'num_seeds': num_seeds}))


def train_epochs(trainer: Trainer, num_epochs: int, evaluate_every: int | None) -> float:
    """Seconds of some epochs of all runs, evaluated as often as that, or not at all."""
    started = time.perf_counter()
    for epoch in range(1, num_epochs + 1):
        trainer.epoch(epoch, evaluate_every is not None and epoch % evaluate_every == 0)
    return time.perf_counter() - started


def peer_seconds(
    processes: PeerProcesses, jobs: Sequence[Mapping[str, Any]], times: float
) -> float:
    """Seconds of so many times the jobs, in processes that run already."""
    return times * processes.train(jobs)[0]


def alternate(
    timers: Mapping[str, Callable[[], float]], repeats: int, name: str, note: Callable[[str], None]
) -> Seconds:
    """The seconds that each timer returns, called one after the other, so many times."""
    seconds: Seconds = {timer: [] for timer in timers}
    for repeat in range(1, repeats + 1):
        for timer, values in seconds.items():
            values.append(timers[timer]())
        newest = ', '.join(f'{timer} {values[-1]:.2f} s' for timer, values in seconds.items())
        note(f'{name}, repeat {repeat}/{repeats}: {newest}')
    return seconds


def measure(
    plan: Plan,
    machine: Machine,
    processes: PeerProcesses | None,
    options: Options,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """One row of the benchmark: every seed of a plan, in alternation with the peers.

    Args:
      plan: with the seeds to train.
      machine: where.
      processes: of the peers, or None.
      options: num_epochs is a multiple of train.evaluate_every; `seconds` of a row are per run
        and scaled from num_epochs to train.num_epochs.
      note: told what has been measured.
    """
    config, num_seeds, num_epochs = plan.config, len(plan.seeds), options.num_epochs
    jax.clear_caches()
    trainer = Trainer(plan, 0)
    trainer.start()
    compile_seconds = sum(r['compile_seconds'] for r in trainer.epoch(1, evaluate=True))
    every = config.train.evaluate_every
    timers = {
        'pairjax': partial(train_epochs, trainer, num_epochs, every),
        'pairjax_training': partial(train_epochs, trainer, num_epochs, None),
    }
    peers = PEERS if processes else ()
    for peer in peers:
        work = peer_jobs(plan, machine, peer, num_epochs, MOST_PEER_RUNS)
        timers[peer] = partial(peer_seconds, processes, *work)
    peak = matmul_peak(machine.layout)
    name = f'{num_seeds} seeds, {num_epochs} epochs'
    measured = alternate(timers, options.repeats, name, note)
    scale = config.train.num_epochs / num_epochs / num_seeds
    seconds = {k: [scale * s for s in v] for k, v in measured.items()}
    peak = max(peak, matmul_peak(machine.layout))
    return {
        'num_seeds': num_seeds,
        'runs_at_a_time': trainer.layout.per_batch,
        'compile_seconds': compile_seconds,
        **speed(config, plan.pools.num_classes, seconds, peak),
        'peak_memory_bytes': peak_memory(machine.layout),
        'seconds': seconds,
        'ratios': {peer: ratios(seconds[peer], seconds['pairjax']) for peer in peers},
    }


def speed(
    config: Any, num_classes: int, seconds: Mapping[str, Sequence[float]], peak: float
) -> dict[str, float]:
    """Median speeds from the seconds of a whole run, and of its training alone."""
    num_epochs, data = config.train.num_epochs, config.data
    num_evaluations = math.ceil(num_epochs / config.train.evaluate_every)
    num_evaluated = data.num_train_pairs + data.num_validation_pairs + data.num_test_pairs
    train_flops, evaluation_flops = epoch_flops(config, num_classes)
    training = num_epochs * train_flops
    whole = training + num_evaluations * evaluation_flops
    run, run_training = median(seconds['pairjax']), median(seconds['pairjax_training'])
    return {
        'seconds_per_run': run,
        'pairs_per_second': (num_epochs * data.num_train_pairs + num_evaluations * num_evaluated)
        / run,
        'gflops_per_second': whole / run / 1e9,
        'share_of_peak': whole / run / peak,
        'training_gflops_per_second': training / run_training / 1e9,
        'training_share_of_peak': training / run_training / peak,
        'matmul_peak_gflops_per_second': peak / 1e9,
    }


def measure_cold(
    plan: Plan, machine: Machine, peers: bool, options: Options, note: Callable[[str], None]
) -> dict[str, Any]:
    """Seconds of whole commands: ours with nothing compiled before, the strongest peer's."""
    timers = {'pairjax': partial(cold_seconds, plan.config, options.cold_script)}
    if peers:
        jobs, _ = peer_jobs(plan, machine, 'strongest', plan.config.train.num_epochs)
        timers['strongest'] = partial(cold_peer_seconds, machine, jobs)
    seconds = alternate(timers, options.repeats, f'{len(plan.seeds)} seeds, whole command', note)
    names = ('strongest',) if peers else ()
    return {
        'num_seeds': len(plan.seeds),
        'seconds': seconds,
        'ratios': {peer: ratios(seconds[peer], seconds['pairjax']) for peer in names},
    }


def cold_peer_seconds(machine: Machine, jobs: Sequence[Mapping[str, Any]]) -> float:
    """Seconds of the jobs, from starting the processes and importing torch; pairs are drawn."""
    started = time.perf_counter()
    with PeerProcesses(machine) as processes:
        processes.train(jobs)
        return time.perf_counter() - started


def cold_seconds(config: Any, main_script: Path) -> float:
    """Seconds of launch/main.py in a process of its own that finds nothing compiled."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, 'config.py')
        path.write_text(
            'from ml_collections import ConfigDict\n\n\ndef get_config():\n'
            f'    return ConfigDict({config.to_dict()!r})\n'
        )
        command = [sys.executable, main_script, f'--config={path}', f'--workdir={directory}/run']
        environment = {**os.environ, 'JAX_COMPILATION_CACHE_DIR': f'{directory}/compiled'}
        started = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        seconds = time.perf_counter() - started
    if done.returncode:
        raise UserError(f'launch/main.py failed: {done.stderr.strip()[-500:]}')
    return seconds


def parse_seed_counts(texts: Sequence[str]) -> list[int]:
    """The numbers of --num_seeds, ascending; raises UserError for what is none."""
    for text in texts:
        if not text.strip().isdecimal() or int(text) < 1:
            raise UserError(
                f'--num_seeds={",".join(texts)}: {text!r} is no number of seeds; give whole '
                'numbers from 1, such as --num_seeds=1,10'
            )
    return sorted({int(text) for text in texts})


def use_torch(wanted: bool | None) -> bool:
    """Whether to run the peers; None: where torch is installed."""
    installed = importlib.util.find_spec('torch') is not None
    if wanted and not installed:
        raise UserError(
            '--torch=True needs PyTorch, which is not installed: pip install -e ".[benchmark]", '
            'or leave the flag out'
        )
    return installed if wanted is None else wanted


def check_reports_own(config: Any) -> None:
    """Raises UserError for a network or an option that neither report, hence no peer, has."""
    settings, defaults = flatten(config), flatten(default_config())
    if settings['model.name'] not in REPORTS_MODELS:
        raise UserError(
            f'model.name={settings["model.name"]} is in neither report, and a benchmark compares '
            f'with what they did; take one of {", ".join(REPORTS_MODELS)}'
        )
    for field in settings:
        if field.startswith(BEYOND_THE_REPORTS) and settings[field] != defaults[field]:
            raise UserError(
                f'{field}={settings[field]} is in neither report, and a benchmark compares with '
                f'what they did; leave it {defaults[field]}'
            )


def run_benchmark(config: Any, options: Options, note: Callable[[str], None]) -> dict[str, Any]:
    """Measures what the options ask for, one row a number of seeds.

    Returns: what benchmark.json holds.
    Raises: UserError.
    """
    if flatten(config.sweep) != flatten(default_config().sweep):
        raise UserError('a benchmark is of one trial; set config.sweep back to its default')
    check_reports_own(config)
    peers = use_torch(options.torch)
    # What an earlier process compiled would hide what compiling costs.
    jax.config.update('jax_enable_compilation_cache', False)
    plan = make_plan(config)
    machine = Machine.of(plan.config)
    plans = [with_seeds(plan, n) for n in options.num_seeds]
    every = plan.config.train.evaluate_every
    options = options._replace(num_epochs=math.ceil(options.num_epochs / every) * every)
    result = {
        'config': plan.config.to_dict(),
        'versions': versions() | ({'torch': importlib.metadata.version('torch')} if peers else {}),
        'machine': machine.describe(),
        'cold': options.cold_script is not None,
    }
    if options.cold_script:
        return {**result, 'rows': [measure_cold(p, machine, peers, options, note) for p in plans]}
    with contextlib.ExitStack() as stack:
        processes = stack.enter_context(PeerProcesses(machine)) if peers else None
        rows = [measure(p, machine, processes, options, note) for p in plans]
    return {**result, 'num_epochs_timed': options.num_epochs, 'rows': rows}
