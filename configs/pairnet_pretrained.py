"""The PairNets that come with the package: pairnet on every train image of full MNIST, five seeds.

29,500 train pairs and 500 validation pairs hold each of the 60,000 train images once. All other
settings are those of configs/pairnet.py, which were chosen with 1,000 pairs.

command: python launch/main.py --config=configs/pairnet_pretrained.py --config.data.dir=MNIST
cost:   13 minutes of processor time, on 2 cores that had other work.
result: docs/pretrained.md
"""

import pathlib
import runpy

_HERE = pathlib.Path(__file__).parent


def get_config():
    """configs/pairnet.py with 29,500 pairs, 10 epochs and five seeds."""
    config = runpy.run_path(str(_HERE / 'pairnet.py'))['get_config']()
    config.name = 'pairnet_pretrained'
    config.num_seeds = 5
    config.data.source = 'idx'
    config.data.num_train_pairs = 29_500
    config.data.num_validation_pairs = 500
    config.train.num_epochs = 10
    config.train.evaluate_every = 10
    return config
