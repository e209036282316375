"""Trains what a config describes: python launch/main.py --config=configs/auxnet2.py"""

from collections.abc import Callable
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from pairjax.cli import config_from_flag, run_main, start_jax
from pairjax.errors import UserError
from pairjax.runtime import cluster
from pairjax.runtime.callbacks import Callback

CONFIG = config_flags.DEFINE_config_file('config', None, 'the experiment, a file in configs/')
WORKDIR = flags.DEFINE_string('workdir', None, 'directory of the results; runs/<name> by default')
OVERWRITE = flags.DEFINE_bool(
    'overwrite', False, 'delete an earlier experiment in the workdir and train from scratch'
)
flags.adopt_module_key_flags(cluster)
STATUS = flags.DEFINE_bool(
    'status', False, 'show the progress of the experiment in --workdir and exit'
)
TENSORBOARD = flags.DEFINE_bool('tensorboard', False, 'also write curves to WORKDIR/tensorboard')
PROFILE = flags.DEFINE_string('profile', None, 'directory for a JAX profiler trace of one epoch')


def main() -> None:
    if STATUS.value:
        return print_status()
    config = config_from_flag(CONFIG)
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.analysis.results import read_experiment
    from pairjax.reporting.console import show_results
    from pairjax.runtime.experiment import run_experiment
    from pairjax.runtime.multihost import on_primary
    from pairjax.runtime.parts import join_found_parts, join_parts, part_workdir
    from pairjax.trials import part_of

    whole = Path(WORKDIR.value or f'runs/{config.name}')
    workdir = part_workdir(whole, config.sweep.part)
    display = start_jax(config.runs.devices)
    callbacks = [display]

    def add_callbacks():
        callbacks.extend(callbacks_from_flags(display.on_message))

    on_primary('callbacks', add_callbacks)
    if not config.sweep.part and not OVERWRITE.value:
        on_primary('join parts found', lambda: join_found_parts(whole))
    run_experiment(config, workdir, OVERWRITE.value, callbacks)
    if config.sweep.part:
        _, count = part_of(config.sweep.part)
        unfinished = on_primary('join parts', lambda: join_parts(whole, count))
        rest = f'{len(unfinished)} parts are not finished' if unfinished else 'all parts joined'
        display.on_message(f'{workdir}: part {config.sweep.part} is finished; {rest} in {whole}')
    on_primary('results', lambda: show_results(read_experiment(workdir), display.console))


def print_status() -> None:
    """Prints the progress of the experiment that --workdir or --config names."""
    from pairjax.reporting.progress import make_console
    from pairjax.reporting.status_table import show_status
    from pairjax.workdir.status import read_status

    if WORKDIR.value is None and CONFIG.value is None:
        raise UserError('--status needs --workdir=DIR, the workdir of the experiment to look at')
    workdir = Path(WORKDIR.value or f'runs/{config_from_flag(CONFIG).name}')
    show_status(read_status(workdir), workdir, make_console())


def callbacks_from_flags(say: Callable[[str], None]) -> list[Callback]:
    """The callbacks for --tensorboard and --profile; they pass their messages to `say`."""
    callbacks: list[Callback] = []
    if TENSORBOARD.value:
        from pairjax.reporting.tensorboard import TensorBoard

        callbacks.append(TensorBoard(say))
    if PROFILE.value:
        from pairjax.runtime.profiling import Profile

        callbacks.append(Profile(Path(PROFILE.value), say))
    return callbacks


if __name__ == '__main__':
    run_main(main)
