"""Paired comparison of trials, in one workdir or several, over common seeds."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pairjax.analysis.arms import ComparedTrial, check_measure, check_paired, read_arms
from pairjax.analysis.seeds_and_images import FEW_IMAGES, CrossedInterval
from pairjax.analysis.sequential import compare_sequentially, seeds_to_settle
from pairjax.analysis.statistics import (
    LEVEL,
    PairedComparison,
    compare_paired,
    holm,
    seeds_to_resolve,
    std_ratio,
)
from pairjax.analysis.verdicts import Equivalence, adjust_equivalences, equivalence_test, verdict
from pairjax.errors import UserError
from pairjax.system import Track, untracked

# Accuracies on test pairs that the last checkpoint reproduces.
AT_LAST_EPOCH = ('final_test_accuracy', 'exact_pair_accuracy')


class Pair(NamedTuple):
    """Arm a against arm b over their common seeds.

    Attributes:
      a, b: names of the arms.
      differences: a - b per seed, fractions.
      paired: their mean, interval and p-value, by sign flips or sequential.
      adjusted_p: Holm's, over all pairs compared.
      std_ratio: std of a over that of b, with its 95 % interval: (ratio, low, high).
      seeds_needed: common seeds that resolve a difference of this size, see `seeds_needed`; None
        where it is already resolved, or zero.
      verdict: a is 'better', 'worse', 'equivalent' or 'unresolved', see `verdicts`.
      equivalence: the test of equivalence; None where no margin was given.
    """

    a: str
    b: str
    differences: list[float]
    paired: PairedComparison
    adjusted_p: float
    std_ratio: tuple[float | None, float | None, float | None]
    seeds_needed: int | None
    verdict: str
    equivalence: Equivalence | None = None


class ComparisonOptions(NamedTuple):
    """How arms are compared.

    Attributes:
      against_first: the first is what the others are compared with, and with nothing else.
      margin: differences below it count as none, a fraction; None without a test of equivalence.
      sequential: intervals and p-values are valid at every n at once.
    """

    against_first: bool = False
    margin: float | None = None
    sequential: bool = False


DEFAULTS = ComparisonOptions()


class Comparison(NamedTuple):
    """Arms over their common seeds.

    Attributes:
      measure: the statistic compared, by its name in summary.json.
      seeds: common to all arms.
      arms: in the order given.
      values: per arm the measure of each of `seeds`, fractions.
      pairs: every two arms, or each with the first.
      options: how they were compared.
      crossed: per pair its interval over seeds and test images; None where it was not asked for.
      crossed_note: why there is none, a sentence; empty where there is, or need not be.
    """

    measure: str
    seeds: list[int]
    arms: list[ComparedTrial]
    values: list[list[float]]
    pairs: list[Pair]
    options: ComparisonOptions = DEFAULTS
    crossed: list[CrossedInterval | None] | None = None
    crossed_note: str = ''

    @property
    def needs_images(self) -> bool:
        """Whether test images are so few that intervals over seeds alone are too narrow.

        Never of a sequential comparison, or of a measure that is not taken at the last epoch.
        """
        few = self.arms[0].experiment.data['test_pool'] <= FEW_IMAGES
        return few and self.measure in AT_LAST_EPOCH and not self.options.sequential


def compare_workdirs(
    arguments: Sequence[str],
    measure: str,
    options: ComparisonOptions = DEFAULTS,
    track: Track = untracked,
) -> Comparison:
    """Compares every two of the trials named, or all others with the first.

    Args:
      arguments: WORKDIR for its selected trial, WORKDIR:TRIAL for one by its index in summary.json,
        WORKDIR:all for every one; WORKDIR+WORKDIR for workdirs that hold different seeds.
      measure: a statistic of a trial in summary.json, such as final_test_accuracy.
      options: which pairs, and by which tests.
      track: shows how many pairs are compared.

    Raises: UserError where something is missing or may not be paired.
    """
    arms = read_arms(arguments)
    check_measure(arms, measure)
    check_paired(arms, measure)
    return compare_trials(arms, measure, options, track)


def compare_trials(
    arms: Sequence[ComparedTrial],
    measure: str,
    options: ComparisonOptions = DEFAULTS,
    track: Track = untracked,
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
    values = [series[seeds].tolist() for series in by_arm]
    every_two = list(itertools.combinations(range(len(arms)), 2))
    chosen = [(j, i) for i, j in every_two if i == 0] if options.against_first else every_two
    names = [arm.name for arm in arms]
    named = [(names[i], names[j], values[i], values[j]) for i, j in chosen]
    pairs = compare_pairs(named, options, track)
    return Comparison(measure, seeds, list(arms), values, pairs, options)


def compare_pairs(
    arms: Sequence[tuple[str, str, Sequence[float], Sequence[float]]],
    options: ComparisonOptions,
    track: Track = untracked,
) -> list[Pair]:
    """Compares pairs of arms as one family: (name, name, values, values), fractions by seed."""
    compare = compare_sequentially if options.sequential else compare_paired
    both = [(compare(a, b), std_ratio(a, b)) for _, _, a, b in track(arms, 'comparing')]
    compared, std_ratios = [one for one, _ in both], [ratio for _, ratio in both]
    adjusted = holm([paired.p_value for paired in compared])
    differences = [[x - y for x, y in zip(a, b, strict=True)] for _, _, a, b in arms]
    tests: Sequence[Equivalence | None] = [None] * len(arms)
    if options.margin is not None:
        tests = adjust_equivalences(
            [equivalence_test(d, options.margin, options.sequential) for d in differences]
        )
    return [
        Pair(
            *(name, other, difference, paired, p, ratio),
            None if p <= LEVEL else seeds_needed(paired, difference, len(compared)),
            *(verdict(paired.mean, p, test), test),
        )
        for (name, other, *_), difference, paired, p, ratio, test in zip(
            arms, differences, compared, adjusted, std_ratios, tests, strict=True
        )
    ]


def seeds_needed(
    paired: PairedComparison, differences: Sequence[float], num_pairs: int
) -> int | None:
    """Common seeds with which a difference of the size seen is significant four times in five.

    At the level 0.05 / num_pairs, the hardest of Holm's, and not fewer than the sign-flip
    test needs to get there at all. For a sequential comparison: seeds after which it would be
    resolved if further ones repeated these differences.

    Args:
      paired: the comparison.
      differences: of its seeds.
      num_pairs: compared with it.

    Returns: None where the mean or the std of the differences is zero, and where a sequential
      comparison would need more than 100,000.
    """
    level = LEVEL / num_pairs
    if not paired.std or not paired.mean:
        return None
    if paired.method == 'sequential':
        return seeds_to_settle(differences, level)
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
