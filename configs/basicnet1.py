"""BasicNet1

    python launch/main.py --config=configs/basicnet1.py

cost: TODO
result: TODO
"""

from pairjax.config import default_config


def get_config():
    """BasicNet1"""
    config = default_config()
    config.name = 'basicnet1'
    config.model.name = 'BasicNet1'
    config.model.widths = (32, 128, 64, 16)
    config.loss.aux_weight = 0.0
    return config
