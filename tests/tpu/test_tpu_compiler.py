"""The programs of five networks compile for a TPU v5e without one, in bounded memory."""

import jax
import pytest
from measure_tpu import chips_of, programs_for

from pairjax.api.configs import find_config

pytest.importorskip('libtpu', reason='libtpu, the compiler for TPUs, is not installed')

NUM_SEEDS = 10
# By config and function, the megabytes that arguments, results and temporaries may take together;
# docs/performance.md has most of them without results. A chip has 16,000. Of init, one that reads
# the images to standardise.
BOUNDS = {
    ('shallow', 'train_epoch'): 150,
    ('shallow', 'evaluate'): 100,
    ('deep', 'train_epoch'): 150,
    ('deep', 'evaluate'): 100,
    ('auxnet2', 'init'): 300,
    ('auxnet2', 'train_epoch'): 900,
    ('auxnet2', 'evaluate'): 100,
    ('basicnet1', 'train_epoch'): 150,
    ('basicnet1', 'evaluate'): 100,
    ('pairnet', 'train_epoch'): 1000,
    ('pairnet', 'evaluate'): 900,
    ('pairnet', 'digit_logits'): 900,
}


@pytest.fixture(scope='module')
def chips():
    return chips_of('v5e:2x2')[:1]


@pytest.mark.parametrize(
    ('name', 'function'), [pytest.param(*key, id='-'.join(key)) for key in BOUNDS]
)
def test_a_program_compiles_within_its_memory(chips, monkeypatch, name, function):
    monkeypatch.setattr(jax, 'default_backend', lambda: 'tpu')
    programs, arguments = programs_for(chips, find_config(name, {}), NUM_SEEDS)
    with jax.default_matmul_precision('float32'):
        memory = programs[function].lower(*arguments[function]).compile().memory_analysis()
    images = 70_000 * 14 * 14 * 4
    assert memory.argument_size_in_bytes > images
    used = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
    assert used < 1e6 * BOUNDS[name, function], memory
