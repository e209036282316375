"""Signals that ask to stop: the epoch is finished and saved first."""

import signal
import sys
import threading

# A second one of these has its usual effect.
STOPS = 'SIGINT', 'SIGTERM'
# Schedulers announce with these that a time limit or a preemption is near, some more than once.
WARNINGS = 'SIGUSR1', 'SIGUSR2', 'SIGHUP'


class Interrupted(Exception):
    """Training stopped on a signal and is saved; the message says how far it got."""


class StopRequest:
    """A context in which the first signal of `STOPS` and `WARNINGS` only sets `requested`.

    A second one of `STOPS` has its usual effect; `WARNINGS` have none. A signal that is ignored
    stays so, as SIGHUP under nohup. Nested contexts share the outermost one. In a thread other than
    Python's main one, where no signal is heard, nothing is set.
    """

    _outermost: 'StopRequest | None' = None

    def __init__(self):
        self.requested = False

    def __enter__(self) -> 'StopRequest':
        self._previous = {}
        # Not told from the handlers, as that of SIGINT is gone after the first one.
        if StopRequest._outermost is not None:
            return StopRequest._outermost
        in_main = threading.current_thread() is threading.main_thread()
        if in_main:
            StopRequest._outermost = self
        for name in (*STOPS, *WARNINGS) if in_main else ():
            number = getattr(signal, name, None)  # Windows lacks some.
            ignored = number and signal.getsignal(number) == signal.SIG_IGN
            if number and not (ignored and name in WARNINGS):
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def _on_signal(self, number, frame):
        first, self.requested = not self.requested, True
        if signal.Signals(number).name in STOPS:
            signal.signal(number, self._previous[number])
        if first:
            print('stopping after this epoch; once more stops at once', file=sys.stderr)

    def __exit__(self, *exception):
        if StopRequest._outermost is self:
            StopRequest._outermost = None
        for number, handler in self._previous.items():
            signal.signal(number, handler)
