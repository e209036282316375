"""Programs of the configs are made for a GPU and a TPU, as far as that goes without one."""

import jax
import pytest
from jax import export
from measure_tpu import programs_for

from pairjax.api.configs import find_config

# The other files of configs/ train these networks with other widths and numbers.
NAMES = 'basicnet1', 'auxnet2', 'shallow', 'deep', 'pairnet', 'pairnet_ensemble'
NUM_SEEDS = 2


@pytest.fixture(params=['gpu', 'tpu'])
def platform(request, monkeypatch):
    """What jax would compute on."""
    monkeypatch.setattr(jax, 'default_backend', lambda: request.param)
    return request.param


@pytest.mark.parametrize('name', NAMES)
def test_programs_are_exported(platform, name):
    """jax refuses to export what the platform has no lowering for."""
    config = find_config(name, {'runs.per_batch': NUM_SEEDS})
    programs, arguments = programs_for(jax.devices()[:1], config, NUM_SEEDS)
    for field, program in programs.items():
        target = {'gpu': 'cuda'}.get(platform, platform)
        exported = export.export(program, platforms=[target])(*arguments[field])
        assert exported.platforms == (target,)
