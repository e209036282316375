"""The figures that both reports record, from the JSON files beside this one. No jax in here."""

import json
from importlib import resources
from typing import Any

# A recorded figure: mean and std as fractions in [0, 1], std None where a report gives none, and
# the number of rounds n.
Recorded = dict[str, Any]


def read_report(number: int) -> dict[str, Any]:
    """Everything recorded of report 1 or 2, as its file has it: accuracies in percent."""
    path = resources.files('pairjax.studies.reproduction') / 'data' / f'report{number}.json'
    return json.loads(path.read_text())


def recorded_widths(model: str) -> dict[tuple[int, ...], Recorded]:
    """Best-epoch test accuracy by layer widths, first report; empty where it gives none."""
    rows = read_report(1)['widths'].get(model, [])
    return {tuple(row['widths']): _figure(row) for row in rows}


def recorded_learning_rates() -> dict[float, Recorded]:
    """Best-epoch test accuracy of AuxNet2 (32, 32, 64, 256) by learning rate, first report."""
    rows = read_report(1)['learning_rates']['rows']
    return {row['learning_rate']: _figure(row) for row in rows}


def recorded_final(model: str, weight_sharing: bool = True) -> Recorded:
    """Final-epoch test accuracy of ShallowModel or DeepModel, second report."""
    rows = read_report(2)['final']
    found = [
        row
        for row in rows
        if row['model'] == model and row.get('weight_sharing', True) == weight_sharing
    ]
    return _figure(found[0])


def _figure(row: dict[str, Any]) -> Recorded:
    std = row.get('std')
    return {'mean': row['mean'] / 100, 'std': None if std is None else std / 100, 'n': row['n']}
