"""Signals that ask to stop: the epoch is finished and saved first. No jax in here."""

import signal
import sys


class Interrupted(Exception):
    """A signal asked to stop, and the state is saved. The message says how far it got."""


class StopRequest:
    """Turns the first SIGINT or SIGTERM into a flag, so that the epoch can finish and be saved.

    A second one acts as it would without this. Within another one's block there is only that one.
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
