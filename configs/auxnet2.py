"""AuxNet2

    python launch/main.py --config=configs/auxnet2.py

cost: TODO
result: TODO
"""

from pairjax.config import default_config


def get_config():
    """AuxNet2"""
    config = default_config()
    config.name = 'auxnet2'
    config.model.name = 'AuxNet2'
    config.model.widths = (32, 32, 64, 256)
    return config
