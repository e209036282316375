"""How far the choice of learning rates by a pilot moves a difference between arms."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.special

from pairjax.analysis.statistics import LEVEL, PairedComparison
from pairjax.studies.factorial.design import Design, DesignCell
from pairjax.studies.factorial.parts import PilotRuns, rank_learning_rates

NUM_RESAMPLES = 10_000


class PickedArm(NamedTuple):
    """An arm of a difference: its sign there, its pilot runs by learning rate, and its pick."""

    sign: int
    pilot: Mapping[float, PilotRuns]
    picked: float


def interval_with_picks(
    paired: PairedComparison, arms: Sequence[PickedArm]
) -> tuple[float, float] | None:
    """The 95 % interval of a difference in which each arm's rate is picked by another such pilot.

    Pilot seeds are resampled with replacement, the same ones for all arms, as they are one pilot's
    (the bootstrap of a selection, Efron 2014, "Estimation and accuracy after model selection").
    Each resample picks rates on validation pairs; another rate than the study's moves the arm by
    what it does to the test accuracy of all pilot seeds. To this is added the t distribution of the
    mean difference, so that the interval is Student's where every resample picks the same rates.
    Which rates are finalists is taken as given.

    Returns: None where the difference has no interval, or an arm no pilot with two seeds.
    """
    tables = [_finalists(arm.pilot) for arm in arms]
    known = all(arm.picked in table['test'] for arm, table in zip(arms, tables, strict=True))
    if paired.ci95 is None or not known:
        return None
    seeds = sorted(set.intersection(*(set(table.index) for table in tables)))
    if len(seeds) < 2:
        return None
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, len(seeds), (NUM_RESAMPLES, len(seeds)))
    ranks = generator.permutation((np.arange(NUM_RESAMPLES) + 0.5) / NUM_RESAMPLES)
    error = paired.std / math.sqrt(paired.n)
    values = paired.mean + error * scipy.special.stdtrit(paired.n - 1, ranks)
    for arm, table in zip(arms, tables, strict=True):
        validation, tests = table.loc[seeds, 'validation'], table.loc[seeds, 'test'].mean()
        best = validation.to_numpy()[drawn].mean(axis=1).argmax(axis=1)
        values += arm.sign * (tests.to_numpy() - tests[arm.picked])[best]
    low, high = np.percentile(values, [100 * LEVEL / 2, 100 - 100 * LEVEL / 2])
    return float(low), float(high)


def _finalists(pilot: Mapping[float, PilotRuns]) -> pd.DataFrame:
    """Accuracies by seed of the rates with the most seeds: columns (set, rate), no seed missing."""
    sizes = {rate: len(runs.validation) + runs.num_failed for rate, runs in pilot.items()}
    finalists = {rate: pilot[rate] for rate in pilot if sizes[rate] == max(sizes.values())}
    columns = {
        (name, rate): getattr(runs, name)
        for name in ('validation', 'test')
        for rate, runs in finalists.items()
    }
    return pd.DataFrame(columns).dropna()


def gains_of_changed_picks(
    design: Design, pilots: Mapping[DesignCell, Mapping[float, PilotRuns]]
) -> list[float]:
    """The gain of each arm for which all pilot seeds pick another rate than the first looks.

    Returns: the mean test accuracy over all pilot seeds with the rate picked minus that with the
      rate that the seeds of the first looks alone would have picked; fractions.
    """
    last = design.first_pilot_seed + design.num_first_looks - 1
    looks = {
        cell: {rate: _until(runs, last, design.num_first_looks) for rate, runs in rates.items()}
        for cell, rates in pilots.items()
    }
    first, final = rank_learning_rates(looks), rank_learning_rates(pilots)
    tests = {
        cell: [pilots[cell][ranked[0]].test.mean() for ranked in (final[cell], first[cell])]
        for cell in final
        if cell in first and final[cell][0] != first[cell][0]
    }
    return [float(now - before) for now, before in tests.values()]


def _until(runs: PilotRuns, last: int, num_seeds: int) -> PilotRuns:
    """The runs of the seeds up to `last`, of which there were num_seeds."""
    validation, test = (values[values.index <= last] for values in runs[:2])
    return PilotRuns(validation, test, num_seeds - len(validation))
