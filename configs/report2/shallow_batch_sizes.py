"""ShallowModel, second report: which batch size gives its figure?

The report's final setting in batches of 1, 5, 10, 25, 50 and 100, ten seeds each, since it names no
batch size.

command: python launch/main.py --config=configs/report2/shallow_batch_sizes.py
cost:   60 runs, 73 s on 2 cores that had other work, compilation included.
result: at the final epoch (best on test) in percent by batch size 1: 80.3 (81.8), 5: 78.4 (79.1),
        10: 77.6 (78.1), 25: 77.8 (78.0), 50: 70.4 (75.5), 100: 74.4 (75.0) (full MNIST, n = 10).
"""

from pairjax.studies.reproduction.protocols import shallow_model, sweep_batch_sizes


def get_config():
    """ShallowModel, at six batch sizes."""
    return sweep_batch_sizes(shallow_model('shallow_batch_sizes'))
