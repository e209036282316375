"""Which versions of Python and of the packages trained what a workdir holds."""

import importlib.metadata
import platform
from collections.abc import Iterable, Mapping
from typing import Any

from pairjax import __version__

Versions = Mapping[str, str]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results may depend on."""
    names = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy')
    return {
        'pairjax': __version__,
        'python': platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def all_versions(saved: Mapping[str, Any]) -> list[Versions]:
    """Of a config.json: the versions that it began with, then others that went on there."""
    return [saved['versions'], *saved.get('resumed_with', ())]


def distinct(found: Iterable[Versions]) -> list[Versions]:
    """The same without repetitions, each where it was first."""
    known: list[Versions] = []
    for one in found:
        if one not in known:
            known.append(one)
    return known


def with_versions(saved: Mapping[str, Any], others: Iterable[Versions]) -> dict[str, Any]:
    """That config.json with the versions that it does not name yet under 'resumed_with'."""
    _, *resumed = distinct([*all_versions(saved), *others])
    return {**saved, 'resumed_with': resumed} if resumed else dict(saved)


def version_changes(saved: Mapping[str, Any], now: Versions) -> tuple[str, str] | None:
    """What a config.json began with and what is another version now, in words; None if nothing."""
    begun = saved['versions']
    names = [name for name in now if begun.get(name, now[name]) != now[name]]
    then, here = (', '.join(f'{name} {of[name]}' for name in names) for of in (begun, now))
    return (then, here) if names else None
