"""A small study whose runs are made up instead of trained."""

import json
import random

from pairjax.analysis.results import TrialResult
from pairjax.analysis.statistics import describe
from pairjax.analysis.summary import summarize
from pairjax.config import validate
from pairjax.studies.factorial.analysis import StudyResults
from pairjax.studies.factorial.design import Design, Network
from pairjax.trials import expand_trials

SMALL = Network(
    'AuxNet2',
    (8, 8, 16, 32),
    (6, 6, 12, 24),
    num_seeds=6,
    train_pairs=(250, 500),
    heads=(('argmax', 0.0), ('probability', 1.0)),
)
DEEP = Network('DeepModel', (100,), None, num_seeds=6, why_not_cut='it is too large')
DESIGN = Design(
    networks=(SMALL, DEEP),
    aux_weights=(0.0, 2.0),
    named_weight=2.0,
    learning_rates=(1e-3, 5e-3, 1e-2),
    first_pilot_seed=1000,
    num_first_looks=2,
    num_finalists=2,
    num_pilot_seeds=5,
)
DATA = {'source': 'bundled', 'train_pool': 3000, 'test_pool': 2000, 'num_classes': 10}
DATA['fingerprint'] = 'f00d'


def train_nothing(accuracies, failed=()):
    """Replaces run_experiment: writes what it would leave.

    Args:
      accuracies: from the hyperparameters of a trial and a seed to the final test and validation
        accuracies.
      failed: seeds whose loss became NaN.
    """

    def run(config, workdir, callbacks=()):
        config = validate(config)
        trials = expand_trials(config)
        records = [
            line(trial, seed, *accuracies(trial.hyperparameters, seed), seed in failed)
            for trial in trials
            for seed in range(config.seed, config.seed + config.num_seeds)
        ]
        rows = [
            {'hyperparameters': t.hyperparameters, 'num_params': 1234, 'failure': None}
            for t in trials
        ]
        summary = {'name': config.name, 'data': DATA, **summarize(records, rows)}
        summary['timing']['devices'] = 2
        workdir.mkdir(parents=True)
        saved = {'config': config.to_dict(), 'data': DATA, 'versions': {}}
        (workdir / 'config.json').write_text(json.dumps(saved))
        (workdir / 'summary.json').write_text(json.dumps(summary))

    return run


def line(trial, seed, test, validation, failed=False):
    """The only line of a run in metrics.jsonl."""
    values = {'test_accuracy': test, 'validation_accuracy': validation, 'train_accuracy': 1.0}
    values = dict.fromkeys(values) if failed else values
    clock = {'train_seconds': 1.0, 'compile_seconds': 0.0}
    loss = {'train_loss': None if failed else 0.1, 'test_digit_accuracy': None}
    return {'trial': trial.index, 'seed': seed, 'epoch': 25, **values, **loss, **clock}


def gains(sharing=0.0, aux=0.0, both=0.0, no_head=0.0):
    """Accuracies that sharing, the auxiliary loss, both, and having no head raise by so much.

    All arms of a seed have its luck in common, and each has a tenth as much of its own.
    """

    def accuracies(hyper, seed):
        shared, weight = hyper['model.weight_sharing'], hyper['loss.aux_weight']
        arm = (hyper['model.name'], shared, hyper['model.widths'], weight, hyper['model.head'])
        own = random.Random(f'{seed} {arm} {hyper["data.num_train_pairs"]}').gauss(0, 0.001)
        luck = random.Random(seed).gauss(0, 0.01) + own
        test = 0.8 + luck + sharing * shared + aux * (weight > 0) + both * shared * (weight > 0)
        test += no_head * (hyper['model.head'] != 'learned')
        return test, test - 0.01

    return accuracies


def made_trial(test, validation=0.5, rate=5e-3):
    """A trial from test accuracies by seed, None where the seed failed.

    Args:
      test: as a dict or, from seed 0 on, a list.
      validation: of every seed, or by seed.
      rate: its learning rate.
    """
    test = test if isinstance(test, dict) else dict(enumerate(test))
    failed = [seed for seed, value in test.items() if value is None]
    if not isinstance(validation, dict):
        validation = dict.fromkeys(test, validation)
    summary = {
        'hyperparameters': {'optimizer.learning_rate': rate, 'model.widths': [8, 8, 16, 32]},
        'num_params': 1,
        'seeds': list(test),
        'failed_seeds': failed,
        'final_test_accuracy': describe(list(test.values())),
        'final_validation_accuracy': describe(
            [None if seed in failed else validation[seed] for seed in test]
        ),
    }
    return TrialResult(0, 'made up', summary, None)


def made_results(trials):
    """Results from trials by cell."""
    return StudyResults(trials, 0, DATA)
