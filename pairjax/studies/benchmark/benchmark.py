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
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax

from pairjax.config import default_config, flatten, validate
from pairjax.errors import UserError
from pairjax.models.flops import epoch_flops
from pairjax.runtime.plan import Plan, make_plan
from pairjax.runtime.trainer import Trainer
from pairjax.studies.benchmark.machine import Machine
from pairjax.studies.benchmark.peers import MOST_PEER_RUNS, PEERS, PeerProcesses, peer_jobs
from pairjax.system import Track, untracked
from pairjax.workdir.versions import versions

PAPER_MODELS = ('BasicNet1', 'AuxNet1', 'AuxNet2', 'AuxNet3', 'ShallowModel', 'DeepModel')
# Fields that a peer knows only at their defaults.
UNKNOWN_TO_PEERS = (
    'sweep.',
    'augment.',
    'loss.label_smoothing',
    'model.normalization',
    'model.head',
    'optimizer.name',
    'optimizer.b2',
    'optimizer.schedule',
)


class Options(NamedTuple):
    """What to measure.

    Attributes:
      num_seeds: a row each.
      num_epochs: epochs to time, rounded up to a multiple of train.evaluate_every.
      repeats: alternating repeats.
      torch: whether to run the peers; None: where torch is installed.
      cold_script: launch/main.py, to time whole commands; None times epochs.
      track: shows how many repeats of a row are done.
    """

    num_seeds: Sequence[int]
    num_epochs: int
    repeats: int
    torch: bool | None
    cold_script: Path | None = None
    track: Track = untracked


def run_benchmark(
    config: Any, options: Options, on_message: Callable[[str], None]
) -> dict[str, Any]:
    """Measures what the options name, one row a number of seeds.

    Args:
      config: of one trial.
      options: what to measure.
      on_message: told what has been measured.

    Returns: what benchmark.json holds.
    Raises: UserError for a config that the peers do not know, or where PyTorch is missing.
    """
    check_known_to_peers(config)
    peers = use_torch(options.torch)
    # What an earlier process compiled would hide what compiling costs.
    jax.config.update('jax_enable_compilation_cache', False)
    plan = make_plan(config)
    machine, every = Machine.of(plan.config), plan.config.train.evaluate_every
    options = options._replace(num_epochs=math.ceil(options.num_epochs / every) * every)
    warm = not options.cold_script
    rows = []
    with PeerProcesses(machine) if warm and peers else contextlib.nullcontext() as processes:
        for num_seeds in options.num_seeds:
            fields = {**plan.config.to_dict(), 'num_seeds': num_seeds}
            seeds = plan._replace(config=validate(fields))
            if warm:
                row = measure_warm(seeds, machine, processes, options, on_message)
            else:
                row = measure_cold(seeds, machine, peers, options, on_message)
            rows.append({'num_seeds': num_seeds, **row})
    return {
        'config': plan.config.to_dict(),
        'versions': versions() | ({'torch': importlib.metadata.version('torch')} if peers else {}),
        'machine': machine.describe(),
        'cold': not warm,
        **({'num_epochs_timed': options.num_epochs} if warm else {}),
        'rows': rows,
    }


def measure_warm(
    plan: Plan,
    machine: Machine,
    processes: PeerProcesses | None,
    options: Options,
    on_message: Callable[[str], None],
) -> dict[str, Any]:
    """One row of timed epochs of every seed of a plan, in alternation with the peers.

    Its `seconds` are per run, and scaled from options.num_epochs to train.num_epochs. Other
    arguments as in `run_benchmark`; processes: of the peers, or None.
    """
    config, num_epochs = plan.config, options.num_epochs
    jax.clear_caches()
    trainer = Trainer(plan, 0)
    trainer.start()
    compile_seconds = sum(r['compile_seconds'] for r in trainer.epoch(1, evaluate=True))

    def train_epochs(evaluate: bool) -> None:
        for epoch in range(1, num_epochs + 1):
            trainer.epoch(epoch, evaluate and epoch % config.train.evaluate_every == 0)

    timers = {
        'pairjax': lambda: timed(train_epochs, True),
        'pairjax_training': lambda: timed(train_epochs, False),
    }
    for peer in PEERS if processes else ():
        jobs, times = peer_jobs(plan, machine, peer, num_epochs, MOST_PEER_RUNS)
        timers[peer] = lambda jobs=jobs, times=times: times * processes.train(jobs)[0]
    peak = machine.matmul_peak()
    name = f'{len(plan.seeds)} seeds, {num_epochs} epochs'
    scale = config.train.num_epochs / num_epochs / len(plan.seeds)
    measured = alternate(timers, options, name, on_message, scale)
    peak = max(peak, machine.matmul_peak())
    return {
        'runs_at_a_time': trainer.layout.per_batch,
        'compile_seconds': compile_seconds,
        **speed(config, plan.pools.num_classes, measured['seconds'], peak),
        'peak_memory_bytes': machine.peak_memory(),
        **measured,
    }


def measure_cold(
    plan: Plan, machine: Machine, peers: bool, options: Options, on_message: Callable[[str], None]
) -> dict[str, Any]:
    """One row of whole commands: ours with nothing compiled before, the strongest peer's.

    The peer's time begins with starting the processes and importing torch; its pairs are drawn.
    """
    timers = {'pairjax': lambda: cold_seconds(plan.config, options.cold_script)}
    if peers:
        jobs, _ = peer_jobs(plan, machine, 'strongest', plan.config.train.num_epochs)

        def train_strongest() -> None:
            with PeerProcesses(machine) as processes:
                processes.train(jobs)

        timers['strongest'] = lambda: timed(train_strongest)
    name = f'{len(plan.seeds)} seeds, whole command'
    return alternate(timers, options, name, on_message)


def alternate(
    timers: Mapping[str, Callable[[], float]],
    options: Options,
    name: str,
    on_message: Callable[[str], None],
    scale: float = 1.0,
) -> dict[str, Any]:
    """Calls the timers one after the other, options.repeats times.

    Returns: `seconds`, what each timer returned times `scale`, and `ratios` of each peer's to ours.
    """
    seconds: dict[str, list[float]] = {timer: [] for timer in timers}
    repeats = options.repeats
    for repeat in options.track(range(1, repeats + 1), name):
        newest = {timer: action() for timer, action in timers.items()}
        for timer, value in newest.items():
            seconds[timer].append(scale * value)
        texts = ', '.join(f'{timer} {value:.2f} s' for timer, value in newest.items())
        on_message(f'{name}, repeat {repeat}/{repeats}: {texts}')
    ratios = {p: peer_ratio(seconds[p], seconds['pairjax']) for p in PEERS if p in seconds}
    return {'seconds': seconds, 'ratios': ratios}


def peer_ratio(slower: Sequence[float], faster: Sequence[float]) -> dict[str, Any]:
    """How many times faster, pair by pair of alternating repeats."""
    values = [s / f for s, f in zip(slower, faster, strict=True)]
    return {'min': min(values), 'median': median(values), 'max': max(values), 'values': values}


def speed(
    config: Any, num_classes: int, seconds: Mapping[str, Sequence[float]], peak: float
) -> dict[str, float]:
    """Median speeds from the seconds of a whole run, and of its training alone.

    Args:
      config: of the run.
      num_classes: of its images.
      seconds: of repeats: `pairjax` of whole runs, `pairjax_training` without evaluation.
      peak: FLOP/s of matrix products.
    """
    num_epochs, data = config.train.num_epochs, config.data
    num_evaluations = math.ceil(num_epochs / config.train.evaluate_every)
    num_evaluated = data.num_train_pairs + data.num_validation_pairs + data.num_test_pairs
    num_pairs = num_epochs * data.num_train_pairs + num_evaluations * num_evaluated
    train_flops, evaluation_flops = epoch_flops(config, num_classes)
    run, run_training = median(seconds['pairjax']), median(seconds['pairjax_training'])
    training = num_epochs * train_flops / run_training
    whole = (num_epochs * train_flops + num_evaluations * evaluation_flops) / run
    return {
        'seconds_per_run': run,
        'pairs_per_second': num_pairs / run,
        'gflops_per_second': whole / 1e9,
        'share_of_peak': whole / peak,
        'training_gflops_per_second': training / 1e9,
        'training_share_of_peak': training / peak,
        'matmul_peak_gflops_per_second': peak / 1e9,
    }


def timed(action: Callable[..., Any], *arguments: Any) -> float:
    """Wall seconds of a call."""
    started = time.perf_counter()
    action(*arguments)
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


def check_known_to_peers(config: Any) -> None:
    """Raises UserError for a network, an option or a sweep that neither paper, so no peer, has."""
    settings, defaults = flatten(config), flatten(default_config())
    if settings['model.name'] not in PAPER_MODELS:
        raise UserError(
            f'model.name={settings["model.name"]} is in neither report, and a benchmark compares '
            f'with what they did; take one of {", ".join(PAPER_MODELS)}'
        )
    for field, value in settings.items():
        if field.startswith(UNKNOWN_TO_PEERS) and value != defaults[field]:
            raise UserError(
                f'{field}={value}: a benchmark is of one trial and compares with what the reports '
                f'did, which had no such option; leave it {defaults[field]}'
            )
