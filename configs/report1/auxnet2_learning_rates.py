"""AuxNet2, first report: its search over learning rates.

Five learning rates at batch size 100, five seeds each, all in one compiled program.

command: python launch/main.py --config=configs/report1/auxnet2_learning_rates.py
cost:   MEASURE
result: MEASURE
"""

from pairjax.protocols import first_report


def get_config():
    """AuxNet2 (32, 32, 64, 256) at five learning rates."""
    config = first_report('auxnet2_learning_rates', 'AuxNet2', (32, 32, 64, 256))
    config.sweep.product = (('optimizer.learning_rate', (1e-4, 5e-4, 1e-3, 5e-3, 1e-2)),)
    return config
