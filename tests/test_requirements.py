"""What tests/locks/ says was tested is what requirements.txt allows."""

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from processes import ROOT

LOCKS = sorted((ROOT / 'tests' / 'locks').glob('*.txt'))


def requirements_in(path):
    lines = [line.split('#')[0].strip() for line in path.read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith('-')]


def pinned(path):
    """By name, the one version that a lock allows."""
    return {
        requirement.name.lower().replace('_', '-'): Version(
            str(requirement.specifier).removeprefix('==')
        )
        for requirement in requirements_in(path)
    }


def test_the_oldest_and_the_newest_version_of_jax_are_tested():
    (jax,) = (r for r in requirements_in(ROOT / 'requirements.txt') if r.name == 'jax')
    tested = sorted(pinned(path)['jax'] for path in LOCKS)
    bounds = {spec.operator: Version(spec.version).release[:2] for spec in jax.specifier}
    assert tested[0].release[:2] == bounds['>=']
    assert tested[-1].release[:2] == (0, bounds['<'][1] - 1)


@pytest.mark.parametrize('path', LOCKS, ids=[path.stem for path in LOCKS])
def test_what_was_tested_is_allowed(path):
    versions = pinned(path)
    for requirement in requirements_in(ROOT / 'requirements.txt'):
        version = versions[requirement.name.lower().replace('_', '-')]
        assert version in requirement.specifier, f'{requirement}, but {path.name} has {version}'
