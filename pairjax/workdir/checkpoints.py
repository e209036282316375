"""Orbax checkpoints of stacked runs: atomic, newest first, checked before use."""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from pairjax.errors import UserError, shown
from pairjax.workdir.lone_checkpointer import LoneCheckpointer
from pairjax.workdir.workdir import writing

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
    """

    def __init__(self, directory: Path, keep: int = 1, cleanup: bool = True):
        """Opens or creates the directory and keeps the newest `keep` checkpoints."""
        self.directory = Path(directory).absolute()
        try:
            with writing(self.directory):
                self._checkpointer = _open(self.directory, keep, cleanup)
        except UserError:
            raise
        except Exception as error:  # Orbax has no common base for what it raises
            raise _unreadable(f'one in {self.directory}', error) from error

    def __enter__(self) -> 'Checkpoints':
        return self

    def __exit__(self, kind, *exception):
        # What a failed save left behind must not hide the sentence that is already under way.
        with contextlib.suppress(*[Exception] if kind else []):
            self._checkpointer.close()

    @property
    def latest_epoch(self) -> int | None:
        """The newest saved epoch, or None."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def clear(self) -> None:
        """Deletes every checkpoint."""
        for checkpoint in self._checkpointer.checkpoints:
            self._checkpointer.delete(checkpoint.step)

    def save(self, epoch: int, state: Any, description: dict[str, Any]) -> None:
        """Saves a tree of host arrays after `epoch`, with what it is of (JSON)."""
        arrays = _flatten(state)
        try:
            self._checkpointer.save(
                epoch,
                {**arrays, DIGEST: _digest(arrays)},
                force=True,
                overwrite=True,
                custom_metadata={'description': json.dumps(description)},
            )
        except Exception as error:  # as above
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
        where = f'{self.directory}/{self.latest_epoch}'
        try:
            loaded = self._checkpointer.load(self.latest_epoch)
            # Checkpoints of earlier versions have no digest.
            digest = loaded.pop(DIGEST, None)
            if digest is not None and bytes(digest) != bytes(_digest(loaded)):
                raise ValueError('it holds other bits than were saved')
        except Exception as error:  # as above
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


def _open(directory: Path, keep: int, cleanup: bool) -> Any:
    if jax.process_count() > 1:
        return LoneCheckpointer(directory, keep)
    return ocp.training.Checkpointer(
        directory,
        preservation_policy=ocp.training.preservation_policies.LatestN(keep),
        cleanup_tmp_directories=cleanup,
    )


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


def _unreadable(where: str, error: Exception) -> UserError:
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
