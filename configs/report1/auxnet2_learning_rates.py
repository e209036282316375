"""AuxNet2, first report: its search over learning rates.

Five learning rates at batch size 100, five seeds each, all in one compiled program.

command: python launch/main.py --config=configs/report1/auxnet2_learning_rates.py
cost:   25 runs, 22 s on 2 cores, compilation included.
result: at the best epoch on test, in percent by learning rate: 0.0001: 74.9 +- 3.5, 0.0005: 87.7
        +- 0.7, 0.001: 90.1 +- 0.5, 0.005: 93.9 +- 0.8, 0.01: 91.5 +- 1.9 (full MNIST, n = 5).
"""

from pairjax.studies.reproduction.protocols import first_report


def get_config():
    """AuxNet2 (32, 32, 64, 256) at five learning rates."""
    config = first_report('auxnet2_learning_rates', 'AuxNet2', (32, 32, 64, 256))
    config.sweep.product = (('optimizer.learning_rate', (1e-4, 5e-4, 1e-3, 5e-3, 1e-2)),)
    return config
