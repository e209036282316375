"""The empirical sentences of the first report, each with what decides it. No jax in here."""

from functools import partial

import numpy as np
import pandas as pd

from pairjax.analysis.statistics import describe
from pairjax.reporting.format import interval, mean_text, paired_text, points, points_span
from pairjax.studies.reproduction.claims import (
    OPEN,
    Claim,
    Judgement,
    above_zero,
    all_of,
    at_stated,
    beats_the_majority,
    below_zero,
    best_of,
    falls_with,
    shifted,
)
from pairjax.studies.reproduction.results import (
    BATCH_SIZE,
    BEST,
    FINAL,
    LEARNING_RATE,
    Results,
    compare,
    epoch_seconds,
    experiment_names,
)

AUXILIARY = {'AuxNet1': 'auxnet1', 'AuxNet2': 'auxnet2', 'AuxNet3': 'auxnet3'}
NETWORKS = {'BasicNet1': 'basicnet1', **AUXILIARY}
WIDTH_SWEEPS = {
    'BasicNet1': 'basicnet1_widths',
    'AuxNet1': 'auxnet1_widths',
    'AuxNet2': 'auxnet2_widths',
    'AuxNet3': 'auxnet3_widths',
}
# How the report's words are read.
ABOUT_FIVE, ABOUT, FAR = 0.05, 0.01, 0.05


def auxnet2_is_best(results: Results) -> Judgement:
    """At the best epoch on test, the figure of the report."""
    values = {model: results.only_trial(name).accuracy(BEST) for model, name in NETWORKS.items()}
    return best_of('AuxNet2', values.pop('AuxNet2'), values)


def auxnet3_is_behind(results: Results) -> Judgement:
    """At the best epoch on test; the final epoch is evidence."""
    ours, other = (results.only_trial(name) for name in ('auxnet2', 'auxnet3'))
    paired = compare(ours.accuracy(BEST), other.accuracy(BEST))
    low, high = interval(paired)
    verdict = at_stated(*shifted(low, high, -ABOUT_FIVE), tolerance=ABOUT)
    final = compare(ours.accuracy(FINAL), other.accuracy(FINAL))
    return Judgement(
        verdict,
        f'AuxNet2 minus AuxNet3 {paired_text(paired)} at the best epoch on test, '
        f'{paired_text(final)} at the final epoch',
    )


def basicnet1_lies_far_below(results: Results) -> Judgement:
    """Below each of the three by more than FAR, at the best epoch on test."""
    basic = results.only_trial('basicnet1').accuracy(BEST)
    verdicts, texts = [], []
    for model, name in AUXILIARY.items():
        paired = compare(results.only_trial(name).accuracy(BEST), basic)
        verdicts.append(above_zero(*interval(paired), threshold=FAR))
        texts.append(f'{model} minus BasicNet1 {paired_text(paired)}')
    return Judgement(all_of(verdicts), '; '.join(texts))


def low_accuracy_varies(name: str, results: Results) -> Judgement:
    """Over the trials of a width sweep: deviation between seeds against mean."""
    figures = [describe(trial.accuracy(BEST)) for trial in results[name].trials]
    figures = [figure for figure in figures if figure['std'] is not None]
    means, deviations = ([figure[key] for figure in figures] for key in ('mean', 'std'))
    return falls_with(means, deviations, 'widths')


def learning_rate_is_best(results: Results) -> Judgement:
    """5e-3 against each of the others, at the best epoch on test."""
    values = {
        trial.hyperparameters[LEARNING_RATE]: trial.accuracy(BEST)
        for trial in results['auxnet2_learning_rates'].trials
    }
    candidate = values.pop(5e-3, pd.Series(dtype=float))
    return best_of('5e-3', candidate, {f'{rate:g}': v for rate, v in values.items()})


def small_batches_are_better(results: Results) -> Judgement:
    """The slope of accuracy over the logarithm of the batch size, one slope a seed."""
    trials = results['auxnet2_batch_sizes'].trials
    frame = pd.DataFrame({t.hyperparameters[BATCH_SIZE]: t.accuracy(BEST) for t in trials}).dropna()
    if frame.shape[0] == 0 or frame.shape[1] < 2:
        return Judgement(OPEN, 'no seed has two batch sizes')
    slopes = np.polyfit(np.log2(frame.columns.to_numpy(float)), frame.to_numpy().T, 1)[0]
    figure = describe(slopes)
    low, high = figure['ci95'] or (None, None)
    first, last = frame.columns[0], frame.columns[-1]
    return Judgement(
        below_zero(low, high),
        f'{points(figure["mean"])} points {points_span(low, high)} for each doubling (n = '
        f'{len(slopes)} slopes over {first} to {last}), from {mean_text(frame[first])} at {first} '
        f'to {mean_text(frame[last])} at {last}; the highest mean at {frame.mean().idxmax()}',
    )


def time_falls_with_batch_size(results: Results) -> Judgement:
    """By the ranks of the seconds of a typical epoch."""
    trials = results['auxnet2_batch_sizes'].trials
    seconds = {t.hyperparameters[BATCH_SIZE]: epoch_seconds(t) for t in trials}
    seconds = {size: time for size, time in seconds.items() if time is not None}
    judgement = falls_with(list(seconds), list(seconds.values()), 'batch sizes')
    times = ', '.join(f'{1000 * s:.0f} ms at {size}' for size, s in seconds.items())
    return judgement._replace(
        evidence=f'{judgement.evidence}: an epoch of one run, evaluation included, takes {times}'
    )


CLAIMS = (
    Claim('auxnet2_is_best', 'AuxNet2 is the best of the four networks.', 1, auxnet2_is_best),
    Claim(
        'auxnet3_is_behind',
        'AuxNet3 is about 5 points behind AuxNet2 (read as 4 to 6).',
        1,
        auxnet3_is_behind,
    ),
    Claim(
        'basicnet1_lies_far_below',
        'BasicNet1 lies far below the networks with an auxiliary loss (read as 5 points or more).',
        1,
        basicnet1_lies_far_below,
    ),
    *(
        Claim(
            f'low_accuracy_varies: {model}',
            f'The lower the accuracy, the higher the variance between rounds: widths of {model}.',
            1,
            partial(low_accuracy_varies, name),
        )
        for model, name in WIDTH_SWEEPS.items()
    ),
    Claim('learning_rate', 'Learning rate 5e-3 is the best for AuxNet2.', 1, learning_rate_is_best),
    Claim('small_batches', 'Small batches are better for AuxNet2.', 1, small_batches_are_better),
    Claim(
        'time_falls',
        'Training time falls as the batch size grows.',
        1,
        time_falls_with_batch_size,
    ),
    Claim(
        'majority: first report',
        'Every network of the first report beats always giving the commoner answer.',
        1,
        partial(beats_the_majority, experiment_names(1)),
    ),
)
