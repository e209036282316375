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
UNTIL_RESOLVED = flags.DEFINE_string(
    'until_resolved',
    None,
    'A,B: adds seeds to both until their difference is resolved; config files or workdirs',
)
MARGIN = flags.DEFINE_float(
    'margin', None, 'of --until_resolved: percentage points below which a difference counts as none'
)
MOST_SEEDS = flags.DEFINE_integer(
    'most_seeds', 200, 'of --until_resolved: when to stop, resolved or not', lower_bound=2
)
BLOCK = flags.DEFINE_integer(
    'block', 10, 'of --until_resolved: seeds added at a time', lower_bound=1
)
PROFILE = flags.DEFINE_string('profile', None, 'directory for a JAX profiler trace of one epoch')


def main() -> None:
    if STATUS.value:
        return print_status()
    if UNTIL_RESOLVED.value is not None:
        return train_until_resolved()
    config = config_from_flag(CONFIG)
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.analysis.results import read_experiment
    from pairjax.reporting.console import show_results
    from pairjax.runtime.multihost import on_primary
    from pairjax.runtime.parts import run_whole_or_part

    display = start_jax(config.runs.devices)
    callbacks = [display]

    def add_callbacks():
        callbacks.extend(callbacks_from_flags(display.on_message))

    on_primary('callbacks', add_callbacks)
    workdir = Path(WORKDIR.value or f'runs/{config.name}')
    workdir = run_whole_or_part(config, workdir, OVERWRITE.value, callbacks)
    on_primary('results', lambda: show_results(read_experiment(workdir), display.console))


def train_until_resolved() -> None:
    """Trains --until_resolved=A,B with more and more seeds, and prints where it stands."""
    margin, most, block = MARGIN.value, MOST_SEEDS.value, BLOCK.value
    if CONFIG.value is not None or OVERWRITE.value:
        raise UserError('--until_resolved=A,B takes no --config and no --overwrite')
    if margin is not None and not 0 < margin <= 100:
        raise UserError(f'--margin={margin:g} must be percentage points from above 0 to 100')
    if block > most:
        raise UserError(f'--block={block} is larger than --most_seeds={most}')
    from pairjax.reporting.comparison import show_comparison
    from pairjax.reporting.plots.curves import save_figure
    from pairjax.reporting.plots.sequential import draw_sequence
    from pairjax.runtime import until_resolved
    from pairjax.runtime.multihost import on_primary

    configs = until_resolved.read_arm_configs(UNTIL_RESOLVED.value)
    workdir = Path(WORKDIR.value or f'runs/{"_against_".join(configs)}')
    fraction = None if margin is None else margin / 100
    settings = until_resolved.Settings(workdir, block, most, fraction)
    display = start_jax(next(iter(configs.values())).runs.devices)

    def on_look(comparison):
        pair = comparison.pairs[0]
        display.on_message(f'after {len(comparison.seeds)} seeds: {pair.a} is {pair.verdict}')

    result = until_resolved.add_seeds_until_resolved(configs, settings, on_look, [display])

    def show():
        show_comparison(result, display.console)
        pair, path = result.pairs[0], workdir / 'figures' / 'sequence.png'
        save_figure(draw_sequence(pair.differences, f'{pair.a} - {pair.b}', fraction), path)
        display.on_message(f'plot in {path}, with a PDF beside it')

    on_primary('show what is resolved', show)


def print_status() -> None:
    """Prints the progress of the experiment that --workdir or --config names."""
    from pairjax.reporting.progress import make_console
    from pairjax.reporting.status_table import show_status
    from pairjax.workdir.status import read_status
    from pairjax.workdir.workdir import begun_blocks, begun_parts, block_workdir

    if WORKDIR.value is None and CONFIG.value is None:
        raise UserError('--status needs --workdir=DIR, the workdir of the experiment to look at')
    workdir = Path(WORKDIR.value or f'runs/{config_from_flag(CONFIG).name}')
    whole = (workdir / 'config.json').exists()
    for own in [workdir] if whole else begun_parts(workdir) or [workdir]:
        added = [block_workdir(own, *block) for block in begun_blocks(own)]
        for path in (own, *added):
            show_status(read_status(path), path, make_console())


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
