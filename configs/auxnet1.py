"""AuxNet1

    python launch/main.py --config=configs/auxnet1.py

cost: TODO
result: TODO
"""

from pairjax.config import default_config


def get_config():
    """AuxNet1"""
    config = default_config()
    config.name = 'auxnet1'
    config.model.name = 'AuxNet1'
    config.model.widths = (32, 32, 64, 256)
    return config
