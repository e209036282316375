"""Saves and restores stacked runs with Orbax: atomic writes, verified by a digest."""

import errno
import hashlib
import json
import os
import shutil
import traceback
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
# Renamed arrays: path in checkpoints of earlier versions -> current path.
RENAMED = {'deviation': 'std'}
# Bytes. Orbax holds what it writes in memory until a file is full; its default is 2 GB.
FILE_SIZE = 16 * 2**20
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO)


class _Uncopied(np.ndarray):
    """An array that Orbax takes as it is: it copies arrays in case they change while it saves."""

    def __deepcopy__(self, memo: Any) -> '_Uncopied':
        return self


class Checkpoints:
    """The checkpoints of one program, one directory per saved epoch.

    A state is saved as a flat dictionary of NumPy arrays keyed by tree path
    (`params/encoder/...`), so that it can be restored on any number of devices,
    with a digest of all arrays, since Orbax does not detect every flipped bit.
    Orbax writes to a temporary directory and renames it when complete. It reads
    only JSON and TensorStore zarr arrays: restoring executes no code from a checkpoint.

    Only process 0 saves and restores. Orbax's v1 API can only save from all processes together,
    so saving uses the older API and restoring the v1 API, which reads checkpoints of both.
    """

    def __init__(self, directory: Path, max_to_keep: int = 1):
        """Creates the directory if missing; `save` keeps the newest `max_to_keep` checkpoints.

        Raises: UserError if the directory cannot be created.
        """
        self.directory, self._max_to_keep = Path(directory).absolute(), max_to_keep
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
        """Saves the state after an epoch and deletes all but the newest checkpoints.

        Args:
          epoch: its number.
          state: a tree of host arrays.
          description: JSON metadata: the trials, seeds and data of the state.

        Raises: UserError if it cannot be written; earlier checkpoints stay intact.
        """
        arrays = _flatten(state)
        uncopied = {name: array.view(_Uncopied) for name, array in arrays.items()}
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
                    # Orbax's v1 API expects the arrays under this name.
                    args=orbax.args.Composite(
                        state=orbax.args.PyTreeSave(
                            {**uncopied, DIGEST: _digest(arrays)},
                            ocdbt_target_data_file_size=FILE_SIZE,
                        )
                    ),
                    force=True,
                    custom_metadata={'description': json.dumps(description)},
                )
            self._delete(saved_epochs(self.directory)[: -self._max_to_keep])
        except Exception as error:  # Orbax's exceptions have no common base class.
            raise UserError(
                f'checkpoint {self.directory}/{epoch} cannot be written ({_first_line(error)}); '
                'free disk space and start again; earlier checkpoints are intact'
            ) from error

    def restore(self, expected: Any) -> Any:
        """Restores the newest state as host arrays, in the tree structure of `expected`.

        Args:
          expected: a tree whose leaves have shape and dtype, such as jax.ShapeDtypeStruct.

        Raises: UserError if the checkpoint cannot be read or has other names, shapes or dtypes.
        """
        path = self.directory / str(self.latest_epoch)
        try:
            with _this_process_context():
                loaded = ocp.load(path)
            # Checkpoints of earlier versions have no digest.
            digest = loaded.pop(DIGEST, None)
            if digest is not None and bytes(digest) != bytes(_digest(loaded)):
                raise ValueError('its arrays do not match their digest')
        except Exception as error:  # as in `save`
            raise _unreadable(path, error) from error
        loaded = {RENAMED.get(name, name): leaf for name, leaf in loaded.items()}
        wanted = {name: (leaf.shape, leaf.dtype) for name, leaf in _flatten(expected).items()}
        found = {
            name: (np.shape(leaf), getattr(leaf, 'dtype', None)) for name, leaf in loaded.items()
        }
        for name in sorted(set(wanted) | set(found)):
            if wanted.get(name) != found.get(name):
                raise UserError(
                    f'checkpoint {path} does not match the config: {name} is '
                    f'{_describe(found.get(name))} in the checkpoint but '
                    f'{_describe(wanted.get(name))} in the model; put it back into its own '
                    'workdir, or train from scratch with --overwrite'
                )
        leaves = [loaded[name] for name in _flatten(expected)]
        return jax.tree.unflatten(jax.tree.structure(expected), leaves)


def _this_process() -> dict[str, Any]:
    """Options that keep Orbax from waiting for the other processes of a multihost run."""
    return {'primary_host': jax.process_index(), 'active_processes': {jax.process_index()}}


def _this_process_context() -> ocp.Context:
    context = ocp.Context()
    for name, value in _this_process().items():
        setattr(context.multiprocessing, name, value)
    return context


def check_seeds_and_epoch(state: Any, seeds: Sequence[int], epoch: int, directory: Path) -> None:
    """Raises UserError unless a restored RunState has the expected seeds and epoch.

    Shapes alone do not tell: a checkpoint renamed or copied from another workdir may have them.
    """
    found = sorted(set(state.epoch.tolist()))
    if found != [epoch] or state.seed.tolist() != list(seeds):
        raise UserError(
            f'checkpoint {directory}/{epoch} is of epoch {", ".join(map(str, found))} and seeds '
            f'{shown(state.seed.tolist())}, not of epoch {epoch} and seeds {shown(list(seeds))}; '
            'put it back into its own workdir, or train from scratch with --overwrite'
        )


def _flatten(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator='/'): leaf for path, leaf in leaves}


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(
        f'checkpoint {path} cannot be read ({_first_line(error)}); if this persists, delete it: '
        'launch/main.py then resumes from an earlier one or from scratch, with the same results'
    )


def _digest(arrays: dict[str, Any]) -> np.ndarray:
    """16-byte hash of the names, shapes, dtypes and values of the arrays."""
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
    # Orbax buries the reason from the operating system in long messages and in causes.
    text = ''.join(traceback.format_exception(error))
    for reason in map(os.strerror, DISK_ERRORS):
        if reason in text:
            return reason
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    # TensorStore repeats the path and puts the reason last.
    return line if len(line) <= 200 else f'...{line[-150:]}'
