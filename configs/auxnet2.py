"""AuxNet2, first report: one shared encoder, digit heads beside the main head.

The report's best network under 75,000 parameters.

command: python launch/main.py --config=configs/auxnet2.py
cost:   0.9 s a run on 2 cores, 17 s in all with ten seeds, compilation included.
result: 93.6 +- 1.7 % at the final epoch, 94.1 +- 1.2 % at the best on test (bundled, n = 10).
        Full MNIST: 93.3 +- 0.9 % and 93.8 +- 0.8 %; the report has 93.8 +- 0.4 % (best, n = 5).
"""

from pairjax.config import default_config


def get_config():
    """AuxNet2 (32, 32, 64, 256)."""
    config = default_config()
    config.name = 'auxnet2'
    config.model.name = 'AuxNet2'
    config.model.widths = (32, 32, 64, 256)
    return config
