"""AuxNet3, first report: AuxNet2 with two convolutions and heads one layer deeper.

The report's best widths under 75,000 parameters.

command: python launch/main.py --config=configs/auxnet3.py
cost:   1.3 s a run on 2 cores, 23 s in all with ten seeds, compilation included.
result: 88.6 +- 1.2 % at the final epoch, 89.1 +- 0.8 % at the best on test (bundled, n = 10).
        Full MNIST: 89.4 +- 1.1 % and 89.8 +- 1.0 %; the report has 89.4 +- 0.9 % (best, n = 5).
"""

from pairjax.config import default_config


def get_config():
    """AuxNet3 (16, 64, 128, 128)."""
    config = default_config()
    config.name = 'auxnet3'
    config.model.name = 'AuxNet3'
    config.model.widths = (16, 64, 128, 128)
    return config
