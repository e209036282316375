"""The sections of a reproduction's document that show one report's experiments. No jax in here."""

from collections.abc import Sequence
from pathlib import Path

from pairjax.analysis.statistics import rank_correlation
from pairjax.reporting.format import span
from pairjax.reporting.markdown import paragraph
from pairjax.studies.reproduction.figures import (
    draw_batch_sizes,
    draw_curves,
    draw_learning_rates,
    draw_widths,
)
from pairjax.studies.reproduction.recorded import (
    recorded_final,
    recorded_learning_rates,
    recorded_widths,
)
from pairjax.studies.reproduction.report1_claims import NETWORKS, WIDTH_SWEEPS
from pairjax.studies.reproduction.report2_claims import MODELS, SETTINGS
from pairjax.studies.reproduction.results import (
    BATCH_SIZE,
    BEST,
    FINAL,
    LEARNING_RATE,
    Experiment,
    MissingError,
    Results,
)
from pairjax.studies.reproduction.tables import (
    Row,
    batch_size_table,
    batch_time_table,
    by_mean,
    comparison_table,
    grid_table,
    ours_text,
    recorded_rows,
    sharing_table,
)

TOP = 5
LEARNING_RATES = 'auxnet2_learning_rates'


def sweep_rows(results: Results) -> dict[str, list[Row]]:
    """Rows of the searches of the first report that ran, by experiment, the best of ours first."""
    rows = {}
    for model, name in WIDTH_SWEEPS.items():
        if name in results.experiments:
            trials = results[name].trials
            rows[name] = by_mean(
                recorded_rows(trials, lambda trial: trial.widths, recorded_widths(model))
            )
    if LEARNING_RATES in results.experiments:
        rows[LEARNING_RATES] = recorded_rows(
            results[LEARNING_RATES].trials,
            lambda trial: trial.hyperparameters[LEARNING_RATE],
            recorded_learning_rates(),
        )
    return rows


def first_report(results: Results, rows: dict[str, list[Row]], figures: Path) -> list[str]:
    """Its searches, each with a table, a picture in `figures` and what both say.

    Returns: paragraphs, headings, tables and links to pictures, in order.
    """
    parts = ['## First report']
    parts += draw_curves(results, NETWORKS, 'Networks of the first report', figures)
    for model, name in WIDTH_SWEEPS.items():
        parts.append(f'### Layer widths of {model}')
        if name not in rows:
            parts.append(f'`{name}` did not finish.')
            continue
        parts += [
            draw_widths(rows[name], model, name, figures),
            comparison_table(rows[name], 'widths'),
            *_agreement(rows[name]),
        ]
    parts.append('### Learning rate of AuxNet2')
    parts += _learning_rates(rows, figures)
    parts.append('### Batch size of AuxNet2')
    parts += _batch_sizes_by_time(results, figures)
    return parts


def _agreement(rows: Sequence[Row]) -> list[str]:
    """How near the rows of a width sweep lie to the recorded ones, and in what order."""
    judged = [row for row in rows if row.is_near is not None]
    if not judged:
        return []
    near = sum(row.is_near for row in judged)
    both = [row for row in rows if row.recorded is not None and len(row.values)]
    rho, low, high = rank_correlation(
        [row.values.mean() for row in both], [row.recorded['mean'] for row in both]
    )
    order = '-' if rho is None else f'{rho:+.2f} {span(low, high, "+.2f")}'
    text = (
        f'{near} of {len(judged)} ({100 * near / len(judged):.0f} %) lie within 3 standard errors '
        f'of the recorded mean. Rank correlation with the recorded means: {order} (n = '
        f'{len(both)} widths).'
    )
    highest = max(row.recorded['mean'] for row in both)
    places = [
        f'({row.label}) is number {place} of {len(rows)} here, '
        f'{"among" if place <= TOP else "not among"} the first {TOP}'
        for place, row in enumerate(rows, 1)
        if row.recorded is not None and row.recorded['mean'] == highest
    ]
    return [paragraph(text, f'Of these, the highest recorded: {"; ".join(places)}.')]


def _learning_rates(rows: dict[str, list[Row]], figures: Path) -> list[str]:
    if LEARNING_RATES not in rows:
        return [f'`{LEARNING_RATES}` did not finish.']
    mine = rows[LEARNING_RATES]
    both = [row for row in mine if row.recorded is not None]
    ours = [row.label for row in by_mean(both)]
    recorded = [row.label for row in sorted(both, key=lambda row: -row.recorded['mean'])]
    order = 'the same' if ours == recorded else 'not the same'
    best = 'is the same' if ours[:1] == recorded[:1] else 'is another'
    text = (
        f'From best to worst, recorded: {", ".join(recorded)}; ours: {", ".join(ours)}. The order '
        f'is {order}, the best learning rate {best}.'
    )
    return [
        draw_learning_rates(mine, LEARNING_RATES, figures),
        comparison_table(mine, 'learning rate'),
        paragraph(text),
    ]


def _batch_sizes_by_time(results: Results, figures: Path) -> list[str]:
    name = 'auxnet2_batch_sizes'
    if name not in results.experiments:
        return [f'`{name}` did not finish.']
    experiment = results[name]
    link = draw_batch_sizes(experiment, BEST, None, 'AuxNet2 (32, 32, 64, 256)', figures)
    note = (
        'Nothing is recorded of this search. Seconds are wall time, training and evaluation '
        'together, from the median epoch.'
    )
    return [link, batch_time_table(experiment), paragraph(note)]


def second_report(results: Results, figures: Path) -> list[str]:
    """Its searches and which batch size gives its figures, as `first_report`."""
    parts = ['## Second report']
    parts += draw_curves(results, MODELS, 'Networks of the second report', figures)
    for model, name in MODELS.items():
        parts += [f'### Search over settings: {model}', *_grid(results, name)]
    for model, name in MODELS.items():
        parts += [f'### Batch size: {model}', *_batch_sizes(results, model, name, figures)]
    if {'deep_batch_sizes', 'deep_shared_batch_sizes'} <= set(results.experiments):
        both = (results[f'{name}_batch_sizes'] for name in ('deep_shared', 'deep'))
        parts += ['### What weight sharing gains, by batch size', sharing_table(*both)]
    return parts


def _grid(results: Results, name: str) -> list[str]:
    if f'{name}_grid' not in results.experiments:
        return [f'`{name}_grid` did not finish.']
    experiment = results[f'{name}_grid']
    try:
        reported = experiment.where(SETTINGS[name])
    except MissingError:
        reported = None
    n = max(len(trial.accuracy(FINAL)) for trial in experiment.trials)
    text = f'Final test accuracy in percent, mean +- standard deviation, n = {n}'
    text += ' where no seed failed; the reported setting is in bold.'
    if experiment.selected is not None:
        chosen = experiment.trials[experiment.selected]
        text += (
            f' Validation accuracy selects {experiment.trial_names[experiment.selected]} with '
            f'{ours_text(chosen.accuracy(FINAL))} on test.'
        )
    if name != 'shallow':
        text += ' At w = 1 the main head is not trained, as in the report.'
    return [grid_table(experiment, reported), paragraph(text)]


def _batch_sizes(results: Results, model: str, name: str, figures: Path) -> list[str]:
    experiment = results.experiments.get(f'{name}_batch_sizes')
    if experiment is None:
        return [f'`{name}_batch_sizes` did not finish.']
    recorded = recorded_final(model.partition(',')[0], weight_sharing=name != 'deep')
    nearest = [_nearest(experiment, figure, recorded['mean']) for figure in (FINAL, BEST)]
    text = (
        f'Nearest to the recorded {100 * recorded["mean"]:.1f} %: by the final epoch '
        f'{nearest[0]}, by the best epoch on test {nearest[1]}. The picture shows the recorded '
        'figure at every batch size, since the report names none.'
    )
    link = draw_batch_sizes(experiment, FINAL, recorded, model, figures)
    return [link, batch_size_table(experiment, recorded), paragraph(text)]


def _nearest(experiment: Experiment, figure: str, recorded_mean: float) -> str:
    means = {t.hyperparameters[BATCH_SIZE]: t.accuracy(figure).mean() for t in experiment.trials}
    means = {size: mean for size, mean in means.items() if mean == mean}
    if not means:
        return 'none'
    size = min(means, key=lambda size: abs(means[size] - recorded_mean))
    return f'batch size {size} with {100 * means[size]:.2f} %'
