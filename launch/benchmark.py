"""Times training against PyTorch: python launch/benchmark.py --config=configs/auxnet2.py"""

import os
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from pairjax.cli import config_from_flag, run_main
from pairjax.errors import UserError

CONFIG = config_flags.DEFINE_config_file('config', None, 'the experiment, a file in configs/')
NUM_SEEDS = flags.DEFINE_list(
    'num_seeds', None, "numbers of seeds, a row each; 1,2,5,10,50, with --cold the config's"
)
NUM_EPOCHS = flags.DEFINE_integer('num_epochs', 3, 'epochs to time, scaled', lower_bound=1)
REPEATS = flags.DEFINE_integer(
    'repeats', None, 'alternating repeats; 5, with --cold 3', lower_bound=1
)
TORCH = flags.DEFINE_bool('torch', None, 'compare with PyTorch; by default where it is installed')
COLD = flags.DEFINE_bool('cold', False, 'time whole commands, with start and compilation')
OUTPUT = flags.DEFINE_string('output', 'benchmark.json', 'where all measurements go')


def main() -> None:
    config, output = config_from_flag(CONFIG), Path(OUTPUT.value)
    if not output.parent.is_dir():
        raise UserError(f'--output={output}: the directory {output.parent} does not exist')
    # By default jax takes most of a GPU's memory at once, and PyTorch needs some of it.
    os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax import system
    from pairjax.reporting import progress
    from pairjax.runtime import vectorize
    from pairjax.studies.benchmark import benchmark, report

    vectorize.configure_jax(config.runs.devices)
    default_seeds = [str(config.num_seeds)] if COLD.value else ['1', '2', '5', '10', '50']
    options = benchmark.Options(
        benchmark.parse_seed_counts(NUM_SEEDS.value or default_seeds),
        NUM_EPOCHS.value,
        REPEATS.value or (3 if COLD.value else 5),
        TORCH.value,
        Path(__file__).with_name('main.py') if COLD.value else None,
    )
    display = progress.ProgressDisplay()
    options = options._replace(track=progress.tracker(display.console))
    result = benchmark.run_benchmark(config, options, display.on_message)
    system.write_json(output, result)
    display.console.print(report.benchmark_table(result))
    display.on_message(f'{report.explain(result)} All repeats: {output}')


if __name__ == '__main__':
    run_main(main)
