"""Predicts for two images: python launch/predict.py [--workdir=DIR] a.png b.png

Or for a CSV of pairs, or for every ordered pair of the images in a folder:
python launch/predict.py [--workdir=DIR] pairs.csv --out=answers.csv
"""

from pathlib import Path

from absl import flags

from pairjax.cli import run_main
from pairjax.errors import UserError

WORKDIR = flags.DEFINE_string(
    'workdir',
    'pairnet',
    'what launch/main.py made, a saved .safetensors file, or the name of a network that comes with '
    'the package',
)
TRIAL = flags.DEFINE_integer('trial', None, 'which trial; the selected one by default')
SEED = flags.DEFINE_integer('seed', None, 'which seed; the first that did not fail by default')
ENSEMBLE = flags.DEFINE_bool('ensemble', False, "average all of the trial's seeds")
AS_IT_IS = flags.DEFINE_bool(
    'as_it_is',
    False,
    'only make images grey, square and 14 x 14, for networks trained on other images than light '
    'digits on a dark background',
)
OUT = flags.DEFINE_string(
    'out', None, 'CSV file for the predictions for a CSV or a folder; standard output by default'
)

SHOW = flags.DEFINE_string(
    'show', None, 'HTML page of each picture, what was cut out of it, what was read, and the answer'
)

INPUTS = (
    'two images, a folder of images, or one .csv with the header a,b and the paths of two images '
    'in each row'
)


def main(arguments: list[str]) -> None:
    paths = [Path(argument) for argument in arguments]
    for path in paths:
        if not path.exists():
            raise UserError(f'{path} does not exist; name {INPUTS}')
    is_list = len(paths) == 1 and (paths[0].suffix.lower() == '.csv' or paths[0].is_dir())
    if not is_list and len(paths) != 2:
        raise UserError(f'{len(paths)} files are named; name {INPUTS}')
    if OUT.value is not None and not is_list:
        raise UserError('--out is for a .csv or a folder; leave it out for two images')
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.inference import predict_command
    from pairjax.inference.networks import find_networks
    from pairjax.runtime import vectorize

    vectorize.configure_jax()

    def restore():
        return find_networks(WORKDIR.value, TRIAL.value, SEED.value, ENSEMBLE.value)

    show = Path(SHOW.value) if SHOW.value else None
    if is_list:
        out = Path(OUT.value) if OUT.value else None
        predict_command.predict_list(paths[0], out, AS_IT_IS.value, restore, show)
    else:
        predict_command.predict_pair(*paths, AS_IT_IS.value, restore, show)


if __name__ == '__main__':
    run_main(main, positional=True)
