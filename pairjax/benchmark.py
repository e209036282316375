"""How fast many runs train: against this machine's peak, and against PyTorch where it is installed.

Seconds are wall seconds. The peers are described in `torch_peers.py`, which only their own
processes import.
"""

import contextlib
import importlib.metadata
import importlib.util
import math
import os
import pickle
import resource
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
import numpy as np
from flax import nnx
from rich.table import Table

from pairjax.config import default_config, flatten, validate
from pairjax.errors import UserError
from pairjax.layers import Branches, Encoder, Head
from pairjax.models import PairModel, build_model
from pairjax.pairs import draw_pairs, pair_targets
from pairjax.plan import Plan, make_plan
from pairjax.records import versions
from pairjax.runs import Layout, choose_layout, stack_runs
from pairjax.trainer import Trainer
from pairjax.training import EVALUATION_BATCH_SIZE, Purpose, run_key

PEERS = ('eager', 'strongest')
# A peer trains one run after another, so a few of a core's share tell what all of them cost.
MOST_PEER_RUNS = 5
MATMUL_SIDE = {'cpu': 1024}
MATMUL_SIDE_OF_ACCELERATORS = 8192
Seconds = dict[str, list[float]]
_square = jax.jit(lambda x: x @ x)


class Options(NamedTuple):
    """What launch/benchmark.py was asked for; cold_script is launch/main.py with --cold."""

    num_seeds: Sequence[int]
    num_epochs: int
    repeats: int
    torch: bool | None
    cold_script: Path | None = None


def layer_flops(model: PairModel) -> list[int]:
    """Multiply-adds x2 of every layer in one pass of one pair, the one that reads images first.

    Convolutions count as direct ones, and only in the outputs that a pool reads. Layers stand in
    the attributes encoder, digit_head and main_head; those that each image passes count twice.
    """
    parts = [getattr(model, name, None) for name in ('encoder', 'digit_head', 'main_head')]
    return [flops for part in parts if part is not None for flops in _part_flops(part)]


def _part_flops(part: Branches | Encoder | Head) -> list[int]:
    if isinstance(part, Branches):
        return [2 * flops for flops in _part_flops(part.module)]
    if isinstance(part, Head):
        return [2 * layer.in_features * layer.out_features for layer in part.layers]
    side, flops = 14, []
    for block in part.blocks:
        size, _, num_inputs, num_outputs = block.kernel.shape
        pooled = (side + 2 * block.padding - size + 1) // block.pool
        flops.append(2 * (pooled * block.pool) ** 2 * size**2 * num_inputs * num_outputs)
        side = pooled
    return flops


def epoch_flops(config: Any, num_classes: int) -> tuple[int, int]:
    """Floating-point operations of one run: an epoch of training, an evaluation of all sets.

    A training step is three passes (forward, and the gradients of weights and of inputs), less
    the unneeded gradient of the images; an evaluation is one. Only convolutions and dense layers
    count.
    """
    layers = layer_flops(
        nnx.eval_shape(lambda: build_model(config.model, num_classes, nnx.Rngs(0)))
    )
    data = config.data
    num_evaluated = data.num_train_pairs + data.num_validation_pairs + data.num_test_pairs
    return data.num_train_pairs * (3 * sum(layers) - layers[0]), num_evaluated * sum(layers)


def matmul_peak(layout: Layout) -> float:
    """FLOP/s of float32 matrix products, one on each of the layout's devices at once."""
    platform, num_devices = layout.mesh.devices.flat[0].platform, layout.mesh.size
    side = MATMUL_SIDE.get(platform, MATMUL_SIDE_OF_ACCELERATORS)
    square = np.random.default_rng(0).standard_normal((side, side), np.float32)
    squares = stack_runs([square] * num_devices, layout._replace(num_runs=num_devices, per_batch=1))
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        jax.block_until_ready(_square(squares))
        seconds.append(time.perf_counter() - started)
    return num_devices * 2 * side**3 / min(seconds)


def peak_memory(layout: Layout) -> int:
    """Bytes: the most that this process has held so far, on an accelerator all its devices."""
    stats = [device.memory_stats() for device in layout.mesh.devices.flat]
    if all(stats):
        return sum(s['peak_bytes_in_use'] for s in stats)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def ratios(slower: Sequence[float], faster: Sequence[float]) -> dict[str, Any]:
    """How many times faster, pair by pair of alternating repeats."""
    values = [s / f for s, f in zip(slower, faster, strict=True)]
    return {'min': min(values), 'median': median(values), 'max': max(values), 'values': values}


def drawn_pairs(plan: Plan, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The pairs that a run of this seed trains on and is evaluated on, for a peer.

    Returns: by name of the set, images (n, 2, 14, 14) float32 as the run sees them, classes
      (n, 2) and targets (n,) int64.
    """
    data, pools = plan.config.data, plan.pools
    sets = draw_pairs(run_key(seed, Purpose.PAIRS), data, pools)
    images, labels = np.asarray(pools.images, np.float32), np.asarray(pools.labels, np.int64)
    mean, deviation = 0.0, 1.0
    if data.standardize:
        train = images[np.asarray(sets.train)]
        mean, deviation = train.mean(), max(train.std(ddof=1), 1e-6)
    images = ((images - mean) / deviation).astype(np.float32)
    return {
        name: (images[i], labels[i], np.asarray(pair_targets(data.relation, labels[i]), np.int64))
        for name, i in ((name, np.asarray(i)) for name, i in sets._asdict().items())
    }


class Machine(NamedTuple):
    """What both sides may use: the devices, and the processes of the peers."""

    layout: Layout
    num_processes: int
    device: str

    @classmethod
    def of(cls, config: Any) -> 'Machine':
        """All devices, or as many as config.runs names: CPU cores, or accelerators."""
        layout = choose_layout(config.runs.devices or jax.device_count(), config.runs, 1)
        on_cpu = jax.default_backend() == 'cpu'
        return cls(layout, layout.mesh.size if on_cpu else 1, 'cpu' if on_cpu else 'cuda')

    def describe(self) -> dict[str, Any]:
        """For benchmark.json."""
        return {
            'device_kind': self.layout.mesh.devices.flat[0].device_kind,
            'num_devices': self.layout.mesh.size,
            'num_cores': os.cpu_count(),
            'peer_processes': self.num_processes,
        }


class PeerProcesses:
    """Python processes that train with PyTorch what they are sent, see `torch_peers.serve`."""

    def __init__(self, machine: Machine):
        """Starts them; each has imported torch when this returns."""
        command = [sys.executable, '-m', 'pairjax.torch_peers']
        pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
        self._processes = [subprocess.Popen(command, **pipes) for _ in range(machine.num_processes)]
        sees_gpu = [self._receive(process) for process in self._processes]
        if machine.device == 'cuda' and not all(sees_gpu):
            self.__exit__()
            raise UserError('PyTorch finds no GPU where jax has an accelerator; add --torch=False')

    def __enter__(self) -> 'PeerProcesses':
        return self

    def __exit__(self, *exception):
        for process in self._processes:
            process.terminate()
            process.communicate()

    def train(self, jobs: Sequence[Mapping[str, Any]]) -> tuple[float, list[float]]:
        """Trains one job a process, all at once after each has warmed up.

        Returns: seconds of the process that took longest, and the runs' test accuracies.
        """
        busy = self._processes[: len(jobs)]
        for messages in (jobs, ['go'] * len(jobs)):
            for process, message in zip(busy, messages, strict=True):
                pickle.dump(message, process.stdin)
                process.stdin.flush()
            replies = [self._receive(process) for process in busy]
        return max(seconds for seconds, _ in replies), [a for _, values in replies for a in values]

    @staticmethod
    def _receive(process: subprocess.Popen) -> Any:
        try:
            return pickle.load(process.stdout)
        except EOFError:
            raise UserError(
                'a PyTorch process ended early, see above for its reason; --torch=False leaves '
                'PyTorch out'
            ) from None


def with_seeds(plan: Plan, num_seeds: int) -> Plan:
    """The same experiment with another number of seeds."""
    return plan._replace(config=validate({**plan.config.to_dict(), 'num_seeds': num_seeds}))


def peer_jobs(
    plan: Plan, machine: Machine, peer: str, num_epochs: int, most_runs: int | None = None
) -> tuple[list[dict[str, Any]], float]:
    """The jobs of `PeerProcesses.train`: the seeds dealt out to one process a core.

    Args:
      plan: with the seeds to train.
      machine: where.
      peer: one of PEERS.
      num_epochs: epochs of each run.
      most_runs: of a process; None trains all its share without a warm-up.

    Returns: the jobs, and how many times their seconds all seeds would take.
    """
    num_processes = min(machine.num_processes, len(plan.seeds))
    shares = [plan.seeds[i::num_processes][:most_runs] for i in range(num_processes)]
    pairs = {seed: drawn_pairs(plan, seed) for share in shares for seed in share}
    common = {
        'peer': peer,
        'config': plan.config.to_dict(),
        'num_classes': plan.pools.num_classes,
        'evaluation_batch_size': EVALUATION_BATCH_SIZE,
        'device': machine.device,
        # Fewer seeds than cores use all cores all the same.
        'num_threads': machine.num_processes // num_processes,
        'warm_up': most_runs is not None,
        'num_epochs': num_epochs,
    }
    jobs = [{**common, 'runs': [pairs[seed] for seed in share]} for share in shares]
    return jobs, math.ceil(len(plan.seeds) / num_processes) / len(shares[0])


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


def run_benchmark(config: Any, options: Options, note: Callable[[str], None]) -> dict[str, Any]:
    """Measures what the options ask for, one row a number of seeds.

    Returns: what benchmark.json holds.
    Raises: UserError.
    """
    if flatten(config.sweep) != flatten(default_config().sweep):
        raise UserError('a benchmark is of one trial; set config.sweep back to its default')
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


def explanation(result: Mapping[str, Any]) -> str:
    """What the figures of a result mean, in sentences."""
    if result['cold']:
        return (
            'Wall seconds of whole commands, medians: launch/main.py in a new process that finds '
            'nothing compiled, and the strongest PyTorch program, from starting its processes and '
            'importing torch; its pairs are drawn beforehand, and it saves nothing. Ratios are '
            'min, median, max over pairs of alternating repeats.'
        )
    return (
        f'Medians of wall time over {result["num_epochs_timed"]} epochs, after one to warm up and '
        f'scaled to {result["config"]["train"]["num_epochs"]}, evaluation included where not said '
        'otherwise. GFLOP/s are direct-convolution ones: multiply-adds x2 of dense layers and '
        'direct convolutions (of these what pools read; Winograd executes fewer), once to '
        'evaluate, three times to train, without the gradient of the images. The peak is that of '
        'float32 matrix products on all devices at once. Memory is the most the process held up to '
        f'that row. PyTorch trains in one process a core, at most {MOST_PEER_RUNS} runs each, '
        'scaled to all seeds. Ratios are min/median/max over pairs of alternating repeats.'
    )


def results_table(result: Mapping[str, Any]) -> Table:
    """One line a number of seeds."""
    machine = result['machine']
    table = Table(
        title=f'{result["config"]["name"]}, batch {result["config"]["train"]["batch_size"]}, '
        f'{machine["num_devices"]} x {machine["device_kind"]}'
    )
    for row in result['rows']:
        cells = cold_cells(row) if result['cold'] else warm_cells(row)
        for peer, ratio in row['ratios'].items():
            cells[f'torch {peer}'] = f'{median(row["seconds"][peer]):.3f} s'
            cells[f'{peer} / pairjax'] = '{min:.2f}/{median:.2f}/{max:.2f}'.format(**ratio)
        if not table.columns:
            for heading in cells:
                table.add_column(heading, justify='right')
        table.add_row(*cells.values())
    return table


def cold_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """The first cells of a line of whole commands, by heading."""
    return {
        'seeds': str(row['num_seeds']),
        'pairjax': f'{median(row["seconds"]["pairjax"]):.1f} s',
    }


def warm_cells(row: Mapping[str, Any]) -> dict[str, str]:
    """The first cells of a line of timed epochs, by heading."""
    return {
        'seeds': str(row['num_seeds']),
        'compile': f'{row["compile_seconds"]:.1f} s',
        's a run': f'{row["seconds_per_run"]:.3f}',
        'pairs/s': f'{row["pairs_per_second"]:,.0f}',
        'GFLOP/s': f'{row["gflops_per_second"]:.1f}',
        'of peak': f'{100 * row["share_of_peak"]:.0f} %',
        'training GFLOP/s': f'{row["training_gflops_per_second"]:.1f}',
        'training of peak': f'{100 * row["training_share_of_peak"]:.0f} %',
        'memory': f'{row["peak_memory_bytes"] / 2**20:,.0f} MiB',
    }
