"""SIGINT and SIGTERM: the epoch is finished and saved first."""

import signal
import sys


class Interrupted(Exception):
    """Training stopped on a signal and is saved; the message says how far it got."""


class StopRequest:
    """A context in which the first SIGINT or SIGTERM sets `requested` and does nothing else.

    A second signal has its usual effect. Nested contexts share the outermost one.
    """

    def __init__(self):
        self.requested = False

    def __enter__(self) -> 'StopRequest':
        self._previous = {}
        outer = getattr(signal.getsignal(signal.SIGINT), '__self__', None)
        if isinstance(outer, StopRequest):
            return outer
        self._previous = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def _on_signal(self, number, frame):
        self.requested = True
        signal.signal(number, self._previous[number])
        print('stopping after this epoch; once more stops at once', file=sys.stderr)

    def __exit__(self, *exception):
        for number, handler in self._previous.items():
            signal.signal(number, handler)
