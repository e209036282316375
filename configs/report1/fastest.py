"""AuxNet3, first report: the run that it calls the fastest sufficient one.

A small network, batches of 200, and no evaluation before the last epoch. The run that it calls the
best one is configs/auxnet2.py.

command: python launch/main.py --config=configs/report1/fastest.py
cost:   10 runs, 8 s on 2 cores, compilation included.
result: 84.6 +- 1.3 % at the final epoch, the only one evaluated (full MNIST, n = 10).
"""

from pairjax.studies.reproduction.protocols import first_report


def get_config():
    """AuxNet3 (16, 32, 64, 128) in batches of 200, evaluated once."""
    config = first_report('fastest', 'AuxNet3', (16, 32, 64, 128))
    config.num_seeds = 10
    config.train.batch_size = 200
    config.train.evaluate_every = 25
    return config
