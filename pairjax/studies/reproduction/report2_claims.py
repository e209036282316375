"""The empirical sentences of the second report, each with what decides it. No jax in here."""

from functools import partial

import pandas as pd

from pairjax.analysis.statistics import PairedComparison, describe, std_ratio
from pairjax.reporting.format import interval, paired_text, points, points_span, span
from pairjax.studies.reproduction.claims import (
    OPEN,
    Claim,
    Judgement,
    above_zero,
    at_stated,
    beats_the_majority,
    below_zero,
    best_of,
    most_of,
    recorded_difference,
    shifted,
)
from pairjax.studies.reproduction.recorded import recorded_final
from pairjax.studies.reproduction.results import (
    AUX_WEIGHT,
    BATCH_SIZE,
    BEST,
    EPOCH_NAMES,
    FINAL,
    LEARNING_RATE,
    WIDTHS,
    Results,
    Trial,
    compare,
    experiment_names,
    first_epoch_at,
)

MODELS = {
    'ShallowModel': 'shallow',
    'DeepModel, not shared': 'deep',
    'DeepModel, shared': 'deep_shared',
}
# The settings that the report's search ends with.
SHALLOW_SETTING = {WIDTHS: [500], LEARNING_RATE: 1e-4}
DEEP_SETTING = {WIDTHS: [100], LEARNING_RATE: 1e-3, AUX_WEIGHT: 0.5}
SETTINGS = {'shallow': SHALLOW_SETTING, 'deep': DEEP_SETTING, 'deep_shared': DEEP_SETTING}


def sharing_gains(results: Results) -> Judgement:
    """At the final epoch; the best epoch on test is evidence."""
    shared, separate = (results.only_trial(name) for name in ('deep_shared', 'deep'))
    final = compare(shared.accuracy(FINAL), separate.accuracy(FINAL))
    best = compare(shared.accuracy(BEST), separate.accuracy(BEST))
    return Judgement(
        above_zero(*interval(final)),
        f'shared minus separate {paired_text(final)} at the final epoch, {paired_text(best)} at '
        'the best epoch on test',
    )


def sharing_gains_as_stated(results: Results) -> Judgement:
    """The size of the gain at the final epoch against the stated one."""
    shared, separate = (results.only_trial(n).accuracy(FINAL) for n in ('deep_shared', 'deep'))
    with_it, without = (recorded_final('DeepModel', weight_sharing=s) for s in (True, False))
    stated = {'mean': with_it['mean'] - without['mean'], 'std': None, 'n': with_it['n']}
    ours = (shared - separate).dropna()
    difference = recorded_difference(ours, stated)
    return Judgement(
        at_stated(difference.low, difference.high),
        f'ours {points(describe(ours)["mean"])} points, {points(difference.mean)} '
        f'{points_span(difference.low, difference.high)} from the stated gain (n = {len(ours)}; '
        'the stated one is taken to deviate as ours does)',
    )


def sharing_steadies(results: Results) -> Judgement:
    """By the ratio of the deviations between seeds at the final epoch."""
    values = [results.only_trial(name).accuracy(FINAL) for name in ('deep_shared', 'deep')]
    shared, separate = pd.concat(values, axis='columns', join='inner').to_numpy().T
    ratio, low, high = std_ratio(shared, separate)
    if ratio is None:
        return Judgement(OPEN, f'n = {len(shared)} seeds have no deviations to compare')
    return Judgement(
        below_zero(*shifted(low, high, -1)),
        f'deviation of shared over that of separate {ratio:.2f} {span(low, high, ".2f")} (BCa, '
        f'n = {len(shared)})',
    )


def auxiliary_loss_helps(name: str, results: Results) -> Judgement:
    """w = 0.5 against w = 0 at the reported setting; the other settings as evidence."""
    experiment = results[name]

    def gain(trial: Trial) -> PairedComparison:
        setting = {field: trial.hyperparameters[field] for field in (WIDTHS, LEARNING_RATE)}
        other = experiment.where({**setting, AUX_WEIGHT: 0.0})
        return compare(trial.accuracy(FINAL), other.accuracy(FINAL))

    gains = [gain(t) for t in experiment.trials if t.hyperparameters[AUX_WEIGHT] == 0.5]
    paired = gain(experiment.where(DEEP_SETTING))
    count = sum(paired.mean is not None and paired.mean > 0 for paired in gains)
    return Judgement(
        above_zero(*interval(paired)),
        f'w = 0.5 minus w = 0 {paired_text(paired)} at hidden size 100 and learning rate 1e-3; '
        f'above zero in the mean at {count} of {len(gains)} settings',
    )


def setting_is_best(name: str, results: Results) -> Judgement:
    """Whether the reported setting is the best of its grid at the final epoch."""
    experiment = results[f'{name}_grid']
    candidate = experiment.where(SETTINGS[name])
    named = zip(experiment.trial_names, experiment.trials, strict=True)
    others = {text: trial.accuracy(FINAL) for text, trial in named if trial is not candidate}
    return best_of('the reported setting', candidate.accuracy(FINAL), others)


def batches_of_one_are_better(name: str, results: Results) -> Judgement:
    """Batch size 1 against 100, the two that the report's authors tried."""
    one, hundred = (results[f'{name}_batch_sizes'].where({BATCH_SIZE: b}) for b in (1, 100))
    paired = {f: compare(one.accuracy(f), hundred.accuracy(f)) for f in (FINAL, BEST)}
    texts = [f'{paired_text(p)} at the {EPOCH_NAMES[figure]}' for figure, p in paired.items()]
    return Judgement(above_zero(*interval(paired[FINAL])), f'1 minus 100 {", ".join(texts)}')


def shallow_fits_its_train_pairs(results: Results) -> Judgement:
    """Per seed, the first epoch at which every train pair is answered right."""
    epochs = first_epoch_at(results.only_trial('shallow'), 1.0)
    verdict, text = most_of(int((epochs <= 5).sum()), len(epochs))
    evidence = f'{text} within 5 epochs; {_reached(epochs)}'
    if 'shallow_batch_sizes' in results.experiments:
        for trial in results['shallow_batch_sizes'].trials:
            size = trial.hyperparameters[BATCH_SIZE]
            evidence += f'; batches of {size}: {_reached(first_epoch_at(trial, 1.0))}'
    return Judgement(verdict, evidence)


def _reached(epochs: pd.Series) -> str:
    reached = epochs.dropna()
    text = f'{len(reached)} of {len(epochs)} ever'
    return f'{text}, the first in epoch {reached.min():.0f}' if len(reached) else text


CLAIMS = (
    Claim('sharing_gains', 'Weight sharing raises the accuracy.', 2, sharing_gains),
    Claim(
        'sharing_gains_as_stated',
        'Weight sharing gains 2.1 points (94.3 against 92.2).',
        2,
        sharing_gains_as_stated,
    ),
    Claim(
        'sharing_steadies',
        'Weight sharing reduces the variance between rounds.',
        2,
        sharing_steadies,
    ),
    *(
        Claim(
            f'auxiliary_loss_helps: {name}',
            f'The auxiliary loss helps: {model}.',
            2,
            partial(auxiliary_loss_helps, f'{name}_grid'),
        )
        for model, name in MODELS.items()
        if name != 'shallow'
    ),
    *(
        Claim(
            f'setting_is_best: {name}',
            f'The reported setting is the best of the search: {model}.',
            2,
            partial(setting_is_best, name),
        )
        for model, name in MODELS.items()
    ),
    *(
        Claim(
            f'batches_of_one: {name}',
            f'Batches of 1 are better than batches of 100: {model}.',
            2,
            partial(batches_of_one_are_better, name),
        )
        for model, name in MODELS.items()
    ),
    Claim(
        'shallow_fits',
        'ShallowModel reaches 100 % on its train pairs within 5 epochs (read as in most rounds).',
        2,
        shallow_fits_its_train_pairs,
    ),
    Claim(
        'majority: second report',
        'Every network of the second report beats always giving the commoner answer.',
        2,
        partial(beats_the_majority, experiment_names(2)),
    ),
)
