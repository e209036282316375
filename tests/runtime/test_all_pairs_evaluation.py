"""Accuracy over the whole test pool in an experiment's records, against every pair asked."""

import itertools
import json
from functools import partial

import jax
import numpy as np
import pytest
from conftest import make_small_config
from flax import nnx
from ml_collections import ConfigDict

from pairjax.runtime.all_pairs_evaluation import all_pairs_accuracies
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.plan import make_plan
from pairjax.runtime.trainer import Trainer
from pairjax.runtime.vectorize import over_runs
from pairjax.training.evaluate import digit_logits, predict
from pairjax.workdir.metrics_log import Metrics

FIELDS = ('exact_pair_accuracy', 'sampled_pair_accuracy')


def asked_pair_by_pair(config, pools, state, decide):
    """Over all ordered pairs of distinct test images, the share that `decide(output)` has right."""
    num_test = len(pools.labels) - pools.num_train
    pairs = np.array(list(itertools.permutations(range(num_test), 2))) + pools.num_train
    images, labels = np.asarray(pools.images), np.asarray(pools.labels)
    output = predict(config, pools.num_classes, state, images[pairs])
    targets = labels[pairs[:, 0]] <= labels[pairs[:, 1]]
    return (decide(jax.tree.map(np.asarray, output)) == targets).mean()


def by_argmax(output):
    return output.digit_logits_a.argmax(axis=1) <= output.digit_logits_b.argmax(axis=1)


def by_probability(output):
    def probabilities(logits):
        weights = np.exp(logits.astype(np.float64))
        return weights / weights.sum(axis=1, keepdims=True)

    a, b = probabilities(output.digit_logits_a), probabilities(output.digit_logits_b)
    return sum(a[:, i] * b[:, j] for i in range(10) for j in range(i, 10)) > 0.5


@pytest.fixture(scope='module', params=[True, False], ids=['shared', 'not shared'])
def trainer(request, small_digits_path):
    """Three runs after an epoch, and their pools."""
    config = make_small_config(small_digits_path)
    config.model.weight_sharing = request.param
    config.runs.devices = 2
    plan = make_plan(config)
    trainer = Trainer(plan, 0)
    trainer.start()
    trainer.epoch(1, evaluate=False)
    return trainer, plan.pools


def test_a_program_has_no_single_value_of_a_traced_field(trainer):
    with pytest.raises(AttributeError):
        _ = trainer[0].config.optimizer.learning_rate


def with_head(trainer, head):
    config = ConfigDict(trainer.config.to_dict())
    with config.unlocked():
        config.model.head = head
    return config


def stacked(trainer, head):
    """Programs, layout, pools and runs, without a main head where another one takes its place."""
    state, programs = trainer._state, trainer._programs
    if head != 'learned':
        digits = partial(digit_logits, with_head(trainer, head))
        programs = programs._replace(digit_logits=over_runs(digits, trainer.layout, 1, {}))
        variables = state.learned.variables
        params = nnx.State({k: v for k, v in variables.params.items() if k != 'main_head'})
        learned = state.learned._replace(variables=variables._replace(params=params))
        state = state.replace(learned=learned)
    return programs, trainer.layout, trainer._pools, state


@pytest.mark.parametrize(
    ('head', 'decide'),
    [
        ('learned', lambda output: output.main_logits.argmax(axis=1)),
        ('argmax', by_argmax),
        ('probability', by_probability),
    ],
)
def test_each_run_is_asked_about_every_pair_of_the_small_pool(trainer, head, decide):
    config, runs = with_head(trainer[0], head), stacked(trainer[0], head)
    found = all_pairs_accuracies(config, *runs)
    assert len(found) == 3
    for i, accuracy in enumerate(found):
        state = jax.tree.map(lambda leaf, i=i: leaf[i], trainer[0].host_state())
        expected = asked_pair_by_pair(trainer[0].config, trainer[1], state, decide)
        # A few of 1,560 pairs may be decided by the last bit.
        assert accuracy == pytest.approx(expected, abs=2 / 1560)


@pytest.mark.parametrize('head', ['learned', 'argmax', 'probability'])
def test_a_run_that_failed_has_no_accuracy(trainer, head):
    trainer, _ = trainer
    config = with_head(trainer, head)
    *where, state = stacked(trainer, head)

    def poison(leaf):
        return leaf.at[1].set(np.nan)

    for bad in (
        state.replace(failed=state.failed.at[1].set(True)),
        state.replace(
            learned=state.learned._replace(variables=jax.tree.map(poison, state.learned.variables))
        ),
    ):
        found = all_pairs_accuracies(config, *where, bad)
        assert [accuracy is None for accuracy in found] == [False, True, False]


def test_the_last_lines_and_the_summary_have_the_accuracy(small_config, tmp_path):
    summary = run_experiment(small_config, tmp_path / 'workdir')
    lines = Metrics(tmp_path / 'workdir').read()
    assert all(not set(line) & set(FIELDS) for line in lines if line['epoch'] < 3)
    last = [line for line in lines if line['epoch'] == 3]
    assert all(line['exact_pair_accuracy'] is None for line in last)
    assert all(line['whole_pool_seconds'] > 0 for line in last)
    (trial,) = summary['trials']
    assert trial['exact_pair_accuracy'] is None
    values = trial['sampled_pair_accuracy']['values']
    assert values == [line['sampled_pair_accuracy'] for line in last]
    # 15 of the test pairs are among the 1,560 pairs; both are accuracies of the same networks.
    assert all(0 < value < 1 for value in values)
    assert trial == json.loads((tmp_path / 'workdir' / 'summary.json').read_text())['trials'][0]
