"""ShallowModel, second report: which batch size gives its figure?

The report's final setting in batches of 1, 5, 10, 25, 50 and 100, ten seeds each, since it names no
batch size.

command: python launch/main.py --config=configs/report2/shallow_batch_sizes.py
cost:   MEASURE
result: MEASURE
"""

from pairjax.protocols import shallow_model, sweep_batch_sizes


def get_config():
    """ShallowModel, at six batch sizes."""
    return sweep_batch_sizes(shallow_model('shallow_batch_sizes'))
