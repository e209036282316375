"""PairNet: a digit classifier whose two answers decide the pair, without a learned comparison.

At most 75,000 parameters, the first report's budget, and the same 1,000 train pairs.

command: python launch/main.py --config=configs/pairnet.py
cost:   20 s a run on 2 cores of AMD's Zen 4, compilation (4 s) excluded (two seeds, jax 0.12).
result: over all pairs of the 10,000 test digits 99.32 +- 0.07 %, over each seed's 1,000 test pairs
        99.4 +- 0.3 % (full MNIST, final epoch, n = 10). Bundled digits, all pairs: 99.19
        +- 0.13 % (n = 20).
"""

from pairjax.config import default_config


def get_config():
    """PairNet (24, 40, 64, 64), trained on the two digits alone."""
    config = default_config()
    config.name = 'pairnet'
    config.model.name = 'PairNet'
    config.model.widths = (24, 40, 64, 64)
    config.model.normalization = 'batch'
    config.model.head = 'argmax'
    config.model.dropout_rate = 0.0
    config.loss.main_weight = 0.0
    config.loss.aux_weight = 1.0
    config.loss.label_smoothing = 0.05
    config.optimizer.learning_rate = 1e-2
    config.optimizer.b2 = 0.99
    config.optimizer.schedule = 'warmup_cosine'
    config.optimizer.warmup = 0.1
    config.augment.rotation = 12.0
    config.augment.scale = 0.12
    config.augment.shear = 0.15
    config.augment.shift = 1.0
    config.augment.gamma = 0.6
    config.augment.undistorted = 0.1
    config.train.num_epochs = 140
    config.train.batch_size = 50
    config.train.shuffle = True
    config.train.evaluate_every = 70
    return config
