"""DeepModel

    python launch/main.py --config=configs/deep_shared.py

cost: TODO
result: TODO
"""

from pairjax.config import default_config


def get_config():
    """DeepModel"""
    config = default_config()
    config.name = 'deep_shared'
    config.data.standardize = False
    config.model.name = 'DeepModel'
    config.model.widths = (100,)
    config.model.dropout_rate = 0.0
    config.loss.main_weight = 0.5
    config.loss.aux_weight = 0.5
    config.optimizer.learning_rate = 1e-3
    config.train.batch_size = 1
    return config
