"""Trains what a config describes: python launch/main.py --config=configs/auxnet2.py"""

import shlex
import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from pairjax import hosts
from pairjax.cli import config_from_flag, run_main

CONFIG = config_flags.DEFINE_config_file('config', None, 'the experiment, a file in configs/')
WORKDIR = flags.DEFINE_string('workdir', None, 'where everything goes; runs/<name> by default')
OVERWRITE = flags.DEFINE_bool('overwrite', False, 'start afresh in a used workdir')
flags.adopt_module_key_flags(hosts)


def main() -> None:
    config = config_from_flag(CONFIG)
    # jax starts only now, so that a mistyped flag is answered at once.
    from pairjax import agreement, experiment, progress, report, runs

    runs.configure_jax(config.runs.devices)
    hosts.connect()
    workdir = Path(WORKDIR.value or f'runs/{config.name}')
    display = progress.ProgressDisplay(progress.make_console(quiet=not agreement.is_first()))
    try:
        summary = experiment.run_experiment(config, workdir, OVERWRITE.value, display)
    except experiment.Interrupted as interruption:
        arguments = [
            argument
            for argument in sys.argv
            if argument.lstrip('-').partition('=')[0] not in ('overwrite', 'nooverwrite')
        ]
        display.note(f'{interruption}; to go on: {shlex.join([sys.executable, *arguments])}')
        sys.exit(130)
    agreement.on_first(lambda: report.show_results(summary, workdir, display.console))


if __name__ == '__main__':
    run_main(main)
