"""Where a reproduction's figures differ from the recorded ones, and what is known about it.

What is known stands here alone, as prose around figures of the same reproduction; it is shown only
where the figures do disagree. No jax in here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from pairjax.reporting.format import listed, points, points_span
from pairjax.studies.reproduction.claims import FAILS, Verdict, recorded_difference
from pairjax.studies.reproduction.headline import Headline
from pairjax.studies.reproduction.recorded import Recorded, recorded_final
from pairjax.studies.reproduction.results import BATCH_SIZE, BEST, FINAL, Results
from pairjax.studies.reproduction.tables import Row, ours_text, recorded_text

UNEXPLAINED = 'Nothing that was measured here explains it.'
# Of the reports' digits.
FULL_TRAIN_POOL, FULL_TEST_POOL = 60_000, 10_000


def disagreements(
    results: Results,
    headlines: Iterable[Headline],
    sweeps: Mapping[str, Sequence[Row]],
    verdicts: Iterable[Verdict],
) -> list[str]:
    """One text for each disagreement: its size, and what is known about it.

    Args:
      results: of this reproduction.
      headlines: the reports' main figures beside ours.
      sweeps: rows of the recorded searches by a name to show.
      verdicts: on the reports' sentences.
    """
    texts = []
    for row in headlines:
        if row.verdict == FAILS:
            size = (
                f'{row.label}, {row.epoch}: recorded {recorded_text(row.recorded)}, ours '
                f'{ours_text(row.values)}, {points(row.difference.mean)} points '
                f'{points_span(row.difference.low, row.difference.high)}.'
            )
            texts.append(f'{size} {explanation(row.key, results)}')
    for name, rows in sweeps.items():
        far = [row for row in rows if row.is_near is False]
        if far:
            each = [_far_text(row) for row in far]
            size = (
                f'{name}: {len(far)} of {len(rows)} lie further than 3 standard errors from the '
                f'recorded mean: {listed(each, most=len(each))}.'
            )
            texts.append(f'{size} {explanation("sweep", results)}')
    for verdict in verdicts:
        if verdict.verdict == FAILS:
            size = f'"{verdict.sentence}" does not hold: {verdict.evidence}.'
            texts.append(f'{size} {explanation(verdict.key, results)}')
    return texts


def _far_text(row: Row) -> str:
    return (
        f'({row.label}) recorded {recorded_text(row.recorded)}, ours {ours_text(row.values)}, '
        f'z = {row.comparison["z"]:+.1f}'
    )


def explanation(key: str, results: Results) -> str:
    """What is known about a disagreement, of a headline or claim with this key."""
    return EXPLANATIONS[key](results) if key in EXPLANATIONS else UNEXPLAINED


def differences_everywhere(results: Results) -> str:
    """What differs from the reports in every experiment."""
    data = next(iter(results.experiments.values())).data
    text = (
        'Everywhere, the random draws are others than in the reports, 1,000 further train images '
        'are set aside as validation pairs, and dropout rates are rounded to 256ths.'
    )
    if (data['train_pool'], data['test_pool']) != (FULL_TRAIN_POOL, FULL_TEST_POOL):
        text += (
            f' These digits are not the {FULL_TRAIN_POOL:,} and {FULL_TEST_POOL:,} images of the '
            f'reports but {data["train_pool"]:,} to train and {data["test_pool"]:,} to test, '
            'which alone can move every figure.'
        )
    return text


def _batch_size_is_unknown(name: str, recorded: Recorded, results: Results) -> str:
    text = 'The report names no batch size; ours is the one that its authors call the best, 1.'
    sweep = results.experiments.get(f'{name}_batch_sizes')
    if sweep is not None:
        finals = {t.hyperparameters[BATCH_SIZE]: t.accuracy(FINAL) for t in sweep.trials}
        finals = {size: values.mean() for size, values in finals.items() if len(values)}
        if finals:
            nearest = min(finals, key=lambda size: abs(finals[size] - recorded['mean']))
            each = ', '.join(f'{100 * mean:.1f} % at {size}' for size, mean in finals.items())
            text += (
                f' The final accuracy depends on it: {each}; batch size {nearest} comes nearest '
                'to the recorded figure.'
            )
    if name in results.experiments:
        best = results.only_trial(name).accuracy(BEST)
        difference = recorded_difference(best, recorded)
        text += (
            f' The report says that its figure is that of the final epoch; our best epoch on test '
            f'is {ours_text(best)}, {points(difference.mean)} points '
            f'{points_span(difference.low, difference.high)} from it.'
        )
    return text


def _few_rounds(results: Results) -> str:
    return (
        'A deviation from five rounds can come out far too small by chance, and with it the '
        'standard error: of networks that do not differ, 2 to 4 in 100 lie so far away.'
    )


def _fitting_depends_on_batch_size(results: Results) -> str:
    return (
        'The report names no batch size, on which the epoch depends; batch sizes that were tried '
        'stand in the evidence.'
    )


EXPLANATIONS: dict[str, Callable[[Results], str]] = {
    'shallow': partial(_batch_size_is_unknown, 'shallow', recorded_final('ShallowModel')),
    'deep': partial(_batch_size_is_unknown, 'deep', recorded_final('DeepModel', False)),
    'deep_shared': partial(_batch_size_is_unknown, 'deep_shared', recorded_final('DeepModel')),
    'sweep': _few_rounds,
    'shallow_fits': _fitting_depends_on_batch_size,
}
