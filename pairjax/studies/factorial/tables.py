"""The tables of the study's document. No jax in here."""

from collections.abc import Callable, Iterable, Sequence

from pairjax.analysis.statistics import describe, seeds_to_resolve
from pairjax.reporting.console import format_figure
from pairjax.reporting.format import interval, points, points_span
from pairjax.reporting.markdown import table
from pairjax.studies.factorial.analysis import Effect, Spread, best_weights, main_cells
from pairjax.studies.factorial.design import Design, sharings
from pairjax.studies.factorial.results import Cell, Results
from pairjax.studies.factorial.sentences import p_value

DIFFERENCE = ('n', 'difference [95 %]', 'p', 'adjusted p')
# What the study would like to see: half a percentage point.
RESOLUTION = 0.005


def difference_cells(row: Effect) -> list[str]:
    """The cells below `DIFFERENCE`."""
    paired = row.paired
    return [
        str(paired.n),
        f'{points(paired.mean)} {points_span(*interval(paired))}',
        p_value(paired.p_value),
        p_value(row.adjusted_p),
    ]


def effect_table(
    rows: Iterable[Effect],
    headings: Sequence[str],
    cells: Callable[[Effect], Sequence[str]],
) -> str:
    """Effects with their p-values, each line beginning with the cells that name it."""
    return table([*headings, *DIFFERENCE], [[*cells(row), *difference_cells(row)] for row in rows])


def sharing_table(results: Results, rows: Iterable[Effect]) -> str:
    """Shared against another way, with the seeds that half a point would need."""
    lines = []
    for row in rows:
        seeds = seeds_to_resolve(row.paired.std, RESOLUTION)
        means = [f'{100 * results.cells[cell].test.mean():.2f}' for cell in (row.a, row.b)]
        start = [row.a.network, row.b.sharing, f'{row.a.aux_weight:g}', *means]
        lines.append([*start, *difference_cells(row), f'{seeds:,}' if seeds else '-'])
    headings = ('network', 'against', 'aux weight', 'shared', 'other')
    return table([*headings, *DIFFERENCE, 'seeds for 0.5 points'], lines)


def spread_table(results: Results, rows: Iterable[Spread]) -> str:
    """Deviations between seeds and their ratio."""
    lines = []
    for row in rows:
        deviations = [f'{100 * results.cells[cell].test.std():.2f}' for cell in (row.a, row.b)]
        ratio = '-' if row.ratio is None else f'{row.ratio:.2f}'
        bounds = '[-]' if row.low is None else f'[{row.low:.2f}, {row.high:.2f}]'
        start = [row.a.network, row.b.sharing, f'{row.a.aux_weight:g}']
        lines.append([*start, *deviations, f'{ratio} {bounds}'])
    headings = ('network', 'against', 'aux weight', 'shared', 'other', 'ratio [95 %]')
    return table(headings, lines)


def best_weight_table(design: Design, results: Results, aux: Sequence[Effect]) -> str:
    """The aux weight that validation accuracy chooses, and its effect on test accuracy."""
    by_cell = {row.a: row for row in aux}
    lines = []
    for (network, sharing), weight in best_weights(design, results).items():
        row = next((r for c, r in by_cell.items() if c[:3] == (network, sharing, weight)), None)
        cells = difference_cells(row) if row else ['-'] * len(DIFFERENCE)
        lines.append([network, sharing, f'{weight:g}', *cells])
    return table(('network', 'branches', 'best aux weight', *DIFFERENCE), lines)


def network_table(design: Design, results: Results) -> str:
    """The networks and their arms."""
    lines = []
    for network in design.networks:
        settings = ', '.join(f'{field} {value}' for field, value in network.settings) or '-'
        for sharing, cells in main_cells(design, network).items():
            counts = [results.cells[c].num_params for c in cells.values() if c in results.cells]
            if counts:
                widths = ', '.join(map(str, sharings(network)[sharing][1]))
                lines.append([network.name, sharing, widths, f'{counts[0]:,}', settings])
    return table(('network', 'branches', 'widths', 'parameters', 'settings of its own'), lines)


def arm_table(design: Design, results: Results) -> str:
    """Every arm: the learning rate picked for it and the accuracies reached with it."""
    ends = (min(design.learning_rates), max(design.learning_rates))
    lines = []
    for cell, outcome in results.cells.items():
        edge = ' (end)' if outcome.learning_rate in ends else ''
        lines.append(
            [
                *_names(cell),
                f'{outcome.learning_rate:g}{edge}',
                str(len(outcome.test)),
                format_figure(describe(outcome.test.tolist())),
                format_figure(describe(outcome.validation.tolist())),
                ', '.join(map(str, outcome.failed_seeds)) or '-',
            ]
        )
    accuracies = ('test +- sd [95 %]', 'validation +- sd [95 %]')
    names = ('network', 'branches', 'head', 'main weight', 'aux weight', 'train pairs')
    return table((*names, 'learning rate', 'n', *accuracies, 'failed seeds'), lines)


def _names(cell: Cell) -> list[str]:
    weights = [f'{cell.main_weight:g}', f'{cell.aux_weight:g}']
    return [cell.network, cell.sharing, cell.head, *weights, f'{cell.train_pairs:,}']
