"""Three PairNets a round, whose mean softmax decides.

command: python launch/main.py --config=configs/pairnet_ensemble.py
cost:   not measured yet
result: not measured yet
"""

import pathlib
import runpy

_HERE = pathlib.Path(__file__).parent


def get_config():
    """configs/pairnet.py with three networks a run."""
    config = runpy.run_path(str(_HERE / 'pairnet.py'))['get_config']()
    config.name = 'pairnet_ensemble'
    config.model.num_members = 3
    config.train.num_epochs = 75
    config.train.evaluate_every = 25
    return config
