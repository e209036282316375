"""Paired comparison of trials, in one workdir or several, over common seeds."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pairjax.analysis.arms import ComparedTrial, check_measure, check_paired, read_arms
from pairjax.analysis.results import pair_by_seed
from pairjax.analysis.statistics import PairedComparison, holm, seeds_to_resolve, std_ratio
from pairjax.errors import UserError

LEVEL = 0.05


class Pair(NamedTuple):
    """Arm a against arm b over their common seeds.

    Attributes:
      a, b: names of the arms.
      differences: a - b per seed, fractions.
      paired: their mean, interval and sign-flip p-value.
      adjusted_p: Holm's, over all pairs compared.
      std_ratio: std of a over that of b, with its 95 % interval: (ratio, low, high).
      seeds_needed: common seeds that resolve a difference of this size, see `seeds_needed`; None
        where it is already resolved, or zero.
    """

    a: str
    b: str
    differences: list[float]
    paired: PairedComparison
    adjusted_p: float
    std_ratio: tuple[float | None, float | None, float | None]
    seeds_needed: int | None


class Comparison(NamedTuple):
    """Arms over their common seeds.

    Attributes:
      measure: the statistic compared, by its name in summary.json.
      seeds: common to all arms.
      arms: in the order given.
      values: per arm the measure of each of `seeds`, fractions.
      pairs: every two arms, or each with the first.
    """

    measure: str
    seeds: list[int]
    arms: list[ComparedTrial]
    values: list[list[float]]
    pairs: list[Pair]


def compare_workdirs(
    arguments: Sequence[str], measure: str, against_first: bool = False
) -> Comparison:
    """Compares every two of the trials named, or all others with the first.

    Args:
      arguments: WORKDIR for its selected trial, WORKDIR:TRIAL for one by its index in summary.json,
        WORKDIR:all for every one.
      measure: a statistic of a trial in summary.json, such as final_test_accuracy.
      against_first: the first is what the others are compared with, and with nothing else.

    Raises: UserError where something is missing or may not be paired.
    """
    arms = read_arms(arguments)
    check_measure(arms, measure)
    check_paired(arms, measure)
    return compare_trials(arms, measure, against_first)


def compare_trials(
    arms: Sequence[ComparedTrial], measure: str, against_first: bool = False
) -> Comparison:
    """`compare_workdirs` of arms that `check_paired` accepts, over the seeds common to all.

    Raises: UserError where fewer than two seeds are common.
    """
    by_arm = [arm.trial.values(measure) for arm in arms]
    seeds = sorted(set.intersection(*(set(values.index) for values in by_arm)))
    if len(seeds) < 2:
        held = ', '.join(
            f'{arm.name} {seed_list(values.index)}'
            for arm, values in zip(arms, by_arm, strict=True)
        )
        raise UserError(
            f'a comparison needs two common seeds that did not fail, and there are {len(seeds)} '
            f'({held}); train the missing ones with --config.seed and --config.num_seeds'
        )
    values = [series[seeds] for series in by_arm]
    every_two = list(itertools.combinations(range(len(arms)), 2))
    chosen = [(j, i) for i, j in every_two if i == 0] if against_first else every_two
    compared = [(i, j, pair_by_seed(values[i], values[j])) for i, j in chosen]
    adjusted = holm([paired.p_value for _, _, paired in compared])
    pairs = [
        Pair(
            arms[i].name,
            arms[j].name,
            (values[i] - values[j]).tolist(),
            paired,
            p,
            std_ratio(values[i], values[j]),
            None if p <= LEVEL else seeds_needed(paired, len(compared)),
        )
        for (i, j, paired), p in zip(compared, adjusted, strict=True)
    ]
    return Comparison(measure, seeds, list(arms), [series.tolist() for series in values], pairs)


def seeds_needed(paired: PairedComparison, num_pairs: int) -> int | None:
    """Common seeds with which a difference of the size seen is significant four times in five.

    At the level 0.05 / num_pairs, the hardest of Holm's, and not fewer than the sign-flip
    test needs to get there at all.

    Returns: None where the mean or the std of the differences is zero.
    """
    level = LEVEL / num_pairs
    planned = seeds_to_resolve(paired.std, paired.mean, alpha=level)
    return planned and max(planned, math.ceil(1 - math.log2(level)))


def measure_name(measure: str) -> str:
    """A measure in words: final test accuracy."""
    return measure.replace('_', ' ')


def seed_list(seeds: Iterable[int]) -> str:
    """Seeds in words: 0 to 4, 7."""
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    texts = [f'{run[0]} to {run[-1]}' if len(run) > 1 else str(run[0]) for run in runs]
    return ', '.join(texts) or 'none'
