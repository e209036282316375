"""Calls callbacks in process 0, such that one that fails there ends the other processes, too."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pairjax.runtime.callbacks import Callback
from pairjax.runtime.multihost import is_primary, raise_on_all


class CallbackList:
    """Has `Callback`'s methods, which call several callbacks in order, one thread at a time.

    Every process calls them in the same order, and those of process 0 run.
    """

    def __init__(self, callbacks: Sequence[Callback]):
        self._callbacks = tuple(callbacks) if is_primary() else ()
        self._lock = threading.Lock()

    def __getattr__(self, method: str) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            raise_on_all(method, lambda: self.call_here(method, *arguments))

        return call

    def call_here(self, method: str, *arguments: Any) -> None:
        """Calls a method in this process; for use within an exchange."""
        with self._lock:
            for callback in self._callbacks:
                getattr(callback, method)(*arguments)

    @contextlib.contextmanager
    def ending(self, method: str, *arguments: Any) -> Iterator[None]:
        """Calls a method after the block, even if that failed or was interrupted."""
        try:
            yield
        except BaseException:
            # Without the other processes, which may be elsewhere.
            with contextlib.suppress(Exception):  # The first error is the one to report.
                self.call_here(method, *arguments)
            raise
        getattr(self, method)(*arguments)
