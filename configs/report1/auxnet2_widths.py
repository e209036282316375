"""AuxNet2, first report: its search over layer widths.

All 31 layer widths from 16, 32, 64, 128, 256 and 512 that give it 65,000 to 75,000 parameters,
five seeds each.

command: python launch/main.py --config=configs/report1/auxnet2_widths.py
cost:   MEASURE
result: MEASURE
"""

from pairjax.protocols import width_sweep


def get_config():
    """AuxNet2 at every width within the report's budget."""
    return width_sweep('auxnet2_widths', 'AuxNet2')
