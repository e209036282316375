"""Several experiments side by side in the HTML report, paired where they may be."""

from collections.abc import Sequence

from pairjax.analysis.arms import ComparedTrial, check_paired
from pairjax.analysis.paired import Comparison, compare_trials
from pairjax.analysis.results import FINAL
from pairjax.errors import UserError
from pairjax.reporting.comparison import comparison_notes, pairs_table
from pairjax.reporting.html.page import Section, Table, TableCell, make_plot
from pairjax.reporting.html.tables import TRIAL_HEADINGS, trial_row
from pairjax.reporting.plots.comparison import draw_comparison
from pairjax.reporting.plots.sweeps import draw_models


def comparison_sections(arms: Sequence[ComparedTrial], notes: Sequence[str]) -> list[Section]:
    """An overview, and a comparison of every group of arms that may be paired.

    Args:
      arms: the selected trial of each experiment, named as the experiment.
      notes: sentences about experiments that have no selected trial.
    """
    compared, reasons = [], []
    for group in paired_groups(arms, reasons):
        try:
            compared.append(comparison_section(compare_trials(group, FINAL)))
        except UserError as error:
            reasons.append(str(error))
    return [overview_section(arms, [*notes, *reasons]), *compared]


def paired_groups(arms: Sequence[ComparedTrial], reasons: list[str]) -> list[list[ComparedTrial]]:
    """The groups of two arms or more that may be paired by seed; appends why others may not."""
    groups: list[list[ComparedTrial]] = []
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


def overview_section(arms: Sequence[ComparedTrial], notes: Sequence[str]) -> Section:
    """The selected trials in one table and one plot."""
    rows = [
        [TableCell(name), *trial_row(trial.name, trial), TableCell(experiment.data['source'])]
        for name, experiment, trial in arms
    ]
    headings = ('experiment', *TRIAL_HEADINGS, 'digits from')
    curves = {arm.name: arm.trial.metrics for arm in arms}
    caption = 'Test accuracy and training loss of the selected trials over epochs.'
    return Section(
        title='Overview',
        notes=notes,
        parts=[
            Table('The selected trial of each experiment', headings, rows),
            make_plot(draw_models(curves, 'Selected trials'), caption),
        ],
    )


def comparison_section(comparison: Comparison) -> Section:
    """Paired differences in final test accuracy with what they rest on."""
    table = pairs_table(comparison)
    texts = zip(*(column.cells for column in table.columns), strict=True)
    rows = []
    for pair, cells in zip(comparison.pairs, texts, strict=True):
        paired, ratio = pair.paired, pair.std_ratio[0]
        numbers = (paired.n, paired.mean, paired.p_value, pair.adjusted_p, ratio, pair.seeds_needed)
        rows.append([TableCell(c, v) for c, v in zip(cells, (None, *numbers), strict=True)])
    names = ', '.join(arm.name for arm in comparison.arms)
    headings = [column.header for column in table.columns]
    caption = 'Every seed through the selected trials, and paired differences.'
    return Section(
        title=f'Paired comparison: {names}',
        notes=comparison_notes(comparison),
        parts=[
            Table('Differences in final test accuracy in percentage points', headings, rows),
            make_plot(draw_comparison(comparison), caption),
        ],
    )
