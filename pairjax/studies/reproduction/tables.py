"""What the document says of a whole search: numbers and rows of texts for its template."""

from collections.abc import Sequence
from typing import Any

from pairjax.analysis.results import ExperimentResult, MissingError, pair_by_seed
from pairjax.analysis.statistics import describe, rank_correlation, std_ratio
from pairjax.reporting.format import format_difference, format_ratio, format_statistic
from pairjax.studies.reproduction.paper2_claims import SETTINGS
from pairjax.studies.reproduction.results import (
    AUX_WEIGHT,
    BEST,
    FINAL,
    LEARNING_RATE,
    by_batch_size,
)
from pairjax.studies.reproduction.rows import PaperRow


def agreement(rows: Sequence[PaperRow]) -> dict[str, Any] | None:
    """How near the rows of a width sweep are to the recorded ones, and in what order.

    Returns: `near` of `judged` rows; `both`, how many have ours and recorded; `correlation`, of the
      ranks of these (rho, low, high); `places`, (row, from 1) of the highest recorded. None where
      no row can be judged.
    """
    judged = [row.is_near for row in rows if row.is_near is not None]
    both = [row for row in rows if row.recorded is not None and len(row.values)]
    if not judged:
        return None
    ours, recorded = [row.values.mean() for row in both], [row.recorded['mean'] for row in both]
    return {
        'near': sum(judged),
        'judged': len(judged),
        'both': len(both),
        'correlation': rank_correlation(ours, recorded),
        'places': [
            (row, place)
            for place, row in enumerate(rows, 1)
            if row.recorded is not None and row.recorded['mean'] == max(recorded)
        ],
    }


def grid_table(experiment: ExperimentResult, network: str) -> list[list[str]]:
    """Final accuracy by hidden size and learning rate, and by w where there are digit heads.

    Args:
      experiment: a search over settings.
      network: whose reported setting is in bold.

    Returns: the headings, then the rows.
    """
    try:
        reported = experiment.where(SETTINGS[network])
    except MissingError:
        reported = None
    has_digits = any(trial.statistic('final_digit_accuracy') for trial in experiment.trials)
    rates = sorted({trial.hyperparameters[LEARNING_RATE] for trial in experiment.trials})
    cells: dict[tuple, dict[float, str]] = {}
    for trial in experiment.trials:
        text = format_statistic({**describe(trial.values(FINAL)), 'ci95': None})
        text = f'**{text}**' if trial is reported else text
        weight, hidden = trial.hyperparameters[AUX_WEIGHT], str(trial.widths[0])
        start = (f'{weight:g}', hidden) if has_digits else (hidden,)
        cells.setdefault(start, {})[trial.hyperparameters[LEARNING_RATE]] = text
    headings = ['w', 'hidden size'] if has_digits else ['hidden size']
    headings += [f'learning rate {rate:g}' for rate in rates]
    return [
        headings,
        *([*start, *(row.get(r, '-') for r in rates)] for start, row in cells.items()),
    ]


def sharing_by_batch_size(shared: ExperimentResult, separate: ExperimentResult) -> list[list[str]]:
    """What weight sharing gains, and does to the std, at each batch size that both have.

    Returns: rows of the batch size, n, the gains at the final and at the best epoch, and the std of
      shared over that of separate at the final epoch.
    """
    finals, bests = (
        [by_batch_size(experiment, measure) for experiment in (shared, separate)]
        for measure in (FINAL, BEST)
    )
    rows = []
    for size in [size for size in finals[0] if size in finals[1]]:
        final, best = (pair_by_seed(a[size], b[size]) for a, b in (finals, bests))
        common = finals[0][size].index.intersection(finals[1][size].index)
        ratio = std_ratio(*(values[size][common] for values in finals))
        gains = [format_difference(final), format_difference(best)]
        rows.append([str(size), str(final.n), *gains, format_ratio(*ratio)])
    return rows
