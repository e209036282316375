"""What the configs in configs/report1 and configs/report2 share. No jax in here."""

import itertools

from ml_collections import ConfigDict

from pairjax.config import default_config

WIDTHS = (16, 32, 64, 128, 256, 512)
PARAM_RANGE = (65_000, 75_000)


def first_report(name: str, model: str, widths: tuple[int, ...] = ()) -> ConfigDict:
    """The first report's protocol (the defaults) with five seeds, as many as its rounds.

    Args:
      name: of the experiment.
      model: BasicNet1, which has no digit heads, AuxNet1, AuxNet2 or AuxNet3.
      widths: its layer widths; () where a sweep sets them.
    """
    config = default_config()
    config.name = name
    config.num_seeds = 5
    # Curves that the report does not have would take a quarter of the time; the selection of a
    # trial reads the last epoch's validation accuracy.
    config.train.evaluate_all_every = config.train.num_epochs
    config.model.name = model
    if widths:
        config.model.widths = widths
    if model == 'BasicNet1':
        config.loss.aux_weight = 0.0
    return config


def width_sweep(name: str, model: str) -> ConfigDict:
    """The first report's search: all layer widths with 65,000 to 75,000 parameters."""
    config = first_report(name, model)
    config.sweep.product = (('model.widths', tuple(itertools.product(WIDTHS, repeat=4))),)
    config.sweep.param_range = PARAM_RANGE
    return config


def shallow_model(name: str) -> ConfigDict:
    """The second report's protocol with its ShallowModel, as in configs/shallow.py."""
    config = _second_report(name, 'ShallowModel', 500, 1e-4)
    config.loss.aux_weight = 0.0
    return config


def deep_model(name: str, weight_sharing: bool) -> ConfigDict:
    """The second report's protocol with its DeepModel, as in configs/deep.py and deep_shared.py."""
    config = _second_report(name, 'DeepModel', 100, 1e-3)
    config.model.weight_sharing = weight_sharing
    config.loss.main_weight = config.loss.aux_weight = 0.5
    return config


def _second_report(name: str, model: str, hidden: int, learning_rate: float) -> ConfigDict:
    config = default_config()
    config.name = name
    config.data.standardize = False
    config.model.name = model
    config.model.widths = (hidden,)
    config.model.dropout_rate = 0.0
    config.optimizer.learning_rate = learning_rate
    config.train.batch_size = 1
    return config


def sweep_grid(config: ConfigDict) -> ConfigDict:
    """The second report's search with five seeds: hidden sizes by learning rates.

    With digit heads each of them with the losses (1 - w) main + w digits, w = 0, 0.5 and 1.
    """
    config.num_seeds = 5
    config.sweep.product = (
        ('model.widths', ((100,), (300,), (500,))),
        ('optimizer.learning_rate', (1e-4, 1e-3, 1e-2)),
    )
    if config.loss.aux_weight:
        config.sweep.settings = tuple(
            (('loss.main_weight', 1.0 - w), ('loss.aux_weight', w)) for w in (0.0, 0.5, 1.0)
        )
    return config


def sweep_batch_sizes(config: ConfigDict) -> ConfigDict:
    """Batch sizes from 1 to 100, around those that the second report's authors tried."""
    config.sweep.product = (('train.batch_size', (1, 5, 10, 25, 50, 100)),)
    return config
