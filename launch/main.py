"""Trains what a config describes: python launch/main.py --config=configs/auxnet2.py"""

import shlex
import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from pairjax.cli import config_from_flag, run_main

CONFIG = config_flags.DEFINE_config_file('config', None, 'the experiment, a file in configs/')
WORKDIR = flags.DEFINE_string('workdir', None, 'where everything goes; runs/<name> by default')
OVERWRITE = flags.DEFINE_bool('overwrite', False, 'start afresh in a used workdir')


def main() -> None:
    config = config_from_flag(CONFIG)
    # jax starts only now, so that a mistyped flag is answered at once.
    from pairjax import experiment, progress, report, runs

    runs.configure_jax(config.runs.devices)
    workdir = Path(WORKDIR.value or f'runs/{config.name}')
    display = progress.ProgressDisplay()
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
    report.show_results(summary, workdir, display.console)


if __name__ == '__main__':
    run_main(main)
