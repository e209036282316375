"""Orbax in one process of several, where its version 1 can only save in all of them together."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as orbax
from orbax.checkpoint import v1 as ocp

UNFINISHED = '.orbax-checkpoint-tmp'


class Step(NamedTuple):
    """A saved checkpoint."""

    step: int


class LoneCheckpointer:
    """What Checkpoints needs of `ocp.training.Checkpointer`, and the same files, by one process."""

    def __init__(self, directory: Path, keep: int):
        """Opens or creates the directory and clears away what was never finished."""
        self._directory, self._keep = directory, keep
        own = {'primary_host': jax.process_index(), 'active_processes': {jax.process_index()}}
        self._saving = orbax.options.MultiprocessingOptions(
            **own, barrier_sync_key_prefix='records'
        )
        self._loading = ocp.Context()
        for name, value in own.items():
            setattr(self._loading.multiprocessing, name, value)
        directory.mkdir(parents=True, exist_ok=True)
        for path in directory.glob(f'*{UNFINISHED}*'):
            shutil.rmtree(path)

    @property
    def checkpoints(self) -> list[Step]:
        """All that were finished, the oldest first."""
        names = (path.name for path in self._directory.iterdir())
        return sorted(Step(int(name)) for name in names if name.isdecimal())

    @property
    def latest(self) -> Step | None:
        """The newest one."""
        return max(self.checkpoints, default=None)

    def delete(self, step: int) -> None:
        """Deletes one."""
        shutil.rmtree(self._directory / str(step))

    def save(
        self, step: int, state: Any, force: bool, overwrite: bool, custom_metadata: dict[str, Any]
    ) -> None:
        """Saves one, and deletes those that are older than the newest `keep`."""
        path, options = self._directory / str(step), self._saving
        if overwrite and path.exists():
            self.delete(step)
        handler = orbax.CompositeCheckpointHandler(
            composite_options=orbax.CompositeOptions(multiprocessing_options=options)
        )
        with orbax.Checkpointer(handler, multiprocessing_options=options) as checkpointer:
            # Version 1 looks for its arrays under this name.
            arrays = orbax.args.Composite(state=orbax.args.PyTreeSave(state))
            checkpointer.save(path, args=arrays, force=force, custom_metadata=custom_metadata)
        for checkpoint in self.checkpoints[: -self._keep]:
            self.delete(checkpoint.step)

    def load(self, step: int) -> Any:
        """The tree of arrays of one."""
        with self._loading:
            return ocp.load(self._directory / str(step))

    def close(self) -> None:
        """Nothing is under way between two calls."""
