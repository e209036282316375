"""The experiments of the second paper beside configs/shallow.py, deep.py and deep_shared.py.

NETWORK_sgd: its ten rounds as its authors ran them. The text names Adam, but the calls name no
optimizer and their program's default is SGD; configs/NETWORK.py are the rounds as the text says.
NETWORK_search: its search as its authors ran it, over hidden sizes, batches of 1, 250 and 1,000 and
learning rates, DeepModel also with the losses (1 - w) main + w digits, w = 0, 0.5 and 1, where
w = 1 does not train the main head at all. SGD for ShallowModel, Adam for DeepModel. The authors ran
each cell once; four seeds here are four whole searches. `shallow_search_adam`: as the text says.
NETWORK_headline: 20 seeds of the cell whose one run is the accuracy in the text.

command: python launch/main.py --config=configs/report2.py:NAME
cost:    on 2 cores of AMD's Zen 4, compilation included (jax 0.10.2, otherwise idle, nothing
         compiled before):
  shallow_sgd             10 runs, the first ten seeds of shallow_headline
  deep_sgd                10 runs, 20 s
  deep_shared_sgd         10 runs, 16 s
  shallow_headline        20 runs, 20 s
  deep_headline           20 runs, 40 s
  deep_shared_headline    20 runs, 33 s
  shallow_search         108 runs, 42 s
  shallow_search_adam    108 runs, 82 s
  deep_search            324 runs, 8 minutes
  deep_shared_search     324 runs, 6 minutes
result:  test accuracy in percent on full MNIST:
  mean +- std over seeds at the final epoch (at the best epoch on test); recorded beside it:
  shallow_sgd           79.4 +- 1.3 (79.6 +- 1.2)  78.96 +- 0.99 (79.16 +- 1.03), ten rounds
  deep_sgd              87.6 +- 0.9 (88.2 +- 0.6)  85.80 +- 4.34 (86.46 +- 3.60), ten rounds
  deep_shared_sgd       90.0 +- 1.0 (90.5 +- 1.1)  89.48 +- 1.92 (89.78 +- 1.84), ten rounds
  shallow_headline      79.3 +- 1.2 (79.5 +- 1.2)  (78.5), one run
  deep_headline         89.6 +- 1.6 (91.4 +- 0.9)  (92.2), one run
  deep_shared_headline  92.0 +- 1.8 (93.9 +- 1.1)  (94.3), one run
  the largest cell of a seed's search at its best epoch on test, n = 4; what validation selects, at
  the final epoch:
  shallow_search        80.4 +- 1.3  hidden size 500, rate 0.0001, batch 1: 79.9 +- 1.8
  shallow_search_adam   81.9 +- 0.5  hidden size 500, rate 0.0001, batch 1: 81.2 +- 1.3
  deep_search           91.8 +- 1.3  hidden size 500, rate 0.001, batch 1, w = 0.5: 90.5 +- 1.0
  deep_shared_search    94.1 +- 1.2  hidden size 300, rate 0.001, batch 1, w = 0.5: 92.5 +- 1.0
"""

import pathlib
import runpy

from pairjax.errors import unknown_name

_HERE = pathlib.Path(__file__).parent

# The authors' calls name no optimizer where these ran, and their program's default is SGD.
SGD = {'optimizer.name': 'sgd'}
# A search is scored on test at every epoch; the other sets are evaluated at the last one.
SEARCH = {
    'num_seeds': 4,
    'train.evaluate_all_every': 25,
    'sweep.product': (
        ('model.widths', ((100,), (300,), (500,))),
        ('train.batch_size', (1, 250, 1000)),
        ('optimizer.learning_rate', (1e-4, 1e-3, 1e-2)),
    ),
}
LOSSES = {
    'sweep.settings': tuple(
        (('loss.main_weight', 1.0 - w), ('loss.aux_weight', w)) for w in (0.0, 0.5, 1.0)
    )
}
HEADLINE = {'num_seeds': 20}

# By name: the config that it starts from, and what differs.
EXPERIMENTS = {
    'shallow_sgd': ('shallow', SGD),
    'deep_sgd': ('deep', SGD),
    'deep_shared_sgd': ('deep_shared', SGD),
    'shallow_headline': ('shallow', HEADLINE | SGD),
    'deep_headline': ('deep', HEADLINE),
    'deep_shared_headline': ('deep_shared', HEADLINE),
    'shallow_search': ('shallow', SEARCH | SGD),
    'shallow_search_adam': ('shallow', SEARCH),
    'deep_search': ('deep', SEARCH | LOSSES),
    'deep_shared_search': ('deep_shared', SEARCH | LOSSES),
}


def get_config(name=''):
    """The search of that name; UserError for an unknown one."""
    if name not in EXPERIMENTS:
        raise unknown_name('--config=configs/report2.py:NAME: NAME', name, EXPERIMENTS)
    network, changes = EXPERIMENTS[name]
    config = runpy.run_path(str(_HERE / f'{network}.py'))['get_config']()
    config.update_from_flattened_dict({'name': name, **changes})
    return config
