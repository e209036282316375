"""ShallowModel

    python launch/main.py --config=configs/shallow.py

cost: TODO
result: TODO
"""

from pairjax.config import default_config


def get_config():
    """ShallowModel"""
    config = default_config()
    config.name = 'shallow'
    config.data.standardize = False
    config.model.name = 'ShallowModel'
    config.model.widths = (500,)
    config.model.dropout_rate = 0.0
    config.loss.aux_weight = 0.0
    config.optimizer.learning_rate = 1e-4
    config.train.batch_size = 1
    return config
