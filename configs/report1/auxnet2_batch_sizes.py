"""AuxNet2, first report: its search over batch sizes.

Six batch sizes at learning rate 5e-3, five seeds each. The report gives no figures for this search.

command: python launch/main.py --config=configs/report1/auxnet2_batch_sizes.py
cost:   30 runs, 57 s on 2 cores that had other work, compilation included.
result: at the best epoch on test, in percent by batch size: 25: 92.7 +- 2.4, 50: 94.3 +- 0.5,
        100: 93.4 +- 0.7, 200: 93.4 +- 0.9, 500: 89.5 +- 1.0, 1000: 83.5 +- 2.3 (full MNIST, n =
        5).
"""

from pairjax.reproduction.protocols import first_report


def get_config():
    """AuxNet2 (32, 32, 64, 256) at six batch sizes."""
    config = first_report('auxnet2_batch_sizes', 'AuxNet2', (32, 32, 64, 256))
    config.sweep.product = (('train.batch_size', (25, 50, 100, 200, 500, 1000)),)
    return config
