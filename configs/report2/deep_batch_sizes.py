"""DeepModel, not shared, second report: which batch size gives its figure?

The report's final setting in batches of 1, 5, 10, 25, 50 and 100, ten seeds each, since it names no
batch size.

command: python launch/main.py --config=configs/report2/deep_batch_sizes.py
cost:   60 runs, 86 s on 2 cores that had other work, compilation included.
result: at the final epoch (best on test) in percent by batch size 1: 89.5 (91.5), 5: 90.3 (91.1),
        10: 89.2 (90.2), 25: 88.4 (88.7), 50: 87.1 (87.8), 100: 83.9 (85.9) (full MNIST, n = 10).
"""

from pairjax.studies.reproduction.protocols import deep_model, sweep_batch_sizes


def get_config():
    """DeepModel, not shared, at six batch sizes."""
    return sweep_batch_sizes(deep_model('deep_batch_sizes', weight_sharing=False))
