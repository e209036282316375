"""AuxNet2, first report: its search over layer widths.

All 31 layer widths from 16, 32, 64, 128, 256 and 512 that give it 65,000 to 75,000 parameters,
five seeds each.

command: python launch/main.py --config=configs/report1/auxnet2_widths.py
cost:   155 runs, 6 minutes on 2 cores, compilation included.
result: validation selects (16, 32, 64, 256) with 94.3 +- 0.7 % at the final epoch, 94.3 +- 0.6 %
        at the best on test; at the best on test the 31 trials lie between 60.2 and 94.3 % (full
        MNIST, n = 5).
"""

from pairjax.studies.reproduction.protocols import width_sweep


def get_config():
    """AuxNet2 at every width within the report's budget."""
    return width_sweep('auxnet2_widths', 'AuxNet2')
