"""The source npz: NumPy archives of MedMNIST, Keras, Kuzushiji, Kannada and one's own."""

import contextlib
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pairjax.data.cache import load_arrays
from pairjax.data.content_split import split_by_content
from pairjax.data.digits import Pool, RawDigits, SourceConfig
from pairjax.data.file_kinds import foreign_kind, read_beginning
from pairjax.data.names import Role, choose_dataset, choose_splits, role_of
from pairjax.errors import UserError

# Below the directory that data.dir names.
MOST_LEVELS = 3
EXPECTED = (
    'expected images and labels of a train and a test split, such as train_images, train_labels, '
    'test_images, test_labels or x_train, y_train, x_test, y_test, or a directory of four files of '
    'one array each, such as k49-train-imgs.npz'
)


class Member(NamedTuple):
    """An array in an .npz file, not read yet."""

    path: Path
    name: str
    shape: tuple[int, ...] | None
    dtype: str

    def __str__(self) -> str:
        # No shape where the array's header cannot be read.
        what = 'unreadable' if self.shape is None else f'{self.shape} {self.dtype}'
        return f'{self.name} {what}'


def read_npz(source: SourceConfig) -> RawDigits:
    """The arrays of an .npz file, or of several with one array each, told apart by their names.

    Values are not rescaled: images from 0 to 1 stay so, which matters with
    data.standardize=False.

    Raises:
        UserError: no such file, not an .npz file, damaged, holds pickled Python objects, or names
            from which no images and labels can be told.
    """
    path = source.directory
    if path is None:
        raise UserError('data.source=npz needs data.dir, the path of an .npz file.')
    files = [path]
    if path.is_dir():
        levels = ('/'.join(['*'] * level) + '.npz' for level in range(1, MOST_LEVELS + 1))
        files = sorted(file for level in levels for file in path.glob(level) if file.is_file())
    if not files:
        raise UserError(
            f'data.dir: {path} holds 0 .npz files; expected one, or the path of a file.'
        )
    members = [member for file in files for member in list_members(file)]
    sets: dict[str, dict[tuple[str, str], Member]] = {}
    for member in members:
        role = _role(member, sum(other.path == member.path for other in members) == 1)
        if role.kind:
            sets.setdefault(role.dataset, {}).setdefault((role.split or '', role.kind), member)
    # Arrays beside a data set, such as a list of class names, do not make it another one.
    whole = {name: parts for name, parts in sets.items() if _splits(parts)}
    if not whole:
        raise UserError(f'{path} holds {_listed(members)}; {EXPECTED}.')
    chosen = choose_dataset(whole, source.dataset, path) if len(whole) > 1 else next(iter(whole))
    return _read_members(path, whole[chosen], members)


def list_members(path: Path) -> list[Member]:
    """The arrays of an .npz file by what their headers say.

    Raises: UserError where it is no such file.
    """
    if not path.is_file():
        raise UserError(f'data.dir: there is no file {path}; expected an .npz file.')
    try:
        with zipfile.ZipFile(path) as archive:
            return [
                Member(path, name.removesuffix('.npy'), *_header(archive, name))
                for name in archive.namelist()
                if name.endswith('.npy')
            ]
    # A damaged zip file fails in a dozen ways.
    except Exception as error:
        raise _unreadable(path, error) from error


def _header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...] | None, str]:
    with contextlib.suppress(Exception), archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[version[0]](file)
        return shape, str(dtype)
    return None, ''


def _role(member: Member, is_alone: bool) -> Role:
    """What an array is by its name and, where that says less, by its file's name."""
    own, of_file = role_of(member.name), role_of(member.path.stem)
    # np.savez calls a single array arr_0.
    kind = own.kind or (of_file.kind if is_alone else None)
    return Role(of_file.dataset, own.split or of_file.split, kind)


def _splits(parts: dict[tuple[str, str], Member]) -> list[str]:
    """The splits with images and labels."""
    splits = [split for split, kind in parts if kind == 'images']
    return [split for split in splits if (split, 'labels') in parts]


def _read_members(
    path: Path, parts: dict[tuple[str, str], Member], members: list[Member]
) -> RawDigits:
    splits = _splits(parts)
    if splits == ['train']:
        raise UserError(f'{path} lacks a test split (it holds {_listed(members)}); {EXPECTED}.')
    half = sorted({split for split, _ in parts} - set(splits) - {'validation', ''})
    if half:
        raise UserError(
            f'{path} lacks the images or the labels of its split {half[0]} (it holds '
            f'{_listed(members)}); {EXPECTED}.'
        )
    train, test, notes = choose_splits(dict.fromkeys(splits))
    pools = [_read_pool(parts, split) for split in (train, test) if split is not None]
    if test is None:
        *pools, note = split_by_content(pools[0])
        notes.append(note)
    return RawDigits(*pools, notes=tuple(notes))


def _read_pool(parts: dict[tuple[str, str], Member], split: str) -> Pool:
    members = [parts[split, kind] for kind in ('images', 'labels')]
    return Pool(*map(_read_member, members), *(f'{one.name} in {one.path}' for one in members))


def _read_member(member: Member) -> np.ndarray:
    try:
        return load_arrays(member.path, [member.name])[member.name]
    except UserError:
        raise
    except Exception as error:
        raise _unreadable(member.path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    damaged = (
        f'cannot be read as an .npz file of plain numeric arrays ({type(error).__name__}); write '
        'it anew with numpy.savez'
    )
    return UserError(f'{path} {foreign_kind(read_beginning(path)) or damaged}.')


def _listed(members: list[Member]) -> str:
    names = [str(member) for member in members]
    more = [f'{len(names) - 12} more'] if len(names) > 12 else []
    return ', '.join(names[:12] + more) or 'no arrays'
