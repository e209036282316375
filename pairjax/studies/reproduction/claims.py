"""What it takes for a sentence to hold: verdicts from intervals, in one place. No jax in here."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.special
import scipy.stats

from pairjax.analysis.statistics import PairedComparison, describe, holm, rank_correlation
from pairjax.reporting.format import interval, listed, mean_text, paired_text, span
from pairjax.studies.reproduction.results import FINAL, MissingError, Results, compare

HOLDS, FAILS, OPEN = 'holds', 'does not hold', 'cannot be told'
# An interval that reaches further than this to either side cannot confirm a stated figure.
RESOLUTION = 0.02
# Five items are in one given order by chance 1 time in 120; an order of fewer says nothing.
FEWEST_RANKED = 5


class Judgement(NamedTuple):
    """HOLDS, FAILS or OPEN, and the figures that say so."""

    verdict: str
    evidence: str


class Claim(NamedTuple):
    """One empirical sentence of a report.

    Attributes:
      key: names it, for what is known about a disagreement.
      sentence: as the report means it, with how it is read where it leaves that open.
      report: 1 or 2.
      judge: from the results to a Judgement; raises MissingError where runs are missing.
    """

    key: str
    sentence: str
    report: int
    judge: Callable[[Results], Judgement]


class Verdict(NamedTuple):
    """A claim judged."""

    key: str
    sentence: str
    report: int
    verdict: str
    evidence: str


class Difference(NamedTuple):
    """Ours minus recorded with its 95 % interval (Welch), fractions; None where n allows none."""

    mean: float | None
    low: float | None
    high: float | None


def judge_claims(claims: Sequence[Claim], results: Results) -> list[Verdict]:
    """Every claim's verdict; what was not run cannot be told."""
    verdicts = []
    for claim in claims:
        try:
            judgement = claim.judge(results)
        except MissingError as missing:
            judgement = Judgement(OPEN, str(missing))
        verdicts.append(Verdict(claim.key, claim.sentence, claim.report, *judgement))
    return verdicts


# ------------------------------------------------------------------------------- rules


def above_zero(low: float | None, high: float | None, threshold: float = 0.0) -> str:
    """HOLDS where the interval lies above the threshold, FAILS where it lies below it."""
    if low is None or high is None:
        return OPEN
    return HOLDS if low > threshold else FAILS if high < threshold else OPEN


def below_zero(low: float | None, high: float | None) -> str:
    """HOLDS where the interval lies below zero, FAILS where it lies above it."""
    return OPEN if low is None or high is None else above_zero(-high, -low)


def shifted(
    low: float | None, high: float | None, by: float
) -> tuple[float, float] | tuple[None, None]:
    """An interval moved by a number; none stays none."""
    return (None, None) if low is None or high is None else (low + by, high + by)


def at_stated(low: float | None, high: float | None, tolerance: float = 0.0) -> str:
    """Whether an interval of (ours - stated) allows the stated figure.

    FAILS where all of it lies further than `tolerance` from zero; HOLDS where it does not and is
    no wider than RESOLUTION to either side; OPEN where it is too wide to say.
    """
    if low is None or high is None:
        return OPEN
    if low > tolerance or high < -tolerance:
        return FAILS
    return HOLDS if (high - low) / 2 <= RESOLUTION else OPEN


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
    if low is None and n >= FEWEST_RANKED:
        low = high = rho  # Perfect order has no interval, and needs none.
    return Judgement(below_zero(low, high), text)


def best_of(name: str, candidate: pd.Series, others: Mapping[str, pd.Series]) -> Judgement:
    """Whether a candidate is better than each of the others, over common seeds.

    It holds where every interval lies above zero: each difference is tested on its own, since all
    of them must be shown (an intersection-union test, Berger 1982). It does not hold where some
    other is better with a paired t p-value below 0.05 after Holm's correction for their number.
    """
    comparisons = {other: compare(candidate, values) for other, values in others.items()}
    signs = [above_zero(*interval(c)) for c in comparisons.values()]
    better = [other for other, p in worse_p_values(comparisons).items() if p < 0.05]
    verdict = FAILS if better else HOLDS if signs and set(signs) == {HOLDS} else OPEN
    means = {other: values.mean() for other, values in others.items() if len(values)}
    evidence = f'{name} {mean_text(candidate)}'
    if means:
        rival = max(means, key=means.get)
        evidence += (
            f'; above {signs.count(HOLDS)} of {len(others)} others with an interval that excludes '
            f'zero; against the best of them, {rival}, {paired_text(comparisons[rival])}'
        )
    return Judgement(verdict, evidence)


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


def most_of(count: int, n: int) -> tuple[str, str]:
    """Whether most of n seeds do something that `count` of them did, with a 95 % interval.

    Returns: the verdict by the exact interval of Clopper and Pearson (1934), and a text.
    """
    if n == 0:
        return OPEN, 'no seed finished'
    interval = scipy.stats.binomtest(count, n).proportion_ci()
    text = f'{count} of {n} seeds (share {span(interval.low, interval.high, ".2f")})'
    return above_zero(interval.low, interval.high, threshold=0.5), text


def recorded_difference(values: pd.Series, recorded: Mapping[str, Any]) -> Difference:
    """The mean of `values` minus a recorded mean of independent rounds.

    Welch's interval; a recorded figure without a deviation is taken to have ours.

    Args:
      values: ours, one per seed.
      recorded: mean, std (None where not given) and n.
    """
    n, recorded_n = len(values), recorded['n']
    mean, std = (describe(values)[name] for name in ('mean', 'std'))
    if mean is None:
        return Difference(None, None, None)
    difference = mean - recorded['mean']
    recorded_std = std if recorded['std'] is None else recorded['std']
    if std is None or std == recorded_std == 0:
        return Difference(difference, None, None)
    parts = np.array([std**2 / n, recorded_std**2 / recorded_n])
    freedom = parts.sum() ** 2 / (parts**2 / [n - 1, recorded_n - 1]).sum()
    half = float(scipy.special.stdtrit(freedom, 0.975)) * math.sqrt(parts.sum())
    return Difference(difference, difference - half, difference + half)


def beats_the_majority(names: Sequence[str], results: Results) -> Judgement:
    """Whether every trial of these experiments beats always giving the commoner answer.

    Final epoch against the commoner answer's share of the same seed's test pairs. Trials whose
    main head is not trained at all do not count.
    """
    comparisons = {
        f'{name}: {trial_name}': compare(trial.accuracy(FINAL), results.majority)
        for name in names
        for trial_name, trial in zip(results[name].trial_names, results[name].trials, strict=True)
        if trial.hyperparameters['loss.main_weight'] > 0
    }
    verdicts = {name: above_zero(*interval(c)) for name, c in comparisons.items()}
    counted, rest = list(verdicts.values()), [n for n, v in verdicts.items() if v != HOLDS]
    text = (
        f'the commoner answer is right on {mean_text(results.majority)}; {counted.count(HOLDS)} '
        f'of {len(counted)} trials lie above it with an interval that excludes zero'
    )
    return Judgement(all_of(counted), f'{text}; not so: {listed(rest)}' if rest else text)
