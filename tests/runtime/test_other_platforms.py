"""Programs of the configs are made for a GPU and a TPU, as far as that goes without one."""

import jax
import numpy as np
import pytest
from jax import export

from pairjax.api.configs import find_config
from pairjax.data.pairs import Pools
from pairjax.runtime import vectorize
from pairjax.runtime.sharding import choose_layout
from pairjax.trials import TRACED_FIELDS, TracedHyperparameters, expand_trials

# The other files of configs/ train these networks with other widths and numbers.
NAMES = 'basicnet1', 'auxnet2', 'shallow', 'deep', 'pairnet', 'pairnet_ensemble'
NUM_SEEDS, NUM_TRAIN, NUM_IMAGES = 2, 60_000, 70_000


@pytest.fixture(params=['gpu', 'tpu'])
def platform(request, monkeypatch):
    """What jax would compute on."""
    monkeypatch.setattr(jax, 'default_backend', lambda: request.param)
    return request.param


def programs_of(config):
    """The jitted functions of a config's first program, and the shapes they are compiled for."""
    layout = choose_layout(NUM_SEEDS, config.runs, config.train.batch_size, jax.devices()[:1])
    structure = expand_trials(config)[0].structural_config
    programs = vectorize.jitted_programs(structure, layout)
    images = jax.ShapeDtypeStruct((NUM_IMAGES, 14, 14), np.float32)
    labels = jax.ShapeDtypeStruct((NUM_IMAGES,), np.int32)
    runs = [jax.ShapeDtypeStruct((NUM_SEEDS,), t) for t in (np.int32, np.float32)]
    hyperparameters = TracedHyperparameters(*[runs[1]] * len(TRACED_FIELDS))
    pools = Pools(images, labels, NUM_TRAIN, 10)
    return programs, vectorize.program_arguments(programs, layout, pools, runs[0], hyperparameters)


@pytest.mark.parametrize('name', NAMES)
def test_programs_are_exported(platform, name):
    """jax refuses to export what the platform has no lowering for."""
    config = find_config(name, {'runs.per_batch': NUM_SEEDS})
    programs, arguments = programs_of(config)
    for field, program in programs.items():
        target = {'gpu': 'cuda'}.get(platform, platform)
        exported = export.export(program, platforms=[target])(*arguments[field])
        assert exported.platforms == (target,)
