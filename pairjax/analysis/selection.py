"""What choosing the best of several results adds to it: the winner's curse."""

from typing import Any

import numpy as np
import pandas as pd

from pairjax.analysis.statistics import describe


def gain_of_choosing(table: pd.DataFrame) -> dict[str, Any]:
    """How much higher the best of k results reads than the same choice does on other seeds.

    Each seed in turn chooses its highest result and takes it as its accuracy; the mean of the other
    seeds' results in that column is what was chosen in truth. The difference is what choosing adds:
    it estimates without bias how far the maximum over k lies above the true mean of the choice.

    Args:
      table: accuracies as fractions, a row per seed, a column per result that could have been
        chosen (trial, epoch, or both); NaN is never chosen.

    Returns: as `describe`, over seeds that chose something that another seed has too. The seeds
      share each other's means, so the interval is approximate.
    """
    gains = []
    for seed, row in table.iterrows():
        if row.notna().any():
            choice = row.idxmax()
            others = table.loc[table.index != seed, choice]
            gains.append(row[choice] - others.mean())
    return describe([gain for gain in gains if not np.isnan(gain)])
