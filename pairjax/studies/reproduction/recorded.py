"""The accuracies that both papers record, from the JSON files in data/."""

import functools
import json
from importlib import resources
from typing import Any

import pandas as pd

from pairjax.analysis.statistics import describe

# A recorded accuracy: mean and std as fractions in [0, 1], std None where it is unknown; the number
# of rounds n; epoch and optimizer; origin, in words.
Recorded = dict[str, Any]
ABOUT = ('n', 'epoch', 'optimizer', 'origin')


@functools.cache
def read_paper(number: int) -> dict[str, Any]:
    """Everything recorded of paper 1 or 2, as its file has it: accuracies in percent."""
    path = resources.files(__package__) / 'data' / f'report{number}.json'
    return json.loads(path.read_text())


def recorded_widths(model: str) -> dict[tuple[int, ...], Recorded]:
    """Best-epoch test accuracy by layer widths, first paper; empty where it gives none."""
    rows = read_paper(1)['widths'].get(model, [])
    return {tuple(row['widths']): _as_fractions(read_paper(1) | row) for row in rows}


def recorded_learning_rates() -> dict[float, Recorded]:
    """Best-epoch test accuracy of AuxNet2 (32, 32, 64, 256) by learning rate, first paper."""
    rows = read_paper(1)['learning_rates']['rows']
    return {row['learning_rate']: _as_fractions(read_paper(1) | row) for row in rows}


def recorded_headline(network: str) -> Recorded:
    """The accuracy in the text of the second paper: one run, chosen.

    Args:
      network: shallow, deep or deep_shared.
    """
    return _as_fractions(read_paper(2)['networks'][network]['headline'])


def recorded_rounds(network: str, epoch: str) -> Recorded:
    """The ten rounds that the second paper's authors stored.

    Args:
      network: as for `recorded_headline`.
      epoch: 'final epoch' or 'best epoch on test'.
    """
    rounds = read_paper(2)['networks'][network]['rounds']
    return _as_fractions({**rounds, 'epoch': epoch, **describe(rounds[epoch])})


def recorded_first_epochs(network: str) -> pd.Series:
    """The first epoch at which each stored round is right on all train pairs; NaN: never."""
    rounds = read_paper(2)['networks'][network]['rounds']
    return pd.Series(rounds['first epoch with all train pairs right'], dtype=float)


def recorded_search(network: str) -> pd.DataFrame:
    """The search that the second paper's authors stored: one run a cell, best epoch on test.

    Returns: a row per cell with learning_rate, batch_size, hidden, aux_weight (0 where there are no
      digit heads) and accuracy, a fraction.
    """
    search = read_paper(2)['networks'][network]['search']
    cells = pd.DataFrame(search['cells'], columns=search['columns'])
    cells['accuracy'] /= 100
    return cells if 'aux_weight' in cells else cells.assign(aux_weight=0.0)


def _as_fractions(row: dict[str, Any]) -> Recorded:
    std = row.get('std')
    about = {name: row[name] for name in ABOUT}
    return {'mean': row['mean'] / 100, 'std': None if std is None else std / 100, **about}
