"""The reports' main figures beside ours. No jax in here."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from pairjax.reporting.format import points, points_span
from pairjax.reporting.markdown import table
from pairjax.studies.reproduction.claims import OPEN, Difference, at_stated, recorded_difference
from pairjax.studies.reproduction.recorded import Recorded, recorded_final, recorded_widths
from pairjax.studies.reproduction.results import BEST, EPOCH_NAMES, FINAL, Results
from pairjax.studies.reproduction.tables import ours_text, recorded_text


class Headline(NamedTuple):
    """One main figure.

    Attributes:
      key: of the experiment, or of what is compared.
      label: the network.
      epoch: which one counts.
      values: ours, fractions per seed.
      recorded: None where the reports give none.
      difference: ours - recorded.
      verdict: whether ours allows the recorded figure; '-' where there is none.
    """

    key: str
    label: str
    epoch: str
    values: pd.Series
    recorded: Recorded | None
    difference: Difference
    verdict: str


def headlines(results: Results, reports: Sequence[int]) -> list[Headline]:
    """The main figures of the reports whose experiments finished."""
    rows = []
    if 1 in reports:
        for name in ('basicnet1', 'auxnet1', 'auxnet2', 'auxnet3'):
            rows += _network(results, name, BEST)
        rows += _auxnet2_minus_auxnet3(results)
        rows += _network(results, 'fastest', FINAL)
    if 2 in reports:
        for name in ('shallow', 'deep', 'deep_shared'):
            rows += _network(results, name, FINAL)
    return rows


def _network(results: Results, name: str, figure: str) -> list[Headline]:
    if name not in results.experiments:
        return []
    trial = results.only_trial(name)
    model, shared = (trial.hyperparameters[f'model.{f}'] for f in ('name', 'weight_sharing'))
    notes = {
        'auxnet2': ', its best run',
        'fastest': ', its fastest run',
        'deep': ', not shared',
        'deep_shared': ', shared',
    }
    label = f'{model} ({", ".join(map(str, trial.widths))}){notes.get(name, "")}'
    recorded = None
    if figure == BEST:
        recorded = recorded_widths(model).get(trial.widths)
    elif name != 'fastest':
        recorded = recorded_final(model, weight_sharing=shared)
    return [_headline(name, label, figure, trial.accuracy(figure), recorded)]


def _auxnet2_minus_auxnet3(results: Results) -> list[Headline]:
    if not {'auxnet2', 'auxnet3'} <= set(results.experiments):
        return []
    trials = [results.only_trial(name) for name in ('auxnet2', 'auxnet3')]
    ours, other = (trial.accuracy(BEST) for trial in trials)
    recorded = [recorded_widths(t.hyperparameters['model.name']).get(t.widths) for t in trials]
    if None in recorded:
        return []
    # The recorded rounds of two networks are independent; ours have their seeds in common.
    difference = {
        'mean': recorded[0]['mean'] - recorded[1]['mean'],
        'std': (recorded[0]['std'] ** 2 + recorded[1]['std'] ** 2) ** 0.5,
        'n': recorded[0]['n'],
    }
    label = 'AuxNet2 minus AuxNet3, in points'
    return [_headline('auxnet3_is_behind', label, BEST, (ours - other).dropna(), difference)]


def _headline(
    key: str, label: str, figure: str, values: pd.Series, recorded: Recorded | None
) -> Headline:
    if recorded is None:
        difference, verdict = Difference(None, None, None), '-'
    else:
        difference = recorded_difference(values, recorded)
        verdict = at_stated(difference.low, difference.high) if len(values) else OPEN
    return Headline(key, label, EPOCH_NAMES[figure], values, recorded, difference, verdict)


def headline_table(rows: Iterable[Headline]) -> str:
    """Recorded and ours with the interval of their difference, and the verdict."""
    lines = [
        [
            row.label,
            row.epoch,
            recorded_text(row.recorded),
            ours_text(row.values),
            f'{points(row.difference.mean)} {points_span(row.difference.low, row.difference.high)}'
            if row.recorded
            else '-',
            row.verdict,
        ]
        for row in rows
    ]
    return table(('network', 'epoch', 'recorded', 'ours', 'difference [95 %]', 'verdict'), lines)
