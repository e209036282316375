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
OUT = flags.DEFINE_string(
    'out', None, 'table with a row for every test pair: answers.parquet or answers.csv'
)


def main() -> None:
    if not WORKDIR.value:
        raise UserError('--workdir is missing; name what launch/main.py made, such as runs/auxnet2')
    out = _checked_out()
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.inference import answers, evaluate_workdir
    from pairjax.reporting import progress
    from pairjax.reporting.console import show_evaluation
    from pairjax.runtime import vectorize

    vectorize.configure_jax()
    frames = []

    def collect(restored, pools):
        if out is not None:
            frames.append(answers.answers_of(restored, pools))

    console = progress.make_console()
    rows = evaluate_workdir.evaluate_workdir(
        Path(WORKDIR.value),
        DATA_SOURCE.value,
        DATA_DIR.value,
        track=progress.tracker(progress.make_console(stderr=True)),
        watch=collect,
        on_message=progress.ProgressDisplay(console).on_message,
    )
    if SEED.value is not None:
        seeds = sorted({row['seed'] for row in rows})
        rows = [row for row in rows if row['seed'] == SEED.value]
        if not rows:
            raise UserError(
                f'--seed={SEED.value} was not trained; {WORKDIR.value} has the seeds {seeds}'
            )
    show_evaluation(rows, console)
    if out is not None:
        answers.write_answers(answers.joined(frames, SEED.value), out)
        console.print(f'a row for every pair: {out}')


def _checked_out() -> Path | None:
    """--out, before anything is evaluated."""
    if OUT.value is None:
        return None
    out = Path(OUT.value)
    if out.suffix.lower() not in ('.parquet', '.csv'):
        raise UserError(f'--out={out} must end in .parquet or .csv')
    if not out.parent.is_dir():
        raise UserError(f'--out={out}: there is no folder {out.parent}; make it or name another')
    return out


if __name__ == '__main__':
    run_main(main)
