"""The searches of the first paper, each by its name: five seeds a trial, the paper's protocol.

AuxNet2 (32, 32, 64, 256) at five learning rates (all in one compiled program) and at six batch
sizes; each network at every combination of layer widths from 16, 32, 64, 128, 256 and 512 that
gives it 65,000 to 75,000 parameters; and `fastest`, ten seeds of the run that the paper calls the
fastest sufficient one, AuxNet3 (16, 32, 64, 128) in batches of 200, evaluated once. The run that it
calls the best one is configs/auxnet2.py. The paper records nothing of the batch sizes and of the
widths of AuxNet1.

command: python launch/main.py --config=configs/report1.py:NAME
cost:    on 2 cores, compilation included:
  fastest                  10 runs,  8 s
  auxnet2_learning_rates   25 runs, 22 s
  auxnet2_batch_sizes      30 runs, 42 s
  basicnet1_widths        120 runs,  3 minutes (24 widths)
  auxnet1_widths          155 runs,  6 minutes (31 widths)
  auxnet2_widths          155 runs,  6 minutes (31 widths)
  auxnet3_widths          115 runs,  5 minutes (23 widths)
result:  test accuracy in percent on full MNIST, mean +- std, n = 5 (`fastest`: n = 10):
  fastest                 final epoch 84.6 +- 1.3
  auxnet2_learning_rates  best epoch on test: 0.0001: 74.9 +- 3.5, 0.0005: 87.7 +- 0.7,
                          0.001: 90.1 +- 0.5, 0.005: 93.9 +- 0.8, 0.01: 91.5 +- 1.9
  auxnet2_batch_sizes     best epoch on test: 25: 92.3 +- 2.9, 50: 94.0 +- 0.6, 100: 93.9 +- 0.8,
                          200: 93.4 +- 0.3, 500: 89.6 +- 0.9, 1000: 83.3 +- 2.3
  the widths that validation selects, at the final epoch and at the best on test, and the range of
  all trials at the best on test:
  basicnet1_widths        (16, 128, 64, 256)  79.6 +- 0.7  81.1 +- 0.4  59.0 to 82.4
  auxnet1_widths          (32, 32, 128, 256)  92.8 +- 0.9  93.1 +- 1.0  72.8 to 93.3
  auxnet2_widths          (16, 32, 64, 256)   94.3 +- 0.7  94.3 +- 0.6  60.2 to 94.3
  auxnet3_widths          (16, 64, 128, 128)  89.8 +- 0.9  90.0 +- 0.7  64.9 to 90.0
"""

import itertools

from pairjax.config import default_config
from pairjax.errors import unknown_name

# As many seeds as the paper has rounds. The paper plots no curves of these runs, and evaluating
# all sets every epoch takes a quarter of the time; selection reads the last epoch alone.
PROTOCOL = {'num_seeds': 5, 'train.evaluate_all_every': 25}
AUXNET2 = {'model.name': 'AuxNet2', 'model.widths': (32, 32, 64, 256)}
WIDTHS = tuple(itertools.product((16, 32, 64, 128, 256, 512), repeat=4))
EVERY_WIDTH = {'sweep.product': (('model.widths', WIDTHS),), 'sweep.param_range': (65_000, 75_000)}

EXPERIMENTS = {
    'fastest': {
        'model.name': 'AuxNet3',
        'model.widths': (16, 32, 64, 128),
        'num_seeds': 10,
        'train.batch_size': 200,
        'train.evaluate_every': 25,
    },
    'auxnet2_learning_rates': AUXNET2
    | {'sweep.product': (('optimizer.learning_rate', (1e-4, 5e-4, 1e-3, 5e-3, 1e-2)),)},
    'auxnet2_batch_sizes': AUXNET2
    | {'sweep.product': (('train.batch_size', (25, 50, 100, 200, 500, 1000)),)},
    # BasicNet1 has no digit heads.
    'basicnet1_widths': EVERY_WIDTH | {'model.name': 'BasicNet1', 'loss.aux_weight': 0.0},
    'auxnet1_widths': EVERY_WIDTH | {'model.name': 'AuxNet1'},
    'auxnet2_widths': EVERY_WIDTH | {'model.name': 'AuxNet2'},
    'auxnet3_widths': EVERY_WIDTH | {'model.name': 'AuxNet3'},
}


def get_config(name=''):
    """The search of that name; UserError for an unknown one."""
    if name not in EXPERIMENTS:
        raise unknown_name('--config=configs/report1.py:NAME: NAME', name, EXPERIMENTS)
    config = default_config()
    config.update_from_flattened_dict({'name': name, **PROTOCOL, **EXPERIMENTS[name]})
    return config
