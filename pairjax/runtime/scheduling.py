"""How many programs train at once: where their runs do not fill the devices, several side by side.

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

# Programs that train at the same time lie in memory at the same time: for less, not more of them.
WORTHWHILE = 1.05


class DeviceGroup(NamedTuple):
    """Devices that train one program after another; `share` is their part of all that train."""

    devices: list[jax.Device]
    share: float


class Size(NamedTuple):
    """How much there is to train of a program."""

    num_runs: int
    num_epochs: int


def choose_device_groups(programs: Sequence[Size], runs: Any) -> list[DeviceGroup]:
    """Splits the devices that config.runs allows into the fewest groups that are done early.

    On an accelerator, where one device trains many runs at once, and among several processes
    there is one group with all devices.

    Args:
      programs: those to train, in their order.
      runs: config.runs.

    Raises: UserError where more devices are asked for than there are.
    """
    devices = allowed_devices(runs)
    most = len(devices) if jax.process_count() == 1 and devices[0].platform == 'cpu' else 1

    def epochs_one_after_another(num_lanes):
        ends = [0] * num_lanes
        for program in programs:
            runs_a_device = math.ceil(program.num_runs / (len(devices) // num_lanes))
            heapq.heapreplace(ends, ends[0] + runs_a_device * program.num_epochs)
        return max(ends)

    ends = {num_lanes: epochs_one_after_another(num_lanes) for num_lanes in range(1, most + 1)}
    num_lanes = min(n for n, end in ends.items() if end <= WORTHWHILE * min(ends.values()))
    width = len(devices) // num_lanes
    return [
        DeviceGroup(devices[start : start + width], 1 / num_lanes)
        for start in range(0, num_lanes * width, width)
    ]


def longest_first(plan: Plan, numbers: Iterable[int]) -> Iterator[int]:
    """Numbers of programs, what takes longest first, so that groups end at about the same time."""

    def computation(number):
        config = plan.program_config(number)
        flops, _ = epoch_flops(config, plan.pools.num_classes)
        return flops * config.train.num_epochs * len(plan.runs(number))

    return iter(sorted(numbers, key=computation, reverse=True))
