"""The PyTorch processes that the benchmark compares with, seen from ours.

They run `torch_peers.py`, which only they import.
"""

import functools
import itertools
import math
import pickle
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from pairjax.data.pairs import pair_targets
from pairjax.errors import UserError
from pairjax.models.layers import Branches
from pairjax.models.registry import abstract_model
from pairjax.runtime.plan import Plan
from pairjax.studies.benchmark.machine import Machine
from pairjax.training.evaluate import EVALUATION_BATCH_SIZE
from pairjax.training.train_step import init_state, standardize
from pairjax.trials import traced_hyperparameters

PEERS = ('eager', 'strongest')
# A peer trains one run after another, so a few of a core's share tell what all of them cost.
MOST_PEER_RUNS = 5


def layer_sizes(model: Any, num_classes: int) -> dict[str, Any]:
    """The sizes of a network's layers, for its PyTorch counterpart.

    Args:
      model: config.model.
      num_classes: of the images.

    Returns: `blocks`, the convolutions as (channels in, channels out, kernel size, padding, pool);
      `digit_head` and `main_head`, their widths from inputs to outputs, or None; `reads_digits`,
      whether the main head takes the two digits' logits instead of the features.
    """
    network = abstract_model(model, num_classes)
    parts = [getattr(network, name, None) for name in ('encoder', 'digit_head', 'main_head')]
    encoder, *heads = (part.module if isinstance(part, Branches) else part for part in parts)
    blocks = []
    for block in encoder.blocks if encoder else ():
        size, _, num_inputs, num_outputs = block.kernel.shape
        blocks.append((num_inputs, num_outputs, size, block.padding, block.pool))
    digit_head, main_head = (
        head and [head.layers[0].in_features, *(layer.out_features for layer in head.layers)]
        for head in heads
    )
    return {
        'blocks': blocks,
        'digit_head': digit_head,
        'main_head': main_head,
        'reads_digits': getattr(network, 'reads_digits', False),
    }


class PeerProcesses:
    """Python processes that train with PyTorch what they are sent, see `torch_peers.serve_jobs`."""

    def __init__(self, machine: Machine):
        """Starts them; each has imported torch when this returns."""
        command = [sys.executable, '-m', 'pairjax.studies.benchmark.torch_peers']
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


def drawn_pairs(plan: Plan, seeds: Iterable[int]) -> dict[int, dict[str, list[np.ndarray]]]:
    """By seed the pairs that its run trains on and is evaluated on, for a peer.

    Returns: by name of the set, images (n, 2, 14, 14) float32 as the run sees them, classes
      (n, 2) and targets (n,) int64.
    """
    config, pools, found = plan.config, plan.pools, {}
    init = jax.jit(functools.partial(init_state, config))
    for seed in seeds:
        state = init(pools, np.int32(seed), traced_hyperparameters(config))
        found[seed] = {}
        for name, indices in state.pairs._asdict().items():
            classes = np.asarray(pools.labels[indices], np.int64)
            targets = np.asarray(pair_targets(config.data.relation, classes), np.int64)
            # A copy, since PyTorch warns of arrays that it must not write to.
            images = np.array(standardize(state, pools.images[indices]))
            found[seed][name] = [images, classes, targets]
    return found


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
    pairs = drawn_pairs(plan, itertools.chain(*shares))
    common = {
        'peer': peer,
        'config': plan.config.to_dict(),
        'sizes': layer_sizes(plan.config.model, plan.pools.num_classes),
        'evaluation_batch_size': EVALUATION_BATCH_SIZE,
        'device': machine.device,
        # Fewer seeds than cores use all cores all the same.
        'num_threads': machine.num_processes // num_processes,
        'warm_up': most_runs is not None,
        'num_epochs': num_epochs,
    }
    jobs = [{**common, 'runs': [pairs[seed] for seed in share]} for share in shares]
    return jobs, math.ceil(len(plan.seeds) / num_processes) / len(shares[0])
