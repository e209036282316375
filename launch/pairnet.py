"""Measures PairNet, its ingredients and its ensemble: python launch/pairnet.py [--num_seeds=20]"""

import runpy
from pathlib import Path

from absl import flags

from pairjax.cli import check_all_finished, define_study_flags, run_main, start_jax, study_flags

define_study_flags('runs/pairnet_study', 'pairnet.md')
NUM_SEEDS = flags.DEFINE_integer(
    'num_seeds', 20, 'seeds of pairnet and pairnet_ensemble', lower_bound=2
)
NUM_VALIDATION_PAIRS = flags.DEFINE_integer(
    'num_validation_pairs', 500, 'of the ablation; many tell its arms apart', lower_bound=1
)


def main() -> None:
    # jax is imported only now, so that a mistyped flag is reported at once.
    from pairjax.runtime.many_experiments import run_experiments
    from pairjax.runtime.multihost import on_primary
    from pairjax.runtime.plan import load_config_digits
    from pairjax.studies.pairnet.augmentation_examples import distorted_examples, one_of_each_class
    from pairjax.studies.pairnet.document import NAMES, write_pairnet

    settings, parent, out, _ = study_flags()
    configs = Path(__file__).parents[1] / 'configs'
    experiments = []
    for name in NAMES:
        config = runpy.run_path(str(configs / f'{name}.py'))['get_config']()
        config.update_from_flattened_dict(settings)
        if name in ('pairnet', 'pairnet_ensemble'):
            config.num_seeds = NUM_SEEDS.value
        if name == 'pairnet_ablation':
            config.data.num_validation_pairs = NUM_VALIDATION_PAIRS.value
        experiments.append((name, config))
    display = start_jax()
    workdirs = run_experiments(experiments, parent, callbacks=[display])

    def write() -> Path:
        config = experiments[0][1]
        digits = load_config_digits(config.data)
        originals = one_of_each_class(digits)
        white = digits.train_images.max()
        distorted = distorted_examples(originals, white, config.augment)
        return write_pairnet(workdirs, out, originals, distorted)

    if workdirs:
        display.on_message('computing and drawing what the document says')
        path = on_primary("write PairNet's document", lambda: str(write()))
        display.on_message(f'what it reaches: {path}')
    check_all_finished(NAMES, workdirs)


if __name__ == '__main__':
    run_main(main)
