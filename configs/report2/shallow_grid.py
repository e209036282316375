"""ShallowModel, second report: its search over settings.

Hidden sizes 100, 300 and 500 by learning rates 1e-4, 1e-3 and 1e-2; five seeds each.

command: python launch/main.py --config=configs/report2/shallow_grid.py
cost:   45 runs, 83 s on 2 cores that had other work, compilation included.
result: validation selects hidden size 300, learning rate 0.0001 with 81.0 +- 1.2 % at the final
        epoch, 81.6 +- 0.6 % at the best on test (full MNIST, n = 5).
"""

from pairjax.studies.reproduction.protocols import shallow_model, sweep_grid


def get_config():
    """ShallowModel, at every setting of the search."""
    return sweep_grid(shallow_model('shallow_grid'))
