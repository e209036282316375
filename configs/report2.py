"""The searches of the second paper, each by its name: configs/shallow.py, deep.py, deep_shared.py.

NETWORK_grid: its search over settings, hidden sizes 100, 300 and 500 by learning rates 1e-4, 1e-3
and 1e-2; DeepModel also with the losses (1 - w) main + w digits, w = 0, 0.5 and 1, where w = 1 does
not train the main head at all. Five seeds a trial.
NETWORK_batch_sizes: which batch size gives the recorded accuracy? The paper names none. Its final
setting in batches of 1 to 100, around those that its authors tried, 1 and 100. Ten seeds a trial.

command: python launch/main.py --config=configs/report2.py:NAME
cost:    on 2 cores that had other work, compilation included:
  shallow_grid              45 runs, 83 s
  deep_grid                135 runs,  6 minutes
  deep_shared_grid         135 runs,  5 minutes
  shallow_batch_sizes       60 runs, 73 s
  deep_batch_sizes          60 runs, 86 s
  deep_shared_batch_sizes   60 runs, 70 s
result:  test accuracy in percent on full MNIST, the final epoch (the best epoch on test):
  the setting that validation selects, mean +- std, n = 5:
  shallow_grid             hidden size 300, learning rate 0.0001: 81.0 +- 1.2 (81.6 +- 0.6)
  deep_grid                hidden size 100, learning rate 0.001, w = 0.5: 89.5 +- 2.1 (91.7 +- 0.9)
  deep_shared_grid         hidden size 300, learning rate 0.001, w = 0.5: 92.4 +- 0.9 (93.5 +- 0.7)
  by batch size, n = 10:
  shallow_batch_sizes      1: 80.3 (81.8), 5: 78.4 (79.1), 10: 77.6 (78.1), 25: 77.8 (78.0),
                           50: 70.4 (75.5), 100: 74.4 (75.0)
  deep_batch_sizes         1: 89.5 (91.5), 5: 90.3 (91.1), 10: 89.2 (90.2), 25: 88.4 (88.7),
                           50: 87.1 (87.8), 100: 83.9 (85.9)
  deep_shared_batch_sizes  1: 91.0 (93.6), 5: 91.9 (92.7), 10: 90.9 (91.9), 25: 89.3 (89.9),
                           50: 88.5 (88.9), 100: 87.0 (87.8)
"""

import pathlib
import runpy

from pairjax.errors import unknown_name

_HERE = pathlib.Path(__file__).parent

GRID = {
    'num_seeds': 5,
    'sweep.product': (
        ('model.widths', ((100,), (300,), (500,))),
        ('optimizer.learning_rate', (1e-4, 1e-3, 1e-2)),
    ),
}
LOSSES = {
    'sweep.settings': tuple(
        (('loss.main_weight', 1.0 - w), ('loss.aux_weight', w)) for w in (0.0, 0.5, 1.0)
    )
}
BATCH_SIZES = {'sweep.product': (('train.batch_size', (1, 5, 10, 25, 50, 100)),)}

# By name: the config that it starts from, and what differs.
EXPERIMENTS = {
    'shallow_grid': ('shallow', GRID),
    'deep_grid': ('deep', GRID | LOSSES),
    'deep_shared_grid': ('deep_shared', GRID | LOSSES),
    'shallow_batch_sizes': ('shallow', BATCH_SIZES),
    'deep_batch_sizes': ('deep', BATCH_SIZES),
    'deep_shared_batch_sizes': ('deep_shared', BATCH_SIZES),
}


def get_config(name=''):
    """The search of that name; UserError for an unknown one."""
    if name not in EXPERIMENTS:
        raise unknown_name('--config=configs/report2.py:NAME: NAME', name, EXPERIMENTS)
    network, changes = EXPERIMENTS[name]
    config = runpy.run_path(str(_HERE / f'{network}.py'))['get_config']()
    config.update_from_flattened_dict({'name': name, **changes})
    return config
