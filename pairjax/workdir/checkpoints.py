"""Orbax checkpoints of stacked runs: atomic, newest first, checked before use."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as orbax
from orbax.checkpoint import v1 as ocp

from pairjax.errors import UserError, shown
from pairjax.system import writing
from pairjax.workdir.workdir import saved_epoch, saved_epochs

DIGEST = 'digest'
# Arrays of earlier versions by their path, and their path now.
RENAMED = {'deviation': 'std'}
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)


class Checkpoints:
    """The checkpoints of one program, one directory per saved epoch.

    A state is saved as a flat dictionary of NumPy arrays named by their path
    (`params/encoder/...`), so that it can be read on any number of devices,
    with a digest of them all, since Orbax does not notice every changed bit.
    Orbax writes to a temporary directory and renames it when complete. It reads
    JSON, and TensorStore zarr arrays: nothing in a checkpoint is ever executed.

    One process saves and restores, also where an experiment has several. Orbax's version 1 saves
    only in all processes together, so saving goes through its earlier API and restoring through
    version 1; checkpoints that version 1 saved are restored, too.
    """

    def __init__(self, directory: Path, keep: int = 1):
        """Makes the directory where it is missing; `save` keeps the newest `keep` checkpoints.

        Raises: UserError where the directory cannot be made.
        """
        self.directory, self._keep = Path(directory).absolute(), keep
        with writing(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)

    @property
    def latest_epoch(self) -> int | None:
        """The newest saved epoch, or None."""
        return saved_epoch(self.directory)

    def clear(self) -> None:
        """Deletes every checkpoint."""
        self._delete(saved_epochs(self.directory))

    def _delete(self, epochs: Sequence[int]) -> None:
        for epoch in epochs:
            shutil.rmtree(self.directory / str(epoch))

    def save(self, epoch: int, state: Any, description: dict[str, Any]) -> None:
        """Saves the state after an epoch, and deletes checkpoints that are not to be kept.

        Args:
          epoch: its number.
          state: a tree of host arrays.
          description: what the state is of, JSON.

        Raises: UserError where it cannot be written; earlier checkpoints are intact then.
        """
        arrays = _flatten(state)
        options = orbax.options.MultiprocessingOptions(
            **_this_process(), barrier_sync_key_prefix='checkpoints'
        )
        handler = orbax.CompositeCheckpointHandler(
            composite_options=orbax.CompositeOptions(multiprocessing_options=options)
        )
        try:
            for unfinished in self.directory.glob('*.orbax-checkpoint-tmp*'):
                shutil.rmtree(unfinished)
            with orbax.Checkpointer(handler, multiprocessing_options=options) as checkpointer:
                checkpointer.save(
                    self.directory / str(epoch),
                    # Orbax's version 1 looks for its arrays under this name.
                    args=orbax.args.Composite(
                        state=orbax.args.PyTreeSave({**arrays, DIGEST: _digest(arrays)})
                    ),
                    force=True,
                    custom_metadata={'description': json.dumps(description)},
                )
            self._delete(saved_epochs(self.directory)[: -self._keep])
        except Exception as error:  # Orbax has no common base for what it raises.
            raise UserError(
                f'checkpoint {self.directory}/{epoch} cannot be written ({_first_line(error)}); '
                'make room there and start again; what was saved before is intact'
            ) from error

    def restore(self, expected: Any) -> Any:
        """The newest state as host arrays in the tree of `expected`.

        Args:
          expected: the tree with leaves that have shape and dtype.

        Raises: UserError where the checkpoint cannot be read or is of another shape.
        """
        where = self.directory / str(self.latest_epoch)
        try:
            with _loading():
                loaded = ocp.load(where)
            # Checkpoints of earlier versions have no digest.
            digest = loaded.pop(DIGEST, None)
            if digest is not None and bytes(digest) != bytes(_digest(loaded)):
                raise ValueError('it holds other bits than were saved')
        except Exception as error:  # as in `save`
            raise _unreadable(where, error) from error
        loaded = {RENAMED.get(name, name): leaf for name, leaf in loaded.items()}
        wanted = {name: (leaf.shape, leaf.dtype) for name, leaf in _flatten(expected).items()}
        found = {
            name: (np.shape(leaf), getattr(leaf, 'dtype', None)) for name, leaf in loaded.items()
        }
        for name in sorted(set(wanted) | set(found)):
            if wanted.get(name) != found.get(name):
                raise UserError(
                    f'checkpoint {where} is of another model or setting: {name} is '
                    f'{_describe(found.get(name))} there and {_describe(wanted.get(name))} by the '
                    'config; use the workdir that it came from, or start afresh with --overwrite'
                )
        leaves = [loaded[name] for name in _flatten(expected)]
        return jax.tree.unflatten(jax.tree.structure(expected), leaves)


def _this_process() -> dict[str, Any]:
    """Options with which Orbax waits for no other process of a multihost experiment."""
    return {'primary_host': jax.process_index(), 'active_processes': {jax.process_index()}}


def _loading() -> ocp.Context:
    context = ocp.Context()
    for name, value in _this_process().items():
        setattr(context.multiprocessing, name, value)
    return context


def check_origin(state: Any, seeds: Sequence[int], epoch: int, directory: Path) -> None:
    """Raises UserError where a restored RunState is of other seeds or another epoch than expected.

    A checkpoint that was renamed, or copied from another workdir, has the right shapes all the
    same.
    """
    found = sorted(set(state.epoch.tolist()))
    if found != [epoch] or state.seed.tolist() != list(seeds):
        raise UserError(
            f'checkpoint {directory}/{epoch} is of epoch {", ".join(map(str, found))} and seeds '
            f'{shown(state.seed.tolist())}, not of epoch {epoch} and seeds {shown(list(seeds))}; '
            'put it back where it came from, or start afresh with --overwrite'
        )


def _flatten(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator='/'): leaf for path, leaf in leaves}


def _unreadable(where: Path, error: Exception) -> UserError:
    return UserError(
        f'checkpoint {where} cannot be read ({_first_line(error)}); if that is so again, delete '
        'it, and launch/main.py goes on from an earlier one or the seeds, to the same results'
    )


def _digest(arrays: dict[str, Any]) -> np.ndarray:
    """16 bytes that change when any name, shape, type or bit of the arrays does."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f'{name} {array.dtype} {array.shape} '.encode())
        digest.update(array.data)
    return np.frombuffer(digest.digest(), np.uint8)


def _describe(shape_and_dtype) -> str:
    if shape_and_dtype is None:
        return 'absent'
    shape, dtype = shape_and_dtype
    return f'{dtype}{list(shape)}'


def _first_line(error: BaseException) -> str:
    texts = [str(error)]
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
        texts.append(str(error))
    for reason in map(os.strerror, DISK_ERRORS):
        # Somewhere among names of files and settings; of all that is said people need this.
        if any(reason in text for text in texts):
            return reason
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # TensorStore repeats the path and says last what happened.
    return line if len(line) <= 200 else f'...{line[-150:]}'
