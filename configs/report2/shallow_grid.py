"""ShallowModel, second report: its search over settings.

Hidden sizes 100, 300 and 500 by learning rates 1e-4, 1e-3 and 1e-2; five seeds each.

command: python launch/main.py --config=configs/report2/shallow_grid.py
cost:   MEASURE
result: MEASURE
"""

from pairjax.protocols import shallow_model, sweep_grid


def get_config():
    """ShallowModel, at every setting of the search."""
    return sweep_grid(shallow_model('shallow_grid'))
