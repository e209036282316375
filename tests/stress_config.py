"""A sweep for tests that stop its process: four programs of three trials, three seeds, 8 epochs.

On its two devices two programs train at the same time.

The digits are named on the command line: --config.data.dir=...
"""

from pairjax.config import default_config


def get_config():
    """Networks that compile in a second; saved after every epoch, so that most time goes there."""
    config = default_config()
    config.name = 'stress'
    config.num_seeds = 3
    config.data.source = 'npz'
    config.data.num_train_pairs = 20
    config.data.num_validation_pairs = 8
    config.data.num_test_pairs = 15
    config.model.name = 'ShallowModel'
    config.model.dropout_rate = config.loss.aux_weight = 0.0
    config.train.batch_size = 10
    config.train.num_epochs = 8
    config.train.shuffle = True
    config.runs.devices = 2
    config.checkpoint.every_seconds = 0.0
    config.sweep.product = (
        ('model.widths', ((4,), (5,), (6,), (7,))),
        ('optimizer.learning_rate', (1e-3, 3e-3, 1e-2)),
    )
    return config
