"""The rows of the tables in the study's document."""

from collections.abc import Iterable, Sequence

from pairjax.analysis.statistics import seeds_to_resolve
from pairjax.reporting.format import format_difference, format_ratio, format_statistic
from pairjax.reporting.markdown import table
from pairjax.studies.factorial.analysis import Effect, Spread, best_weights
from pairjax.studies.factorial.design import Design, main_cells, sharings
from pairjax.studies.factorial.results import StudyResults

# What the study would like to see: half a percentage point.
RESOLUTION = 0.005


def p_value(p: float, equals: str = '') -> str:
    """A p-value with three decimals, after `equals` unless it is an upper bound."""
    return '< 0.001' if p < 0.001 else f'{equals}{p:.3f}'


def effect_cells(results: StudyResults, effect: Effect) -> dict[str, str]:
    """Every cell that a table of effects can show, by heading."""
    a, b, paired, adjusted_p = effect
    mean_a, mean_b = (f'{100 * results.test_accuracy(cell).mean():.2f}' for cell in (a, b))
    seeds = seeds_to_resolve(paired.std, RESOLUTION)
    return {
        'network': a.network,
        'branches': a.sharing,
        'against': b.sharing,
        'aux weight': f'{a.aux_weight:g}',
        'head': a.head,
        'main weight': f'{a.main_weight:g}',
        'parameters': f'{results.trials[a].num_params:,}',
        'pairs, shared': f'{a.train_pairs:,}',
        'pairs, separate': f'{b.train_pairs:,}',
        'shared': mean_a,
        'without': mean_a,
        'other': mean_b,
        'separate': mean_b,
        'learned': mean_b,
        'n': str(paired.n),
        'difference [95 %]': format_difference(paired),
        'p': p_value(paired.p_value),
        'adjusted p': p_value(adjusted_p),
        'seeds for 0.5 points': f'{seeds:,}' if seeds else '-',
    }


def effect_table(results: StudyResults, effects: Iterable[Effect], headings: Sequence[str]) -> str:
    """A Markdown table of effects with the columns of `effect_cells` that are named."""
    rows = [effect_cells(results, effect) for effect in effects]
    return table(headings, [[row[heading] for heading in headings] for row in rows])


def spread_rows(results: StudyResults, spreads: Iterable[Spread]) -> list[list[str]]:
    """Network, the branches compared with, aux weight, both stds in percent, and their ratio."""
    rows = []
    for spread in spreads:
        stds = [f'{100 * results.test_accuracy(cell).std():.2f}' for cell in (spread.a, spread.b)]
        ratio = format_ratio(spread.ratio, spread.low, spread.high)
        names = [spread.a.network, spread.b.sharing, f'{spread.a.aux_weight:g}']
        rows.append([*names, *stds, ratio])
    return rows


def best_weight_rows(
    design: Design, results: StudyResults, aux: Sequence[Effect]
) -> list[list[str]]:
    """The aux weight that validation accuracy chooses, and its effect on test accuracy."""
    effects = {effect.a[:3]: effect_cells(results, effect) for effect in aux}
    rows = []
    for (network, sharing), weight in best_weights(design, results).items():
        cells = effects.get((network, sharing, weight), {})
        shown = [cells.get(h, '-') for h in ('n', 'difference [95 %]', 'p', 'adjusted p')]
        rows.append([network, sharing, f'{weight:g}', *shown])
    return rows


def network_rows(design: Design, results: StudyResults) -> list[list[str]]:
    """The networks with their branches: widths, parameters, settings of their own."""
    rows = []
    for network in design.networks:
        settings = ', '.join(f'{field} {value}' for field, value in network.settings) or '-'
        for sharing, cells in main_cells(design, network).items():
            trials = [results.trials[cell] for cell in cells.values() if cell in results.trials]
            if trials:
                widths = ', '.join(map(str, sharings(network)[sharing][1]))
                params = f'{trials[0].num_params:,}'
                rows.append([network.name, sharing, widths, params, settings])
    return rows


def arm_rows(design: Design, results: StudyResults) -> list[list[str]]:
    """Every arm: the learning rate picked for it and the accuracies reached with it."""
    ends = (min(design.learning_rates), max(design.learning_rates))
    rows = []
    for cell, trial in results.trials.items():
        rate = trial.hyperparameters['optimizer.learning_rate']
        rows.append(
            [
                cell.network,
                cell.sharing,
                cell.head,
                f'{cell.main_weight:g}',
                f'{cell.aux_weight:g}',
                f'{cell.train_pairs:,}',
                f'{rate:g}{" (end)" if rate in ends else ""}',
                str(trial.n),
                format_statistic(trial.statistic('final_test_accuracy')),
                format_statistic(trial.statistic('final_validation_accuracy')),
                ', '.join(map(str, trial.failed_seeds)) or '-',
            ]
        )
    return rows
