"""A tiny experiment for tests on clusters: --config=tests/cluster/small_config.py:HEAD

HEAD is learned or argmax. The digits are named on the command line: --config.data.dir=...
"""

from pairjax.config import default_config


def get_config(head='learned'):
    """Two runs of a network that compiles in a second, on two devices, saved after every epoch."""
    config = default_config()
    config.name = 'small'
    config.num_seeds = 2
    config.data.source = 'npz'
    config.data.num_train_pairs = 20
    config.data.num_validation_pairs = 8
    config.data.num_test_pairs = 15
    config.model.name, config.model.widths = 'ShallowModel', (4,)
    config.model.dropout_rate, config.loss.aux_weight = 0.0, 0.0
    if head == 'argmax':
        config.model.name, config.model.head = 'DeepModel', head
        config.loss.main_weight, config.loss.aux_weight = 0.0, 1.0
    config.train.batch_size, config.train.num_epochs = 10, 2
    config.train.shuffle = True
    config.runs.devices = 2
    config.checkpoint.every_seconds = 0.0
    return config
