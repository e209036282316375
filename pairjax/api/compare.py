"""`compare`: trials paired by seed, as a data frame."""

from pathlib import Path

import pandas as pd

from pairjax.analysis.paired import compare_workdirs
from pairjax.api.run import Results
from pairjax.errors import UserError, shown


def compare(
    *arms: Results | Path | str,
    measure: str = 'final_test_accuracy',
    against_first: bool = False,
) -> pd.DataFrame:
    """Compares every two of several trials over their common seeds, as launch/compare.py does.

    Args:
      *arms: results or workdirs, which stand for their selected trial; 'WORKDIR:3' and
        'WORKDIR:all' name others.
      measure: a statistic of summary.json.
      against_first: compare all others with the first alone.

    Returns: a row per pair of arms: a, b; n common seeds; difference a - b, a fraction, with its
      95 % interval low to high; p of the sign-flip test, Holm's p over all rows; seeds_needed to
      resolve such a difference.
    Raises: UserError where something is missing or may not be paired.
    """
    arguments = []
    for arm in arms:
        if not isinstance(arm, Results | Path | str):
            raise UserError(f'compare: {shown(arm)} must be results of pairjax.run or a workdir')
        arguments.append(str(arm.workdir if isinstance(arm, Results) else arm))
    rows = [
        {
            'a': pair.a,
            'b': pair.b,
            'n': pair.paired.n,
            'difference': pair.paired.mean,
            'low': pair.paired.ci95 and pair.paired.ci95[0],
            'high': pair.paired.ci95 and pair.paired.ci95[1],
            'p': pair.paired.p_value,
            'holm_p': pair.adjusted_p,
            'seeds_needed': pair.seeds_needed,
        }
        for pair in compare_workdirs(arguments, measure, against_first).pairs
    ]
    return pd.DataFrame(rows).astype({'seeds_needed': 'Int64'})
