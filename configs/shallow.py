"""ShallowModel, second report: one hidden layer on the raw pixels of both images.

The report's hidden size and learning rate. It names no batch size; its authors' search covered
1 and 100 and calls 1 the best. On full MNIST the final accuracy falls with it: 80.3 % at 1,
78.4 % at 5, 77.5 % at 10, 74.4 % at 100 (n = 10 each).

command: python launch/main.py --config=configs/shallow.py
cost:   2 s a run on 2 cores, half a minute in all with ten seeds.
result: 79.1 +- 1.9 % at the final epoch, 80.3 +- 1.0 % at the best on test (bundled, n = 10).
        Full MNIST: 80.3 +- 1.8 % and 81.8 +- 1.0 %; the report has 78.5 % (final, n = 10).
"""

from pairjax.config import default_config


def get_config():
    """ShallowModel with 500 hidden units."""
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
