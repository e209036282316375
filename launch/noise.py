"""What seeds alone do to a config's accuracy: python launch/noise.py --config=configs/auxnet2.py"""

from pathlib import Path

from absl import flags
from ml_collections import ConfigDict, config_flags

from pairjax.cli import config_from_flag, run_main, start_jax
from pairjax.errors import UserError
from pairjax.runtime import cluster

CONFIG = config_flags.DEFINE_config_file('config', None, 'the experiment, a file in configs/')
WORKDIR = flags.DEFINE_string('workdir', None, 'of the runs; runs/<name>_noise by default')
NUM_SEEDS = flags.DEFINE_integer('num_seeds', 100, 'runs to train', lower_bound=10)
MEASURE = flags.DEFINE_string('measure', 'final_test_accuracy', 'statistic of summary.json')
flags.adopt_module_key_flags(cluster)


def main() -> None:
    config = ConfigDict(config_from_flag(CONFIG).to_dict())
    config.num_seeds = NUM_SEEDS.value
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.analysis.arms import ComparedTrial, check_measure
    from pairjax.analysis.noise import noise_floor
    from pairjax.analysis.results import read_experiment
    from pairjax.reporting.noise import draw_noise, show_noise
    from pairjax.reporting.plots.curves import save_figure
    from pairjax.runtime.experiment import run_experiment
    from pairjax.runtime.multihost import on_primary

    workdir = Path(WORKDIR.value or f'runs/{config.name}_noise')
    display = start_jax(config.runs.devices)
    run_experiment(config, workdir, callbacks=[display])

    def show() -> None:
        result = read_experiment(workdir)
        trial = result.selected_trial
        if trial is None:
            raise UserError(f'every run in {workdir} failed, so there is no noise to measure')
        check_measure([ComparedTrial(result.name, result, trial)], MEASURE.value)
        values = trial.values(MEASURE.value)
        if len(values) < 10 or values.nunique() < 2:
            raise UserError(f'{workdir} has {len(values)} runs that did not fail; train 10 or more')
        floor = noise_floor(values.tolist())
        show_noise(floor, result.name, display.console)
        path = workdir / 'figures' / 'noise.png'
        save_figure(draw_noise(floor, result.name), path)
        display.on_message(f'plot in {path}, with a PDF beside it')

    on_primary('show the noise floor', show)


if __name__ == '__main__':
    run_main(main)
