"""A trace of one epoch with the JAX profiler."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from pairjax.errors import UserError
from pairjax.runtime.callbacks import Callback


class Profile(Callback):
    """Traces the second epoch of the first program that trains two epochs in this process.

    The first epoch is a warm-up, in which memory is allocated and caches fill. In a sweep the next
    program compiles or trains at the same time, so the trace shows it too.
    """

    def __init__(self, directory: Path, say: Callable[[str], None]):
        """Takes the directory for the trace and a function that shows messages to the user."""
        self._directory, self._say = directory, say
        self._trace = contextlib.ExitStack()
        self._traced: str | None = None  # The program whose epoch is being traced.
        self._done = False
        self._num_epochs: dict[str, int] = {}

    def on_experiment_start(self, plan: Any, workdir: Path) -> None:
        """Creates the directory; raises UserError where it cannot."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f'--profile={self._directory} cannot be created ({error.strerror}); name another '
                'directory'
            ) from error

    def on_program_start(self, name: str, first_epoch: int, num_epochs: int) -> None:
        """Records the number of epochs of the program."""
        self._num_epochs[name] = num_epochs

    def on_epoch_end(self, name: str, epoch: int, records: Sequence[Mapping[str, Any]]) -> None:
        """Starts the trace after the first epoch, and ends it after the second."""
        if self._traced == name:
            with self._disabled_on_error():
                self._trace.close()
                self._say(
                    f'profile of epoch {epoch} of {name} in {self._directory}; to open it: '
                    f'pip install xprof, then xprof --logdir={self._directory}'
                )
            self._traced, self._done = None, True
        elif not self._traced and not self._done and epoch < self._num_epochs[name]:
            with self._disabled_on_error():
                self._trace.enter_context(jax.profiler.trace(self._directory))
                step = jax.profiler.StepTraceAnnotation('epoch', step_num=epoch + 1)
                self._trace.enter_context(step)
                self._traced = name

    def on_program_end(self, name: str) -> None:
        """Ends a trace that an interruption or a failure cut short."""
        if self._traced == name:
            with self._disabled_on_error():
                self._trace.close()
            self._traced = None

    def on_experiment_end(self) -> None:
        """Reports if no epoch was traced."""
        if not self._done:
            self._say(
                f'--profile={self._directory}: no epoch was traced, since no program '
                'trained two epochs in this process'
            )

    @contextlib.contextmanager
    def _disabled_on_error(self) -> Iterator[None]:
        """Turns the profiler off if it fails; training continues."""
        try:
            yield
        except Exception as error:
            self._done = True
            self._say(f'--profile={self._directory}: there is no trace ({error})')
