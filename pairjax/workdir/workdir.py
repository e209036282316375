"""The files of a workdir: their names, config.json and summary.json."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pairjax import __version__
from pairjax.config import flatten, upgrade
from pairjax.errors import UserError, shown, shown_name
from pairjax.system import write_json, writing
from pairjax.workdir.schema import CONFIG_FILE, check_shape, parse_json
from pairjax.workdir.versions import version_changes, versions, with_versions

# What may differ when a workdir is resumed: where and how the runs are run, and where the same
# images lie. The images themselves are compared by their fingerprint.
RESUMABLE_FIELDS = ('runs.', 'checkpoint.', 'data.dir', 'data.download')
# Of config.json; without this number it is of version 0.2.0 or older.
FORMAT = 1
FAILURES = 'failures.log'
TENSORBOARD = 'tensorboard'
# Seeds that are being added, and joined files that are not yet in their places.
ADDED_SEEDS, JOINING = 'added_seeds', 'joining'
# In the order in which they are deleted: while any is left, config.json says whose it is.
OWN_FILES = (
    'summary.json',
    'metrics.jsonl',
    'checkpoints',
    'figures',
    FAILURES,
    TENSORBOARD,
    ADDED_SEEDS,
    JOINING,
    'config.json',
)


def checkpoint_directory(workdir: Path, number: int) -> Path:
    """The directory of the checkpoints of program `number`, one subdirectory per saved epoch."""
    return workdir / 'checkpoints' / f'program_{number:04d}'


def begun_blocks(workdir: Path) -> list[tuple[int, int]]:
    """The blocks of seeds (first, number) that were begun and are not joined yet, in order."""
    found = (workdir / ADDED_SEEDS).glob('seeds_*_*/config.json')
    names = (path.parent.name.split('_') for path in found)
    ends = sorted((int(first), int(last)) for _, first, last in names)
    return [(first, last - first + 1) for first, last in ends]


def block_workdir(workdir: Path, first: int, num: int) -> Path:
    """Where a block of seeds trains."""
    return workdir / ADDED_SEEDS / f'seeds_{first}_{first + num - 1}'


def begun_parts(workdir: Path) -> list[Path]:
    """The workdirs of the parts of a sweep that were begun, in order."""
    return sorted(path.parent for path in (workdir / 'parts').glob('*-of-*/config.json'))


def saved_epochs(directory: Path) -> list[int]:
    """The epochs of the complete checkpoints in a directory, ascending."""
    names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def saved_epoch(directory: Path) -> int | None:
    """The epoch of the newest complete checkpoint in a directory, None without one."""
    return max(saved_epochs(directory), default=None)


def read_json(
    path: Path, remedy: str = 'delete it, and the command that wrote it writes it anew'
) -> dict[str, Any]:
    """Reads a JSON file of a workdir.

    Raises: UserError where it is missing or damaged, then with the remedy.
    """
    try:
        content = parse_json(path.read_text())
        if not isinstance(content, dict):
            raise ValueError('it holds no object')
        # Half a character, which JSON can name, could not be shown later.
        json.dumps(content, ensure_ascii=False).encode()
        return content
    except FileNotFoundError:
        what = 'name a workdir that launch/main.py has made'
        if begun_parts(path.parent):
            what = f'{path.parent} is trained in parts, which --status shows and the last one joins'
        raise UserError(f'{path} does not exist; {what}') from None
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read as JSON ({error}); {remedy}') from None


def open_workdir(
    workdir: Path,
    config: Mapping[str, Any],
    data: Mapping[str, Any],
    overwrite: bool,
    trials: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Makes the workdir, or checks that the one there belongs to the same experiment.

    Args:
      workdir: its path.
      config: the resolved config, nested.
      data: source, pool sizes and fingerprint of the digits.
      overwrite: deletes what an earlier experiment left there (only files of its own making).
      trials: the hyperparameters of every trial, for readers that cannot build the models.

    Raises: UserError where it cannot be written, belongs to another config, or holds files of
      these names that pairjax did not write.
    """
    path = workdir / 'config.json'
    with writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        present = [name for name in OWN_FILES if (workdir / name).exists()]
        if present and path.name not in present:
            raise UserError(
                f'{workdir} holds {present[0]} but no config.json, so pairjax did not '
                'write it; name another --workdir'
            )
        saved = read_config(workdir) if present else None
        if overwrite:
            for name in present:
                own = workdir / name
                shutil.rmtree(own) if own.is_dir() else own.unlink()
            saved = None
    if saved is None:
        found = {'data': data, 'versions': versions()}
        write_json(path, {'format': FORMAT, 'config': config, **found, 'trials': list(trials)})
        return
    changed = difference(saved, config, data)
    if changed:
        raise UserError(
            f'{workdir} belongs to another experiment: {changed}; name another --workdir, or train '
            'from scratch there with --overwrite'
        )
    # Where the data lies now is worth knowing; the versions stay those of the first start.
    write_json(path, {**saved, 'format': FORMAT, 'config': config, 'trials': list(trials)})


def difference(
    saved: Mapping[str, Any],
    config: Mapping[str, Any],
    data: Mapping[str, Any],
    ignored: Sequence[str] = (),
) -> str:
    """How a saved experiment is another one: 'seed is 1 there and 0 now'; '' where it is not.

    Args:
      saved: the content of its config.json.
      config: that of now, resolved and nested.
      data: that of now, as in config.json.
      ignored: fields that may differ, besides RESUMABLE_FIELDS.
    """
    old = {**upgrade(saved['config']), **flatten(saved['data'], 'data: ')}
    new = {**flatten(config), **flatten(data, 'data: ')}
    # Not every version wrote all that data says now; the fingerprint is always there.
    known = {name for name in new if name in old or not name.startswith('data: ')}
    for name in sorted(set(old) | known):
        if old.get(name) != new.get(name) and not name.startswith((*RESUMABLE_FIELDS, *ignored)):
            there, now = shown(old.get(name)), shown(new.get(name))
            return f'{shown_name(name)} is {there} there and {now} now'
    return ''


def record_versions(workdir: Path) -> str | None:
    """Writes into config.json that today's versions train there; says what differs, if anything."""
    saved, now = read_config(workdir), versions()
    content = with_versions(saved, [now])
    if content != saved:
        write_json(workdir / 'config.json', content)
    changed = version_changes(saved, now)
    return changed and (
        f'{workdir} was begun with {changed[0]} and goes on with {changed[1]}; numbers may differ '
        'in their last bits from those of one version, and config.json records both'
    )


def read_config(workdir: Path) -> dict[str, Any]:
    """config.json of a workdir: config, data and versions.

    Raises: UserError where it is missing, damaged, not of pairjax or of a newer version.
    """
    path = workdir / 'config.json'
    content = read_json(path, 'put a copy back, or name another --workdir')
    found = content.get('format')
    if isinstance(found, int) and found > FORMAT:
        raise UserError(
            f'{path} has format {shown(found)}, but pairjax {__version__} reads formats up to '
            f'{FORMAT}; install the version of pairjax that wrote it, or name another --workdir'
        )
    check_shape(content, CONFIG_FILE, path)
    return content
