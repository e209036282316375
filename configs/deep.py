"""DeepModel, second report: a digit classifier a branch, each with parameters of its own.

The report's hidden size and learning rate, loss 0.5 main + 0.5 digits, batch size as in
configs/shallow.py.

command: python launch/main.py --config=configs/deep.py
cost:   1.7 s a run on 2 cores of AMD's Zen 4, about 25 s in all with ten seeds.
result: 90.1 +- 1.0 % at the final epoch, 91.3 +- 0.7 % at the best on test (bundled, n = 10).
        Full MNIST: 89.5 +- 1.5 % and 91.5 +- 0.8 %; the report has 92.2 % (one run, Adam, best
        epoch on test, the largest of a search).
"""

from pairjax.config import default_config


def get_config():
    """DeepModel with 100 hidden units, not shared."""
    config = default_config()
    config.name = 'deep'
    config.data.standardize = False
    config.model.name = 'DeepModel'
    config.model.widths = (100,)
    config.model.weight_sharing = False
    config.model.dropout_rate = 0.0
    config.loss.main_weight = 0.5
    config.loss.aux_weight = 0.5
    config.optimizer.learning_rate = 1e-3
    config.train.batch_size = 1
    return config
