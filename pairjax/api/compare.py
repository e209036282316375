"""`compare`: trials paired by seed, as a data frame."""

from pathlib import Path
from typing import Any

import pandas as pd

from pairjax.analysis.paired import Comparison, ComparisonOptions, compare_workdirs
from pairjax.api.run import Results
from pairjax.errors import UserError, shown
from pairjax.trials import trial_names


def compare(
    *arms: Any,
    measure: str = 'final_test_accuracy',
    against_first: bool = False,
    margin: float | None = None,
    sequential: bool = False,
) -> pd.DataFrame:
    """Compares every two of several trials over their common seeds, as launch/compare.py does.

    Args:
      *arms: results or workdirs, which stand for their selected trial; 'WORKDIR:3' and
        'WORKDIR:all' name others. A list of results or workdirs is one arm: they hold different
        seeds of one experiment.
      measure: a statistic of summary.json.
      against_first: compare all others with the first alone.
      margin: a fraction; differences below it count as none, and equivalence is tested.
      sequential: intervals and p-values that are valid at every number of seeds at once.

    Returns: a row per pair of arms: a, b, their workdirs' names (the config's where no workdir was
      named); trial_a, trial_b, what they are, with the fields that differ; n common seeds;
      difference a - b, a fraction, with its 95 % interval low to high, None where it is unbounded;
      p of the sign-flip or sequential test, Holm's p over all rows; the verdict on a: better,
      worse, equivalent or unresolved; seeds_needed to resolve such a difference; with a margin
      Holm's equivalence_p.
    Raises: UserError where something is missing or may not be paired.
    """
    if margin is not None and not 0 < margin < 1:
        raise UserError(
            f'compare: margin={margin} must be a fraction, such as 0.005 for 0.5 points'
        )
    arguments = [
        '+'.join(
            arm_text(one, f'compare: {shown(one)}')
            for one in (arm if isinstance(arm, list | tuple) else [arm])
        )
        for arm in arms
    ]
    options = ComparisonOptions(against_first, margin, sequential)
    comparison = compare_workdirs(arguments, measure, options)
    names, trials = _names(comparison, arms), _trials(comparison)
    rows = [
        {
            'a': names[pair.a],
            'b': names[pair.b],
            'trial_a': trials[pair.a],
            'trial_b': trials[pair.b],
            'n': pair.paired.n,
            'difference': pair.paired.mean,
            'low': pair.paired.ci95 and pair.paired.ci95[0],
            'high': pair.paired.ci95 and pair.paired.ci95[1],
            'p': pair.paired.p_value,
            'holm_p': pair.adjusted_p,
            'verdict': pair.verdict,
            'seeds_needed': pair.seeds_needed,
            **({'equivalence_p': pair.equivalence.adjusted_p} if pair.equivalence else {}),
        }
        for pair in comparison.pairs
    ]
    return pd.DataFrame(rows).astype({'seeds_needed': 'Int64'})


def _trials(comparison: Comparison) -> dict[str, str]:
    """What each arm is, by its name."""
    texts = trial_names([arm.trial.summary for arm in comparison.arms])
    return {arm.name: text for arm, text in zip(comparison.arms, texts, strict=True)}


def _names(comparison: Comparison, arms: tuple) -> dict[str, str]:
    """What to call each arm, by its name: a temporary workdir's path says nothing to anybody."""
    given = [one for arm in arms for one in (arm if isinstance(arm, list | tuple) else [arm])]
    temporary = {one.workdir for one in given if isinstance(one, Results) and one.temporary}
    names = {arm.name: arm.name for arm in comparison.arms}
    # An arm has its path as a name only where another workdir ends alike.
    alike = [a for a in comparison.arms if a.name.startswith(str(a.experiment.workdir))]
    for number, arm in enumerate(alike, start=1):
        if arm.experiment.workdir in temporary:
            ending = f':{arm.trial.index}' if len(arm.experiment.trials) > 1 else ''
            names[arm.name] = f'{arm.experiment.name} ({number}){ending}'
    return names


def arm_text(arm: Any, name: str) -> str:
    """Results or a workdir as launch/compare.py takes them: WORKDIR, or WORKDIR+WORKDIR.

    Args:
      arm: results, a path or a text; of results that hold seeds of several workdirs all of these.
      name: of the argument, for the error.

    Raises: UserError where it is something else.
    """
    if isinstance(arm, Results):
        return '+'.join(map(str, arm.experiment.workdirs))
    if isinstance(arm, Path | str):
        return str(arm)
    raise UserError(f'{name} must be results of pairjax.run or a workdir')
