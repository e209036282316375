"""Several experiments side by side in a report, paired where they may be. No jax in here."""

from collections.abc import Mapping, Sequence

import pandas as pd

from pairjax.analysis.arms import Arm, check_paired
from pairjax.analysis.paired import Comparison, compare
from pairjax.errors import UserError
from pairjax.reporting.comparison import pairs_table, sentences
from pairjax.reporting.html.page import Cell, Section, Table, make_picture
from pairjax.reporting.html.tables import FINAL, TRIAL_HEADINGS, trial_row
from pairjax.reporting.plots.comparison import draw_comparison
from pairjax.reporting.plots.sweeps import draw_models
from pairjax.trials import trial_name


def comparison_sections(
    arms: Sequence[Arm], curves: Mapping[str, pd.DataFrame], notes: Sequence[str]
) -> list[Section]:
    """An overview, and a comparison of every group of arms that may be paired.

    Args:
      arms: the selected trial of each experiment, named as the experiment.
      curves: by that name the trial's lines of metrics.jsonl.
      notes: sentences about experiments that have no selected trial.
    """
    compared, reasons = [], []
    for group in paired_groups(arms, reasons):
        try:
            compared.append(comparison_section(compare(group, FINAL)))
        except UserError as error:
            reasons.append(str(error))
    return [overview_section(arms, curves, [*notes, *reasons]), *compared]


def paired_groups(arms: Sequence[Arm], reasons: list[str]) -> list[list[Arm]]:
    """The groups of two arms or more that may be paired by seed; appends why others may not."""
    groups: list[list[Arm]] = []
    for arm in arms:
        for group in groups:
            try:
                check_paired([group[0], arm], FINAL)
            except UserError as error:
                reason = str(error)
            else:
                group.append(arm)
                break
        else:
            if groups:
                reasons.append(reason)
            groups.append([arm])
    return [group for group in groups if len(group) > 1]


def overview_section(
    arms: Sequence[Arm], curves: Mapping[str, pd.DataFrame], notes: Sequence[str]
) -> Section:
    """The selected trials in one table and one picture."""
    rows = [
        [Cell(arm.name), *trial_row(trial_name(arm.trial), arm.trial), Cell(arm.data['source'])]
        for arm in arms
    ]
    headings = ('experiment', *TRIAL_HEADINGS, 'digits from')
    caption = 'Test accuracy and training loss of the selected trials over epochs.'
    return Section(
        title='Overview',
        notes=notes,
        parts=[
            Table('The selected trial of each experiment', headings, rows),
            make_picture(draw_models(curves, 'Selected trials'), caption),
        ],
    )


def comparison_section(comparison: Comparison) -> Section:
    """Paired differences in final test accuracy with what they rest on."""
    table = pairs_table(comparison)
    headings = [str(column.header) for column in table.columns]
    rows = []
    texts = zip(*(column.cells for column in table.columns), strict=True)
    for pair, cells in zip(comparison.pairs, texts, strict=True):
        values = [
            None,
            pair.paired.n,
            pair.paired.mean,
            pair.paired.p_value,
            pair.adjusted_p,
            pair.std_ratio[0],
            pair.seeds_needed,
        ]
        rows.append([Cell(str(c), v) for c, v in zip(cells, values, strict=True)])
    names = ', '.join(arm.name for arm in comparison.arms)
    caption = 'Every seed through the selected trials, and paired differences.'
    return Section(
        title=f'Paired comparison: {names}',
        notes=sentences(comparison),
        parts=[
            Table('Differences in final test accuracy in percentage points', headings, rows),
            make_picture(draw_comparison(comparison), caption),
        ],
    )
