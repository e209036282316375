"""DeepModel, second report: a digit classifier a branch, one shared by both.

The report's hidden size and learning rate, loss 0.5 main + 0.5 digits, batch size as in
configs/shallow.py.

command: python launch/main.py --config=configs/deep_shared.py
cost:   1.4 s a run on 2 cores of AMD's Zen 4, about 20 s in all with ten seeds.
result: 92.0 +- 1.4 % at the final epoch, 93.3 +- 0.9 % at the best on test (bundled, n = 10).
        Full MNIST: 91.0 +- 1.9 % and 93.6 +- 1.3 %; the report has 94.3 % (one run, Adam, best
        epoch on test, the largest of a search).
"""

from pairjax.config import default_config


def get_config():
    """DeepModel with 100 hidden units, shared."""
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
