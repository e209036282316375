"""What it takes for a sentence of a paper to hold: verdicts from intervals, in one place."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import scipy.special
import scipy.stats

from pairjax.analysis.prediction import compare_single
from pairjax.analysis.results import MissingError, pair_by_seed
from pairjax.analysis.statistics import (
    IndependentComparison,
    PairedComparison,
    compare_independent,
    describe,
    holm,
    rank_correlation,
)
from pairjax.reporting.format import listed, mean_text, paired_text, span
from pairjax.studies.reproduction.results import FINAL, Reproduction

HOLDS, FAILS, OPEN = 'holds', 'does not hold', 'cannot be told'
# An interval that reaches further than this to either side cannot confirm a stated number.
RESOLUTION = 0.02
# Five items are in one given order by chance 1 time in 120; an order of fewer says nothing.
FEWEST_RANKED = 5

# (low, high), None where n allows none.
Interval = Sequence[float] | None


class Judgement(NamedTuple):
    """HOLDS, FAILS or OPEN, and the statistics that say so."""

    verdict: str
    evidence: str


class Claim(NamedTuple):
    """One empirical sentence of a paper.

    Attributes:
      key: names it, for what is known about a disagreement.
      sentence: as the paper means it, with how it is read where it leaves that open.
      judge: from the results to a Judgement; raises MissingError where runs are missing.
    """

    key: str
    sentence: str
    judge: Callable[[Reproduction], Judgement]


class Verdict(NamedTuple):
    """A claim judged."""

    key: str
    sentence: str
    verdict: str
    evidence: str


def claim(claims: list[Claim], sentence: str, models: Mapping[str, str] | None = None) -> Callable:
    """Decorates a judge: adds its claim to `claims`, under the judge's name as its key.

    Args:
      claims: of a paper.
      sentence: as in Claim.
      models: networks by the name to show, for a sentence with {} that is one claim for each. The
        judge then takes the network before the results, and the key is 'JUDGE: NETWORK'.
    """

    def add(judge: Callable) -> Callable:
        key = judge.__name__
        if models is None:
            claims.append(Claim(key, sentence, judge))
        for model, name in (models or {}).items():
            claims.append(Claim(f'{key}: {name}', sentence.format(model), partial(judge, name)))
        return judge

    return add


def judge_claims(claims: Sequence[Claim], results: Reproduction) -> list[Verdict]:
    """Every claim's verdict; what was not run cannot be told."""
    verdicts = []
    for claim in claims:
        try:
            judgement = claim.judge(results)
        except MissingError as missing:
            judgement = Judgement(OPEN, str(missing))
        verdicts.append(Verdict(claim.key, claim.sentence, *judgement))
    return verdicts


# ------------------------------------------------------------------------------- rules


def above(interval: Interval, threshold: float = 0.0) -> str:
    """HOLDS where the interval is above the threshold, FAILS where it is below it."""
    if interval is None:
        return OPEN
    low, high = interval
    return HOLDS if low > threshold else FAILS if high < threshold else OPEN


def below(interval: Interval, threshold: float = 0.0) -> str:
    """HOLDS where the interval is below the threshold, FAILS where it is above it."""
    return {HOLDS: FAILS, FAILS: HOLDS, OPEN: OPEN}[above(interval, threshold)]


def at_stated(
    interval: Interval, stated: float = 0.0, tolerance: float = 0.0, widest: float = RESOLUTION
) -> str:
    """Whether an interval allows the stated number.

    FAILS where all of it is further than `tolerance` from it; HOLDS where it is not and the
    interval is no wider than `widest` to either side; OPEN where it is too wide to say.
    """
    if interval is None:
        return OPEN
    low, high = interval
    if low - stated > tolerance or high - stated < -tolerance:
        return FAILS
    return HOLDS if (high - low) / 2 <= widest else OPEN


def all_of(verdicts: Sequence[str]) -> str:
    """FAILS where one fails, HOLDS where all hold."""
    if FAILS in verdicts:
        return FAILS
    return HOLDS if verdicts and set(verdicts) == {HOLDS} else OPEN


def falls_with(x: Sequence[float], y: Sequence[float], what: str) -> Judgement:
    """Whether y falls as x rises, by Spearman's rank correlation."""
    rho, low, high = rank_correlation(x, y)
    n = len(x)
    if rho is None:
        return Judgement(OPEN, f'{n} {what} have no ranks to compare')
    text = f'rank correlation {rho:+.2f} {span(low, high, "+.2f")} (n = {n} {what})'
    if low is None:  # Perfect order has no interval; of enough items it needs none.
        return Judgement(below((rho, rho) if n >= FEWEST_RANKED else None), text)
    return Judgement(below((low, high)), text)


def best_of(name: str, candidate: pd.Series, others: Mapping[str, pd.Series]) -> Judgement:
    """Whether a candidate is better than each of the others, over common seeds.

    It holds where every interval is above zero: each difference is tested on its own, since all
    of them must be shown (an intersection-union test, Berger 1982). It does not hold where some
    other is better with a paired t p-value below 0.05 after Holm's correction for their number.
    """
    comparisons = {other: pair_by_seed(candidate, values) for other, values in others.items()}
    signs = [above(comparison.ci95) for comparison in comparisons.values()]
    is_worse = any(p < 0.05 for p in worse_p_values(comparisons).values())
    evidence = f'{name} {mean_text(candidate)}'
    means = {other: values.mean() for other, values in others.items() if len(values)}
    if means:
        rival = max(means, key=means.get)
        evidence += (
            f'; above {signs.count(HOLDS)} of {len(others)} others with an interval that excludes '
            f'zero; against the best of them, {rival}, {paired_text(comparisons[rival])}'
        )
    holds = signs and set(signs) == {HOLDS}
    return Judgement(FAILS if is_worse else HOLDS if holds else OPEN, evidence)


def worse_p_values(comparisons: Mapping[str, PairedComparison]) -> dict[str, float]:
    """Holm-adjusted two-sided paired t p-values of the comparisons; 1 where ours is not below."""
    p_values = []
    for comparison in comparisons.values():
        if comparison.ci95 is None or comparison.mean >= 0:
            p_values.append(1.0)
        else:
            t = comparison.mean / (comparison.std / math.sqrt(comparison.n))
            p_values.append(2 * float(scipy.special.stdtr(comparison.n - 1, t)))
    return dict(zip(comparisons, holm(p_values), strict=True)) if p_values else {}


def most_of(count: int, n: int) -> Judgement:
    """Whether most of n seeds do something that `count` of them did.

    The verdict is by the exact 95 % interval of Clopper and Pearson (1934).
    """
    if n == 0:
        return Judgement(OPEN, 'no seed finished')
    interval = scipy.stats.binomtest(count, n).proportion_ci()
    text = f'{count} of {n} seeds (share {span(*interval, ".2f")})'
    return Judgement(above(interval, threshold=0.5), text)


def recorded_difference(
    values: pd.Series, recorded: Mapping[str, Any] | None
) -> IndependentComparison:
    """The mean of `values` minus what a paper records: independent rounds, or one run.

    Args:
      values: ours, one per seed, fractions.
      recorded: mean, std and n; None where a paper records nothing. With n = 1 the interval is the
        prediction interval of one more run.
    """
    if recorded is None:
        return IndependentComparison(None, None, None, None)
    if recorded['n'] == 1:
        return compare_single(values, recorded['mean'])
    mean, std = (describe(values)[name] for name in ('mean', 'std'))
    other = (recorded[name] for name in ('mean', 'std', 'n'))
    return compare_independent(mean, std, len(values), *other)


def at_recorded(values: pd.Series, recorded: Mapping[str, Any]) -> str:
    """Whether ours allow what a paper records; one run is allowed by its prediction interval."""
    widest = math.inf if recorded['n'] == 1 else RESOLUTION
    return at_stated(recorded_difference(values, recorded).ci95, widest=widest)


def beats_the_majority(names: Sequence[str], results: Reproduction) -> Judgement:
    """Whether every trial of these experiments beats the majority-class baseline.

    Final epoch against the baseline on the same seed's test pairs. Trials whose main head is not
    trained at all do not count.
    """
    verdicts = {
        f'{name}: {trial.name}': above(pair_by_seed(trial.values(FINAL), results.majority).ci95)
        for name in names
        for trial in results[name].trials
        if trial.hyperparameters['loss.main_weight'] > 0
    }
    rest = [name for name, verdict in verdicts.items() if verdict != HOLDS]
    text = (
        f'the commoner answer is right on {mean_text(results.majority)}; '
        f'{len(verdicts) - len(rest)} of {len(verdicts)} trials lie above it with an interval that '
        'excludes zero'
    )
    text += f'; not so: {listed(rest)}' if rest else ''
    return Judgement(all_of(list(verdicts.values())), text)
