"""AuxNet1, first report: its search over layer widths.

All 31 layer widths from 16, 32, 64, 128, 256 and 512 that give it 65,000 to 75,000 parameters,
five seeds each. The report gives no figures for this search.

command: python launch/main.py --config=configs/report1/auxnet1_widths.py
cost:   155 runs, 6 minutes on 2 cores, compilation included.
result: validation selects (32, 32, 128, 256) with 92.8 +- 0.9 % at the final epoch, 93.1 +- 1.0 %
        at the best on test; at the best on test the 31 trials lie between 72.8 and 93.3 % (full
        MNIST, n = 5).
"""

from pairjax.studies.reproduction.protocols import width_sweep


def get_config():
    """AuxNet1 at every width within the report's budget."""
    return width_sweep('auxnet1_widths', 'AuxNet1')
