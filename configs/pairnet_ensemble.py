"""Five PairNets a round, whose mean softmax decides.

command: python launch/main.py --config=configs/pairnet_ensemble.py
cost:   a run trains five networks of configs/pairnet.py.
result: over all pairs of the 10,000 test digits 99.41 +- 0.06 % (full MNIST, final epoch, n = 20),
        with version 0.2.0, which normalised both images of a pair as one batch.
"""

import pathlib
import runpy

_HERE = pathlib.Path(__file__).parent


def get_config():
    """configs/pairnet.py with five networks a run."""
    config = runpy.run_path(str(_HERE / 'pairnet.py'))['get_config']()
    config.name = 'pairnet_ensemble'
    config.model.num_members = 5
    return config
