"""The empirical sentences of the first paper, each with what decides it."""

import numpy as np
import pandas as pd

from pairjax.analysis.results import pair_by_seed
from pairjax.analysis.statistics import describe
from pairjax.reporting.format import mean_text, paired_text, points, points_span
from pairjax.studies.reproduction import claims as rules
from pairjax.studies.reproduction.claims import claim
from pairjax.studies.reproduction.results import (
    BATCH_SIZE,
    BEST,
    FINAL,
    LEARNING_RATE,
    NETWORKS,
    Reproduction,
    by_batch_size,
    epoch_seconds,
    experiment_names,
)

CLAIMS: list[rules.Claim] = []
# How the paper's words are read.
ABOUT_FIVE, ABOUT, FAR = 0.05, 0.01, 0.05


@claim(CLAIMS, 'AuxNet2 is the best of the four networks.')
def auxnet2_is_best(results: Reproduction) -> rules.Judgement:
    """At the best epoch on test, the measure of the paper."""
    values = {model: results.values(name, BEST) for model, name in NETWORKS[1].items()}
    return rules.best_of('AuxNet2', values.pop('AuxNet2'), values)


@claim(CLAIMS, 'AuxNet3 is about 5 points behind AuxNet2 (read as 4 to 6).')
def auxnet3_is_behind(results: Reproduction) -> rules.Judgement:
    """At the best epoch on test; the final epoch is evidence."""
    best, final = (
        pair_by_seed(results.values('auxnet2', measure), results.values('auxnet3', measure))
        for measure in (BEST, FINAL)
    )
    return rules.Judgement(
        rules.at_stated(best.ci95, ABOUT_FIVE, tolerance=ABOUT),
        f'AuxNet2 minus AuxNet3 {paired_text(best)} at the best epoch on test, '
        f'{paired_text(final)} at the final epoch',
    )


@claim(
    CLAIMS,
    'BasicNet1 lies far below the networks with an auxiliary loss (read as 5 points or more).',
)
def basicnet1_is_far_below(results: Reproduction) -> rules.Judgement:
    """Below each of the three by more than FAR, at the best epoch on test."""
    values = {model: results.values(name, BEST) for model, name in NETWORKS[1].items()}
    basic = values.pop('BasicNet1')
    paired = {model: pair_by_seed(others, basic) for model, others in values.items()}
    verdict = rules.all_of([rules.above(comparison.ci95, FAR) for comparison in paired.values()])
    texts = [f'{model} minus BasicNet1 {paired_text(p)}' for model, p in paired.items()]
    return rules.Judgement(verdict, '; '.join(texts))


@claim(
    CLAIMS,
    'The lower the accuracy, the higher the variance between rounds: widths of {}.',
    NETWORKS[1],
)
def low_accuracy_varies(name: str, results: Reproduction) -> rules.Judgement:
    """Over the trials of a width sweep: std between seeds against mean."""
    statistics = [describe(trial.values(BEST)) for trial in results[f'{name}_widths'].trials]
    known = [statistic for statistic in statistics if statistic['std'] is not None]
    return rules.falls_with([s['mean'] for s in known], [s['std'] for s in known], 'widths')


@claim(CLAIMS, 'Learning rate 5e-3 is the best for AuxNet2.')
def learning_rate_is_best(results: Reproduction) -> rules.Judgement:
    """5e-3 against each of the others, at the best epoch on test."""
    trials = results['auxnet2_learning_rates'].trials
    values = {trial.hyperparameters[LEARNING_RATE]: trial.values(BEST) for trial in trials}
    candidate = values.pop(5e-3, pd.Series(dtype=float))
    return rules.best_of('5e-3', candidate, {f'{rate:g}': v for rate, v in values.items()})


@claim(CLAIMS, 'Small batches are better for AuxNet2.')
def small_batches_are_better(results: Reproduction) -> rules.Judgement:
    """The slope of accuracy over the logarithm of the batch size, one slope a seed."""
    frame = pd.DataFrame(by_batch_size(results['auxnet2_batch_sizes'], BEST)).dropna()
    if frame.shape[0] == 0 or frame.shape[1] < 2:
        return rules.Judgement(rules.OPEN, 'no seed has two batch sizes')
    slopes = np.polyfit(np.log2(frame.columns.to_numpy(float)), frame.to_numpy().T, 1)[0]
    slope = describe(slopes)
    first, last = frame.columns[0], frame.columns[-1]
    return rules.Judgement(
        rules.below(slope['ci95']),
        f'{points(slope["mean"])} points {points_span(*slope["ci95"] or (None, None))} for each '
        f'doubling (n = {len(slopes)} slopes over {first} to {last}), from '
        f'{mean_text(frame[first])} at {first} to {mean_text(frame[last])} at {last}; the highest '
        f'mean at {frame.mean().idxmax()}',
    )


@claim(CLAIMS, 'Training time falls as the batch size grows.')
def time_falls_with_batch_size(results: Reproduction) -> rules.Judgement:
    """By the ranks of the seconds of a typical epoch."""
    trials = results['auxnet2_batch_sizes'].trials
    seconds = {trial.hyperparameters[BATCH_SIZE]: epoch_seconds(trial) for trial in trials}
    seconds = {size: time for size, time in seconds.items() if time is not None}
    judgement = rules.falls_with(list(seconds), list(seconds.values()), 'batch sizes')
    times = ', '.join(f'{1000 * s:.0f} ms at {size}' for size, s in seconds.items())
    return judgement._replace(
        evidence=f'{judgement.evidence}: an epoch of one run, evaluation included, takes {times}'
    )


@claim(CLAIMS, 'Every network of the first report beats always giving the commoner answer.')
def first_beat_the_majority(results: Reproduction) -> rules.Judgement:
    """Every trial of every experiment."""
    return rules.beats_the_majority(experiment_names(1), results)
