"""Five PairNets a round, whose mean softmax decides.

command: python launch/main.py --config=configs/pairnet_ensemble.py
cost:   a run trains five networks of configs/pairnet.py.
result: over all pairs of the 10,000 test digits 99.41 +- 0.07 %, over each seed's 1,000 test pairs
        99.45 +- 0.20 % (full MNIST, final epoch, n = 10, jax 0.12); of the same ten seeds
        pairnet.py has 99.33 +- 0.08 % and 99.42 +- 0.27 %.
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
