"""AuxNet2, first report: its search over batch sizes.

Six batch sizes at learning rate 5e-3, five seeds each. The report gives no figures for this search.

command: python launch/main.py --config=configs/report1/auxnet2_batch_sizes.py
cost:   30 runs, 42 s on 2 cores, compilation included.
result: at the best epoch on test, in percent by batch size: 25: 92.3 +- 2.9, 50: 94.0 +- 0.6,
        100: 93.9 +- 0.8, 200: 93.4 +- 0.3, 500: 89.6 +- 0.9, 1000: 83.3 +- 2.3 (full MNIST, n =
        5).
"""

from pairjax.studies.reproduction.protocols import first_report


def get_config():
    """AuxNet2 (32, 32, 64, 256) at six batch sizes."""
    config = first_report('auxnet2_batch_sizes', 'AuxNet2', (32, 32, 64, 256))
    config.sweep.product = (('train.batch_size', (25, 50, 100, 200, 500, 1000)),)
    return config
