"""BasicNet1, first report: both images as two channels of one, no sharing, no digit heads.

The report's best widths under 75,000 parameters.

command: python launch/main.py --config=configs/basicnet1.py
cost:   1.2 s a run on 2 cores, 18 s in all with ten seeds, compilation included.
result: 78.2 +- 2.4 % at the final epoch, 80.8 +- 1.3 % at the best on test (bundled, n = 10).
        Full MNIST: 80.4 +- 2.4 % and 82.5 +- 1.1 %; the report has 82.9 +- 0.6 % (best, n = 5).
"""

from pairjax.config import default_config


def get_config():
    """BasicNet1 (32, 128, 64, 16)."""
    config = default_config()
    config.name = 'basicnet1'
    config.model.name = 'BasicNet1'
    config.model.widths = (32, 128, 64, 16)
    config.loss.aux_weight = 0.0
    return config
