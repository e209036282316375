"""Restores a workdir's networks and evaluates them: python launch/evaluate.py --workdir=DIR"""

from pathlib import Path

from absl import flags

from pairjax.cli import run_main
from pairjax.errors import UserError

WORKDIR = flags.DEFINE_string('workdir', None, 'what launch/main.py made, such as runs/auxnet2')
SEED = flags.DEFINE_integer('seed', None, 'show this seed only')
DATA_SOURCE = flags.DEFINE_string(
    'data_source', None, 'other digits: bundled, idx, npz, parquet, folder or tfds'
)
DATA_DIR = flags.DEFINE_string('data_dir', None, 'directory or file of the other digits')


def main() -> None:
    if not WORKDIR.value:
        raise UserError('--workdir is missing; name what launch/main.py made, such as runs/auxnet2')
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.inference import evaluate_workdir
    from pairjax.reporting import progress
    from pairjax.reporting.console import show_evaluation
    from pairjax.runtime import vectorize

    vectorize.configure_jax()
    display = progress.ProgressDisplay(progress.make_console())
    rows = evaluate_workdir.evaluate_workdir(
        Path(WORKDIR.value), DATA_SOURCE.value, DATA_DIR.value, display.on_message
    )
    if SEED.value is not None:
        seeds = sorted({row['seed'] for row in rows})
        rows = [row for row in rows if row['seed'] == SEED.value]
        if not rows:
            raise UserError(
                f'--seed={SEED.value} was not trained; {WORKDIR.value} has the seeds {seeds}'
            )
    show_evaluation(rows, display.console)


if __name__ == '__main__':
    run_main(main)
