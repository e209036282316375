"""AuxNet3, first report: its search over layer widths.

All 23 layer widths from 16, 32, 64, 128, 256 and 512 that give it 65,000 to 75,000 parameters,
five seeds each.

command: python launch/main.py --config=configs/report1/auxnet3_widths.py
cost:   115 runs, 5 minutes on 2 cores, compilation included.
result: validation selects (16, 64, 128, 128) with 89.8 +- 0.9 % at the final epoch, 90.0 +- 0.7 %
        at the best on test; at the best on test the 23 trials lie between 64.9 and 90.0 % (full
        MNIST, n = 5).
"""

from pairjax.studies.reproduction.protocols import width_sweep


def get_config():
    """AuxNet3 at every width within the report's budget."""
    return width_sweep('auxnet3_widths', 'AuxNet3')
