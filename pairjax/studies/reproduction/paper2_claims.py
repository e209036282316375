"""The empirical sentences of the second paper, each with what decides it."""

import math

import pandas as pd

from pairjax.analysis.prediction import compare_single
from pairjax.analysis.results import TrialResult, pair_by_seed
from pairjax.analysis.statistics import (
    PairedComparison,
    compare_independent,
    describe,
    std_ratio,
)
from pairjax.reporting.format import (
    format_difference,
    format_ratio,
    format_statistic,
    paired_text,
)
from pairjax.studies.reproduction import claims as rules
from pairjax.studies.reproduction.claims import claim
from pairjax.studies.reproduction.recorded import recorded_first_epochs, recorded_rounds
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
from pairjax.studies.reproduction.searches import SETTINGS, read_search

CLAIMS: list[rules.Claim] = []
DEEP_MODELS = {model: name for model, name in NETWORKS[2].items() if name != 'shallow'}
SHARING = 'shared minus separate'


@claim(CLAIMS, 'Weight sharing raises the accuracy.')
def sharing_gains(results: Reproduction) -> rules.Judgement:
    """At the final epoch with Adam; the best epoch on test, and SGD, are evidence."""
    final, best, sgd = (
        pair_by_seed(results.values(f'deep_shared{kind}', m), results.values(f'deep{kind}', m))
        for kind, m in (('', FINAL), ('', BEST), ('_sgd', FINAL))
    )
    return rules.Judgement(
        rules.above(final.ci95),
        f'{SHARING} {paired_text(final)} at the final epoch, {paired_text(best)} at the best epoch '
        f'on test; with SGD {paired_text(sgd)} at the final epoch',
    )


@claim(CLAIMS, 'Weight sharing gains 2.1 points (94.3 against 92.2).')
def sharing_gains_as_stated(results: Reproduction) -> rules.Judgement:
    """A difference of two chosen runs: against that of the maxima of each of our searches."""
    shared, separate = (read_search(results, name) for name in ('deep_shared', 'deep'))
    gains = (shared.maxima - separate.maxima).dropna()
    gap = compare_single(gains, shared.recorded_best - separate.recorded_best)
    rounds = [recorded_rounds(name, EPOCH_NAMES[FINAL]) for name in ('deep_shared', 'deep')]
    stored = compare_independent(*(row[x] for row in rounds for x in ('mean', 'std', 'n')))
    sgd = pair_by_seed(*(results.values(f'{name}_sgd', FINAL) for name in ('deep_shared', 'deep')))
    adam = pair_by_seed(*(results.values(name, FINAL) for name in ('deep_shared', 'deep')))
    return rules.Judgement(
        rules.at_stated(gap.ci95, widest=math.inf),
        'both are the largest of 81 single runs at their best epoch on test; two such searches of '
        f'ours differ by {format_statistic({**describe(gains), "ci95": None})} points (n = '
        f'{len(gains)}). Means over rounds, final epoch, {SHARING}: stored rounds (SGD) '
        f'{format_difference(stored)} points, ours with SGD {paired_text(sgd)}, with Adam '
        f'{paired_text(adam)}',
    )


@claim(CLAIMS, 'Weight sharing reduces the variance between rounds.')
def sharing_steadies(results: Reproduction) -> rules.Judgement:
    """By the ratio of the stds between seeds at the final epoch, with SGD as in their rounds."""
    ratios = {kind: _std_ratio(results, kind) for kind in ('_sgd', '')}
    _, low, high, _ = ratios['_sgd']
    texts = [
        f'with {optimizer} {format_ratio(*ratios[kind][:3])} (BCa, n = {ratios[kind][3]})'
        for kind, optimizer in (('_sgd', 'SGD'), ('', 'Adam'))
    ]
    stored = [recorded_rounds(name, EPOCH_NAMES[FINAL])['std'] for name in ('deep_shared', 'deep')]
    return rules.Judgement(
        rules.below(None if low is None else (low, high), threshold=1),
        f'std of shared over that of separate {", ".join(texts)}; stored rounds (SGD) '
        f'{stored[0] / stored[1]:.2f} (n = 10)',
    )


def _std_ratio(results: Reproduction, kind: str) -> tuple:
    values = [results.values(f'{name}{kind}', FINAL) for name in ('deep_shared', 'deep')]
    both = pd.concat(values, axis='columns', join='inner').to_numpy().T
    return (*std_ratio(*both), both.shape[1])


@claim(CLAIMS, 'The auxiliary loss helps: {}.', DEEP_MODELS)
def auxiliary_loss_helps(name: str, results: Reproduction) -> rules.Judgement:
    """w = 0.5 against w = 0 at the reported setting; the other settings as evidence."""
    experiment = results[f'{name}_search']

    def gain(trial: TrialResult) -> PairedComparison:
        fields = (WIDTHS, LEARNING_RATE, BATCH_SIZE)
        setting = {field: trial.hyperparameters[field] for field in fields}
        other = experiment.where({**setting, AUX_WEIGHT: 0.0})
        return pair_by_seed(trial.values(FINAL), other.values(FINAL))

    gains = [gain(t) for t in experiment.trials if t.hyperparameters[AUX_WEIGHT] == 0.5]
    paired = gain(experiment.where(SETTINGS[name]))
    count = sum(paired.mean is not None and paired.mean > 0 for paired in gains)
    return rules.Judgement(
        rules.above(paired.ci95),
        f'w = 0.5 minus w = 0 {paired_text(paired)} at the reported setting; above zero in the '
        f'mean at {count} of {len(gains)} settings',
    )


@claim(CLAIMS, 'The reported setting is the best of the search: {}.', NETWORKS[2])
def setting_is_best(name: str, results: Reproduction) -> rules.Judgement:
    """Whether the reported setting is the best of its search at the final epoch."""
    experiment = results[f'{name}_search']
    candidate = experiment.where(SETTINGS[name])
    others = {t.name: t.values(FINAL) for t in experiment.trials if t is not candidate}
    return rules.best_of('the reported setting', candidate.values(FINAL), others)


@claim(CLAIMS, 'Batches of 1 are better than those of 250 and 1,000: {}.', NETWORKS[2])
def batches_of_one_are_better(name: str, results: Reproduction) -> rules.Judgement:
    """At the reported setting, the batch sizes of the search, final epoch."""
    experiment = results[f'{name}_search']
    one, *others = (
        experiment.where({**SETTINGS[name], BATCH_SIZE: size}) for size in (1, 250, 1000)
    )
    paired = [pair_by_seed(one.values(FINAL), other.values(FINAL)) for other in others]
    verdict = rules.all_of([rules.above(p.ci95) for p in paired])
    texts = [f'1 minus {s} {paired_text(p)}' for s, p in zip((250, 1000), paired, strict=True)]
    return rules.Judgement(verdict, ', '.join(texts))


@claim(
    CLAIMS,
    'ShallowModel reaches 100 % on its train pairs within 5 epochs (read as in most rounds).',
)
def shallow_fits_its_train_pairs(results: Reproduction) -> rules.Judgement:
    """Per seed, the first epoch with accuracy 1 on the train pairs, with SGD as in their rounds."""
    epochs = first_epoch_at(results['shallow_sgd'].trials[0], 1.0)
    judgement = rules.most_of(int((epochs <= 5).sum()), len(epochs))
    evidence = f'with SGD {judgement.evidence} within 5 epochs; {_reached(epochs)}'
    if 'shallow' in results:
        evidence += f'; with Adam {_reached(first_epoch_at(results["shallow"].trials[0], 1.0))}'
    stored = recorded_first_epochs('shallow')
    evidence += f'; stored rounds (SGD) {(stored <= 5).sum()} within 5, {_reached(stored)}'
    return judgement._replace(evidence=evidence)


def _reached(epochs: pd.Series) -> str:
    reached = epochs.dropna()
    text = f'{len(reached)} of {len(epochs)} ever'
    return f'{text}, in epochs {reached.min():.0f} to {reached.max():.0f}' if len(reached) else text


@claim(CLAIMS, 'Every network of the second report beats always giving the commoner answer.')
def second_beat_the_majority(results: Reproduction) -> rules.Judgement:
    """Every trial of every experiment."""
    return rules.beats_the_majority(experiment_names(2), results)
