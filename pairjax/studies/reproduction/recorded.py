"""The statistics that both papers record, from the JSON files in data/."""

import json
from importlib import resources
from typing import Any

# A recorded accuracy: mean and std as fractions in [0, 1], std None where a paper gives none, and
# the number of rounds n.
Recorded = dict[str, Any]


def read_paper(number: int) -> dict[str, Any]:
    """Everything recorded of paper 1 or 2, as its file has it: accuracies in percent."""
    path = resources.files(__package__) / 'data' / f'report{number}.json'
    return json.loads(path.read_text())


def recorded_widths(model: str) -> dict[tuple[int, ...], Recorded]:
    """Best-epoch test accuracy by layer widths, first paper; empty where it gives none."""
    rows = read_paper(1)['widths'].get(model, [])
    return {tuple(row['widths']): _as_fractions(row) for row in rows}


def recorded_learning_rates() -> dict[float, Recorded]:
    """Best-epoch test accuracy of AuxNet2 (32, 32, 64, 256) by learning rate, first paper."""
    rows = read_paper(1)['learning_rates']['rows']
    return {row['learning_rate']: _as_fractions(row) for row in rows}


def recorded_final(model: str, weight_sharing: bool = True) -> Recorded | None:
    """Final-epoch test accuracy, second paper; None for other models than its two."""
    for row in read_paper(2)['final']:
        if (row['model'], row.get('weight_sharing', True)) == (model, weight_sharing):
            return _as_fractions(row)
    return None


def _as_fractions(row: dict[str, Any]) -> Recorded:
    std = row.get('std')
    return {'mean': row['mean'] / 100, 'std': None if std is None else std / 100, 'n': row['n']}
