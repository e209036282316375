"""State that the device groups of an experiment share while they train."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from pairjax.runtime.callbacks import Callback
from pairjax.runtime.plan import Plan
from pairjax.runtime.preemption import StopRequest


@dataclass
class SharedState:
    """State shared by the threads of all device groups.

    Attributes:
      plan: the experiment's plan.
      workdir: directory of metrics.jsonl and checkpoints/.
      callbacks: called as training proceeds.
      stop: whether SIGINT or SIGTERM has been received.
      recording: held while lines are appended and while Orbax saves or restores, which it cannot
        do twice at a time.
      halted: set when a group ends with an error that ends the experiment, such as a full disk.
      reached: the last epoch trained, by program number.
      failures: the reason for each failed program in one line, by program number.
    """

    plan: Plan
    workdir: Path
    callbacks: Callback
    stop: StopRequest
    recording: threading.Lock = field(default_factory=threading.Lock)
    halted: threading.Event = field(default_factory=threading.Event)
    reached: dict[int, int] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def stopping(self) -> bool:
        """Whether this process wants training to end after the current epoch."""
        return self.stop.requested or self.halted.is_set()
