"""What the compiler for TPUs says of the three convolutions: the table in docs/performance.md.

pip install libtpu; python docs/measure_tpu.py [CONFIG ...] [--num_seeds=10] [--topology=v5e:2x2]

Compiles the training and evaluation of configs such as auxnet2 for one chip of a TPU, which need
not be there, with each form of convolution. FLOPs and bytes are the compiler's own account, not
measured on a chip; compile seconds are CPU time of this machine.
"""

import argparse
import os
import time
from unittest import mock

import jax
import numpy as np
from jax.experimental import topologies

import pairjax.ops.conv_relu_pool
from pairjax.api.configs import find_config
from pairjax.data.pairs import Pools
from pairjax.runtime import vectorize
from pairjax.runtime.sharding import choose_layout
from pairjax.trials import TRACED_FIELDS, TracedHyperparameters, expand_trials

FORMS = 'lax', 'wide', 'winograd'
chosen_on_cpu = pairjax.ops.conv_relu_pool.choose_algorithm
NUM_TRAIN, NUM_TEST, NUM_CLASSES = 60_000, 10_000, 10


def pools_of_mnist():
    """Shapes and types of MNIST's images and labels."""
    num_images = NUM_TRAIN + NUM_TEST
    images = jax.ShapeDtypeStruct((num_images, 14, 14), np.float32)
    return Pools(images, jax.ShapeDtypeStruct((num_images,), np.int32), NUM_TRAIN, NUM_CLASSES)


def choose(form):
    """A `choose_algorithm` that prefers a form; Winograd's is for some layers alone."""

    def choose_algorithm(geometry, channels_in, batch, _):
        on_cpu = chosen_on_cpu(geometry, channels_in, batch, 'cpu')
        return 'wide' if form == 'winograd' != on_cpu else form

    return choose_algorithm


def chips_of(topology):
    """The chips of a TPU topology such as 'v5e:2x2', for the compiler alone."""
    # There is no metadata server to ask where there is no TPU, and no chip to compute on.
    os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
    jax.config.update('jax_platforms', 'cpu')
    return topologies.get_topology_desc(topology, platform='tpu').devices


def programs_for(devices, config, num_seeds):
    """The jitted functions of a config's first program, and the shapes they are compiled for."""
    layout = choose_layout(num_seeds, config.runs, config.train.batch_size, devices)
    programs = vectorize.jitted_programs(expand_trials(config)[0].structural_config, layout)
    seeds = jax.ShapeDtypeStruct((layout.padded,), np.int32)
    traced = jax.ShapeDtypeStruct((layout.padded,), np.float32)
    hyperparameters = TracedHyperparameters(*[traced] * len(TRACED_FIELDS))
    return programs, vectorize.program_arguments(
        programs, layout, pools_of_mnist(), seeds, hyperparameters
    )


def compile_for(devices, config, num_seeds):
    """Yields the name, compiled form and CPU seconds of training and of evaluation."""
    programs, arguments = programs_for(devices, config, num_seeds)
    for name in ('train_epoch', 'evaluate'):
        lowered = programs[name].lower(*arguments[name])
        started = time.process_time()
        yield name, lowered.compile(), time.process_time() - started


def main():
    """Prints a row a config, program and form."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('configs', nargs='*', default=['auxnet2'])
    parser.add_argument('--num_seeds', type=int, default=10)
    parser.add_argument('--topology', default='v5e:2x2')
    parser.add_argument('--forms', default=','.join(FORMS))
    flags = parser.parse_args()
    chips = chips_of(flags.topology)[:1]
    jax.config.update('jax_default_matmul_precision', 'float32')
    headings = 'config', 'program', 'form', 'GFLOP', 'GB accessed', 'MB arguments + temporaries'
    print(f'| {" | ".join(headings)} | compile CPU s |')
    for name in flags.configs:
        for form in flags.forms.split(','):
            chosen = mock.patch.object(pairjax.ops.conv_relu_pool, 'choose_algorithm', choose(form))
            on_tpu = mock.patch.object(jax, 'default_backend', lambda: 'tpu')
            with chosen, on_tpu:
                for program, compiled, seconds in compile_for(
                    chips, find_config(name, {}), flags.num_seeds
                ):
                    cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
                    print(
                        f'| {name} | {program} | {form} | {cost["flops"] / 1e9:.2f} '
                        f'| {cost["bytes accessed"] / 1e9:.2f} '
                        f'| {memory.argument_size_in_bytes / 1e6:.0f} '
                        f'+ {memory.temp_size_in_bytes / 1e6:.0f} | {seconds:.0f} |',
                        flush=True,
                    )


if __name__ == '__main__':
    main()
