"""DeepModel, not shared, second report: its search over settings.

Hidden sizes 100, 300 and 500 by learning rates 1e-4, 1e-3 and 1e-2, losses (1 - w) main + w digits
with w = 0, 0.5 and 1; five seeds each.
At w = 1 the main head is not trained at all, as in the report.

command: python launch/main.py --config=configs/report2/deep_grid.py
cost:   135 runs, 6 minutes on 2 cores that had other work, compilation included.
result: validation selects hidden size 100, learning rate 0.001, w = 0.5 with 89.5 +- 2.1 % at the
        final epoch, 91.7 +- 0.9 % at the best on test (full MNIST, n = 5).
"""

from pairjax.studies.reproduction.protocols import deep_model, sweep_grid


def get_config():
    """DeepModel, not shared, at every setting of the search."""
    return sweep_grid(deep_model('deep_grid', weight_sharing=False))
