"""What each ingredient of PairNet is worth: configs/pairnet.py, and once more with each changed.

Trial 0 is configs/pairnet.py in 50 epochs; every other trial differs from it in one ingredient.
Where the train pool is large, --config.data.num_validation_pairs=5000 makes them easier to tell
apart.

command: python launch/main.py --config=configs/pairnet_ablation.py
         python launch/compare.py runs/pairnet_ablation:all --against_first
                --measure=final_validation_accuracy
cost:   130 runs of 50 epochs, where a run of configs/pairnet.py has 140; 12 programs to compile.
result: on 5,000 validation pairs a seed, in points: distortions +0.79, sharing +0.29,
        normalisation +0.21, schedule +0.15, label smoothing +0.13, the digits' decision
        instead of a learned one +7.9. Over all test pairs also gamma +0.09. Dropout and weight
        decay would add nothing (full MNIST, n = 10). docs/pairnet.md has the intervals.
"""

import pathlib
import runpy

from pairjax.config import flatten

_HERE = pathlib.Path(__file__).parent

ARMS = (
    {},
    {f'augment.{name}': 0.0 for name in ('rotation', 'scale', 'shear', 'shift', 'gamma')},
    {f'augment.{name}': 0.0 for name in ('rotation', 'scale', 'shear', 'shift')},
    {'augment.gamma': 0.0},
    {'augment.undistorted': 0.0},
    {'model.normalization': 'none'},
    {'model.dropout_rate': 0.3},
    {'model.weight_sharing': False},
    {'model.head': 'probability'},
    {'model.head': 'learned', 'loss.main_weight': 1.0},
    {'loss.label_smoothing': 0.0},
    {'optimizer.schedule': 'constant', 'optimizer.warmup': 0.0, 'optimizer.learning_rate': 1e-3},
    {'optimizer.name': 'adamw', 'optimizer.weight_decay': 0.02},
)


def get_config():
    """Every arm with ten seeds, evaluated at the end."""
    config = runpy.run_path(str(_HERE / 'pairnet.py'))['get_config']()
    config.name = 'pairnet_ablation'
    config.num_seeds = 10
    # Little more than a third of pairnet's.
    config.train.num_epochs = config.train.evaluate_every = 50
    values = flatten(config)
    fields = sorted({field for arm in ARMS for field in arm})
    config.sweep.settings = tuple(
        tuple((field, arm.get(field, values[field])) for field in fields) for arm in ARMS
    )
    return config
