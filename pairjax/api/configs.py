"""Configs by name, path or object, and objects in the place of names in a config."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict, FrozenConfigDict

from pairjax.config import check_field_names, flatten, validate
from pairjax.errors import UserError, describe_error, shown, unknown_name


def find_config(config: Any, overrides: Mapping[str, Any]) -> FrozenConfigDict:
    """A config with some of its fields set, validated.

    Args:
      config: a config; the path of a config file, FILE.py or FILE.py:NAME; or the name of a file in
        the repository's configs/, such as 'auxnet2' or 'report2:deep_search'. It stays as it is.
      overrides: fields by dotted name.

    Raises: UserError where there is no such config or field, or a value is wrong.
    """
    if isinstance(config, str | Path):
        config = _load_config(str(config))
    if not isinstance(config, Mapping | ConfigDict):
        raise UserError(
            f"config={shown(config)} must be a name such as 'auxnet2', the path of a config file "
            'or what its get_config() returns'
        )
    check_field_names(list(overrides), prefix='overrides: ')
    return validate({**flatten(config), **overrides})


def _load_config(name: str) -> Any:
    """What get_config() of a named file returns."""
    file, colon, argument = name.partition(':')
    path = Path(file)
    if path.suffix != '.py':
        # In a clone, and where the package was installed from one with `pip install -e .`.
        directory = Path(__file__).parents[2] / 'configs'
        path = directory / f'{file}.py'
        known = sorted(p.stem for p in directory.glob('*.py'))
        if not known:
            raise UserError(
                f'config={name!r} is looked up in {directory}, which is not there; install pairjax '
                'from a clone with pip install -e . or name the path of a config file'
            )
        if file not in known:
            raise unknown_name('config', name, known)
    elif not path.is_file():
        raise UserError(f'config={name!r}: there is no file {path}')
    try:
        get_config = runpy.run_path(str(path))['get_config']
        return get_config(argument) if colon else get_config()
    except UserError:
        raise
    except Exception as error:  # A config file is code and may raise anything.
        raise UserError(f'config={name!r} cannot be used ({describe_error(error)})') from error
