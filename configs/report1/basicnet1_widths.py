"""BasicNet1, first report: its search over layer widths.

All 24 layer widths from 16, 32, 64, 128, 256 and 512 that give it 65,000 to 75,000 parameters,
five seeds each.

command: python launch/main.py --config=configs/report1/basicnet1_widths.py
cost:   120 runs, 3 minutes on 2 cores, compilation included.
result: validation selects (16, 128, 64, 256) with 79.6 +- 0.7 % at the final epoch, 81.1 +- 0.4 %
        at the best on test; at the best on test the 24 trials lie between 59.0 and 82.4 % (full
        MNIST, n = 5).
"""

from pairjax.studies.reproduction.protocols import width_sweep


def get_config():
    """BasicNet1 at every width within the report's budget."""
    return width_sweep('basicnet1_widths', 'BasicNet1')
