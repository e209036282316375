"""DeepModel, shared, second report: which batch size gives its figure?

The report's final setting in batches of 1, 5, 10, 25, 50 and 100, ten seeds each, since it names no
batch size.

command: python launch/main.py --config=configs/report2/deep_shared_batch_sizes.py
cost:   60 runs, 70 s on 2 cores that had other work, compilation included.
result: at the final epoch (best on test) in percent by batch size 1: 91.0 (93.6), 5: 91.9 (92.7),
        10: 90.9 (91.9), 25: 89.3 (89.9), 50: 88.5 (88.9), 100: 87.0 (87.8) (full MNIST, n = 10).
"""

from pairjax.studies.reproduction.protocols import deep_model, sweep_batch_sizes


def get_config():
    """DeepModel, shared, at six batch sizes."""
    return sweep_batch_sizes(deep_model('deep_shared_batch_sizes', weight_sharing=True))
