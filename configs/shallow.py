"""ShallowModel, second report: one hidden layer on the raw pixels of both images.

The setting of the report's text, with Adam, as it says; its authors' own rounds ran SGD, see
configs/report2.py:shallow_sgd. Batches of 1, the best of their search over 1, 250 and 1,000.

command: python launch/main.py --config=configs/shallow.py
cost:   3 s a run on 2 cores of AMD's Zen 4, half a minute in all with ten seeds.
result: 79.2 +- 1.8 % at the final epoch, 80.3 +- 1.2 % at the best on test (bundled, n = 10).
        Full MNIST: 80.3 +- 1.7 % and 81.8 +- 1.0 %; the report has 78.5 % (one run, SGD, best
        epoch on test, the largest of a search).
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
