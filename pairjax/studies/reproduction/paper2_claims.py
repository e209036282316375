"""The empirical sentences of the second paper, each with what decides it."""

import pandas as pd

from pairjax.analysis.results import TrialResult, pair_by_seed
from pairjax.analysis.statistics import PairedComparison, describe, std_ratio
from pairjax.reporting.format import format_difference, format_ratio, paired_text, points
from pairjax.studies.reproduction import claims as rules
from pairjax.studies.reproduction.claims import claim
from pairjax.studies.reproduction.recorded import recorded_final
from pairjax.studies.reproduction.results import (
    AUX_WEIGHT,
    BATCH_SIZE,
    BEST,
    EPOCH_NAMES,
    FINAL,
    LEARNING_RATE,
    NETWORKS,
    WIDTHS,
    Reproduction,
    experiment_names,
    first_epoch_at,
)

CLAIMS: list[rules.Claim] = []
DEEP_MODELS = {model: name for model, name in NETWORKS[2].items() if name != 'shallow'}
# The settings that the paper's search ends with.
DEEP_SETTING = {WIDTHS: [100], LEARNING_RATE: 1e-3, AUX_WEIGHT: 0.5}
SETTINGS = {
    'shallow': {WIDTHS: [500], LEARNING_RATE: 1e-4},
    'deep': DEEP_SETTING,
    'deep_shared': DEEP_SETTING,
}


@claim(CLAIMS, 'Weight sharing raises the accuracy.')
def sharing_gains(results: Reproduction) -> rules.Judgement:
    """At the final epoch; the best epoch on test is evidence."""
    final, best = (
        pair_by_seed(results.values('deep_shared', measure), results.values('deep', measure))
        for measure in (FINAL, BEST)
    )
    return rules.Judgement(
        rules.above(final.ci95),
        f'shared minus separate {paired_text(final)} at the final epoch, {paired_text(best)} at '
        'the best epoch on test',
    )


@claim(CLAIMS, 'Weight sharing gains 2.1 points (94.3 against 92.2).')
def sharing_gains_as_stated(results: Reproduction) -> rules.Judgement:
    """The size of the gain at the final epoch against the stated one."""
    shared, separate = (results.values(name, FINAL) for name in ('deep_shared', 'deep'))
    with_it, without = (recorded_final('DeepModel', sharing) for sharing in (True, False))
    stated = with_it | {'mean': with_it['mean'] - without['mean']}
    gains = (shared - separate).dropna()
    difference = rules.recorded_difference(gains, stated)
    return rules.Judgement(
        rules.at_stated(difference.ci95),
        f'ours {points(describe(gains)["mean"])} points, {format_difference(difference)} from the '
        f'stated gain (n = {len(gains)}; the stated one is taken to deviate as ours does)',
    )


@claim(CLAIMS, 'Weight sharing reduces the variance between rounds.')
def sharing_steadies(results: Reproduction) -> rules.Judgement:
    """By the ratio of the stds between seeds at the final epoch."""
    values = [results.values(name, FINAL) for name in ('deep_shared', 'deep')]
    shared, separate = pd.concat(values, axis='columns', join='inner').to_numpy().T
    ratio, low, high = std_ratio(shared, separate)
    n = len(shared)
    if ratio is None:
        return rules.Judgement(rules.OPEN, f'n = {n} seeds have no deviations to compare')
    return rules.Judgement(
        rules.below(None if low is None else (low, high), threshold=1),
        f'deviation of shared over that of separate {format_ratio(ratio, low, high)} (BCa, '
        f'n = {n})',
    )


@claim(CLAIMS, 'The auxiliary loss helps: {}.', DEEP_MODELS)
def auxiliary_loss_helps(name: str, results: Reproduction) -> rules.Judgement:
    """w = 0.5 against w = 0 at the reported setting; the other settings as evidence."""
    experiment = results[f'{name}_grid']

    def gain(trial: TrialResult) -> PairedComparison:
        setting = {field: trial.hyperparameters[field] for field in (WIDTHS, LEARNING_RATE)}
        other = experiment.where({**setting, AUX_WEIGHT: 0.0})
        return pair_by_seed(trial.values(FINAL), other.values(FINAL))

    gains = [gain(t) for t in experiment.trials if t.hyperparameters[AUX_WEIGHT] == 0.5]
    paired = gain(experiment.where(DEEP_SETTING))
    count = sum(paired.mean is not None and paired.mean > 0 for paired in gains)
    return rules.Judgement(
        rules.above(paired.ci95),
        f'w = 0.5 minus w = 0 {paired_text(paired)} at hidden size 100 and learning rate 1e-3; '
        f'above zero in the mean at {count} of {len(gains)} settings',
    )


@claim(CLAIMS, 'The reported setting is the best of the search: {}.', NETWORKS[2])
def setting_is_best(name: str, results: Reproduction) -> rules.Judgement:
    """Whether the reported setting is the best of its grid at the final epoch."""
    experiment = results[f'{name}_grid']
    candidate = experiment.where(SETTINGS[name])
    others = {t.name: t.values(FINAL) for t in experiment.trials if t is not candidate}
    return rules.best_of('the reported setting', candidate.values(FINAL), others)


@claim(CLAIMS, 'Batches of 1 are better than batches of 100: {}.', NETWORKS[2])
def batches_of_one_are_better(name: str, results: Reproduction) -> rules.Judgement:
    """Batch size 1 against 100, the two that the paper's authors tried."""
    one, hundred = (results[f'{name}_batch_sizes'].where({BATCH_SIZE: b}) for b in (1, 100))
    paired = {m: pair_by_seed(one.values(m), hundred.values(m)) for m in (FINAL, BEST)}
    texts = [f'{paired_text(p)} at the {EPOCH_NAMES[measure]}' for measure, p in paired.items()]
    return rules.Judgement(rules.above(paired[FINAL].ci95), f'1 minus 100 {", ".join(texts)}')


@claim(
    CLAIMS,
    'ShallowModel reaches 100 % on its train pairs within 5 epochs (read as in most rounds).',
)
def shallow_fits_its_train_pairs(results: Reproduction) -> rules.Judgement:
    """Per seed, the first epoch with accuracy 1 on the train pairs."""
    epochs = first_epoch_at(results['shallow'].trials[0], 1.0)
    judgement = rules.most_of(int((epochs <= 5).sum()), len(epochs))
    evidence = f'{judgement.evidence} within 5 epochs; {_reached(epochs)}'
    if 'shallow_batch_sizes' in results:
        for trial in results['shallow_batch_sizes'].trials:
            size = trial.hyperparameters[BATCH_SIZE]
            evidence += f'; batches of {size}: {_reached(first_epoch_at(trial, 1.0))}'
    return judgement._replace(evidence=evidence)


def _reached(epochs: pd.Series) -> str:
    reached = epochs.dropna()
    text = f'{len(reached)} of {len(epochs)} ever'
    return f'{text}, the first in epoch {reached.min():.0f}' if len(reached) else text


@claim(CLAIMS, 'Every network of the second report beats always giving the commoner answer.')
def second_beat_the_majority(results: Reproduction) -> rules.Judgement:
    """Every trial of every experiment."""
    return rules.beats_the_majority(experiment_names(2), results)
