"""AuxNet1, first report: digit heads, and a main head that sees only the two digits' logits.

The report gives no widths for it. These had the best validation accuracy of the 31 combinations
of its budget over 4 seeds (full MNIST, final epoch); over the 5 of configs/report1.py it is
(32, 32, 128, 256).

command: python launch/main.py --config=configs/auxnet1.py
cost:   1.0 s a run on 2 cores, 18 s in all with ten seeds, compilation included.
result: 92.4 +- 1.1 % at the final epoch, 93.2 +- 1.1 % at the best on test (bundled, n = 10).
        Full MNIST: 92.4 +- 1.2 % and 93.2 +- 0.9 %.
"""

from pairjax.config import default_config


def get_config():
    """AuxNet1 (32, 32, 64, 512)."""
    config = default_config()
    config.name = 'auxnet1'
    config.model.name = 'AuxNet1'
    config.model.widths = (32, 32, 64, 512)
    return config
