"""AuxNet2, first report: its search over batch sizes.

Six batch sizes at learning rate 5e-3, five seeds each. The report gives no figures for this search.

command: python launch/main.py --config=configs/report1/auxnet2_batch_sizes.py
cost:   MEASURE
result: MEASURE
"""

from pairjax.protocols import first_report


def get_config():
    """AuxNet2 (32, 32, 64, 256) at six batch sizes."""
    config = first_report('auxnet2_batch_sizes', 'AuxNet2', (32, 32, 64, 256))
    config.sweep.product = (('train.batch_size', (25, 50, 100, 200, 500, 1000)),)
    return config
