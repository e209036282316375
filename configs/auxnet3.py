"""AuxNet3

    python launch/main.py --config=configs/auxnet3.py

cost: TODO
result: TODO
"""

from pairjax.config import default_config


def get_config():
    """AuxNet3"""
    config = default_config()
    config.name = 'auxnet3'
    config.model.name = 'AuxNet3'
    config.model.widths = (16, 64, 128, 128)
    return config
