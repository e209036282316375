"""AuxNet2 with what compares its two digits: a learned head, or none.

Trial 0 is configs/auxnet2.py. The others have no parameters beyond the digits' and train on the
digits alone, which is the reports' auxiliary loss in its pure form, or on the exact probability of
the pair as well.

command: python launch/main.py --config=configs/heads.py
         python launch/compare.py runs/heads:all --against_first
cost:   200 runs, 9 minutes on 2 cores that had much other work.
result: 93.8 +- 1.0 % with the learned head, 97.1 +- 0.7 % by argmax and by the exact probability
        from the auxiliary loss alone (full MNIST, test pairs at the final epoch, n = 50);
        docs/pairnet.md has the paired differences.
"""

from pairjax.config import default_config


def get_config():
    """AuxNet2 (32, 32, 64, 256), 50 seeds."""
    config = default_config()
    config.name = 'heads'
    config.num_seeds = 50
    fields = ('model.head', 'loss.main_weight')
    arms = (('learned', 1.0), ('argmax', 0.0), ('probability', 0.0), ('probability', 1.0))
    config.sweep.settings = tuple(tuple(zip(fields, arm, strict=True)) for arm in arms)
    return config
