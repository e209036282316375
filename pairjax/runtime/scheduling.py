"""Splits the devices into groups, so that several small programs train concurrently.

Five runs on two devices take as long as six, and on sixteen devices eleven are idle.
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax

from pairjax.models.flops import epoch_flops
from pairjax.runtime.plan import Plan
from pairjax.runtime.sharding import allowed_devices

# Concurrent programs share memory: run more only for a speed-up above 5 %.
WORTHWHILE = 1.05


class DeviceGroup(NamedTuple):
    """Devices that train one program after another; `share` is their fraction of all devices."""

    devices: list[jax.Device]
    share: float


def choose_device_groups(programs: Sequence[tuple[int, int]], runs: Any) -> list[DeviceGroup]:
    """Splits the devices that config.runs allows into the fewest groups that are fast.

    On accelerators, which train many runs at once, and with several processes there is a single
    group of all devices.

    Args:
      programs: (number of runs, number of epochs) of the programs to train, in order.
      runs: config.runs.

    Raises: UserError where config.runs.devices exceeds the number of devices.
    """
    devices = allowed_devices(runs)
    most = len(devices) if jax.process_count() == 1 and devices[0].platform == 'cpu' else 1

    def makespan(num_groups):
        ends = [0] * num_groups
        for num_runs, num_epochs in programs:
            runs_a_device = math.ceil(num_runs / (len(devices) // num_groups))
            heapq.heapreplace(ends, ends[0] + runs_a_device * num_epochs)
        return max(ends)

    ends = {num_groups: makespan(num_groups) for num_groups in range(1, most + 1)}
    num_groups = min(n for n, end in ends.items() if end <= WORTHWHILE * min(ends.values()))
    width = len(devices) // num_groups
    return [
        DeviceGroup(devices[start : start + width], 1 / num_groups)
        for start in range(0, num_groups * width, width)
    ]


def longest_first(plan: Plan, numbers: Iterable[int]) -> Iterator[int]:
    """Program numbers by descending cost (FLOPs), so that groups end at about the same time."""

    def total_flops(number):
        config = plan.program_config(number)
        flops, _ = epoch_flops(config, plan.pools.num_classes)
        return flops * config.train.num_epochs * len(plan.runs(number))

    return iter(sorted(numbers, key=total_flops, reverse=True))
