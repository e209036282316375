"""The selected trial's predictions in the HTML report: mistakes, confusions and calibration."""

import numpy as np

from pairjax.analysis.error_analysis import (
    PairPredictions,
    accuracy_by_distance,
    calibrated_error,
    calibration_errors,
    overconfidence,
    reliability,
)
from pairjax.analysis.paired import seed_list
from pairjax.analysis.results import TrialResult
from pairjax.analysis.statistics import describe
from pairjax.reporting.html.mistakes import confusion_parts, mistake_parts
from pairjax.reporting.html.page import Plot, Section, Table, TableCell, make_plot
from pairjax.reporting.html.tables import count_cell, count_values, statistic_cell, statistic_text
from pairjax.reporting.plots.calibration import draw_distances, draw_reliability


def predictions_section(predictions: PairPredictions | str, trial: TrialResult | None) -> Section:
    """Mistakes, confusions, distances and calibration.

    Args:
      predictions: of the trial's test pairs, or the sentence why there are none.
      trial: the selected one; None only where there are no predictions.
    """
    title = 'Predictions of the selected trial'
    if isinstance(predictions, str):
        return Section(title, notes=[predictions])
    return Section(
        title=f'{title}, {trial.name}',
        facts=prediction_facts(predictions),
        notes=prediction_notes(predictions, trial),
        parts=[
            *mistake_parts(predictions),
            *confusion_parts(predictions),
            *distance_parts(predictions),
            *reliability_parts(predictions),
        ],
    )


def prediction_facts(predictions: PairPredictions) -> list[tuple[str, str]]:
    """What was evaluated and how good it is: names and texts."""
    correct = predictions.correct
    by_seed = {
        'test accuracy': correct.mean(axis=1).tolist(),
        'expected calibration error': calibration_errors(predictions),
        'mean confidence minus accuracy': overconfidence(predictions),
    }
    return [
        (
            'evaluated',
            f'seeds {seed_list(predictions.seeds)} after epoch {predictions.epoch}, each on its '
            f'own {correct.shape[1]:,} test pairs',
        ),
        ('wrong predictions', f'{np.sum(~correct):,} of {correct.size:,}'),
        *((name, statistic_text(describe(values))) for name, values in by_seed.items()),
    ]


def prediction_notes(predictions: PairPredictions, trial: TrialResult) -> list[str]:
    """What a reader must know about these statistics."""
    setting = trial.hyperparameters
    notes = [
        f'A prediction says whether {predictions.relation}(a, b) holds for two images of classes a '
        'and b. Its confidence is the probability that the network gives to it.',
        'The expected calibration error (Guo et al. 2017) is the mean over predictions of the '
        'difference between accuracy and confidence in their bin, of ten bins of equal width from '
        '50 to 100 %, computed for each seed. Networks with these confidences and perfect '
        f'calibration would show {100 * calibrated_error(predictions):.2f} % on average, since a '
        'bin holds few predictions.',
    ]
    if predictions.digits is None:
        notes.append(
            f'{setting["model.name"]} has no digit heads: there is no confusion matrix, and the '
            'mistakes come without probabilities of the single digits.'
        )
    elif setting['loss.aux_weight'] == 0:
        notes.append(
            'loss.aux_weight is 0: the digit heads are untrained, and their predictions mean '
            'little.'
        )
    if predictions.correct.all():
        notes.append('No prediction is wrong, so there is no mistake to show.')
    return notes


def distance_parts(predictions: PairPredictions) -> list[Plot | Table]:
    """Accuracy by |a - b|."""
    distances, n = accuracy_by_distance(predictions), len(predictions.seeds)
    title = f'Test accuracy by digit distance, n = {n} seeds'
    caption = (
        f'Test accuracy against |a - b|, mean over n = {n} seeds and its 95 % interval, with the '
        f'number of pairs of all seeds ({predictions.correct.size:,}); |a - b| = 0 is two digits '
        'of one class. The dashes are the majority-class baseline at that distance.'
    )
    rows = [
        [
            count_cell(row.distance),
            count_cell(row.n),
            TableCell(f'{100 * row.holds:.1f}', row.holds),
            statistic_cell(row.accuracy),
            count_cell(count_values(row.accuracy)),
        ]
        for row in distances
    ]
    holds = f'{predictions.relation} holds in %'
    headings = ('|a - b|', 'pairs', holds, 'test accuracy %', 'n (seeds)')
    table = Table('Accuracy by digit distance', headings, rows, collapsed=True)
    return [make_plot(draw_distances(distances, title), caption), table]


def reliability_parts(predictions: PairPredictions) -> list[Plot | Table]:
    """Whether the networks are as often right as they are confident."""
    bins, n = reliability(predictions), len(predictions.seeds)
    error = statistic_text(describe(calibration_errors(predictions)))
    title = f'Reliability of the predictions on test pairs, n = {n} seeds'
    caption = (
        'Reliability diagram: accuracy against confidence in ten bins of equal width from 50 to '
        f'100 %, {predictions.correct.size:,} predictions; each point is a mean over the seeds (of '
        f'n = {n}) that have predictions in the bin, with its 95 % interval. Below the dotted line '
        f'the networks are overconfident. Expected calibration error: {error}.'
    )
    rows = [
        [
            TableCell(f'{100 * row.low:.0f} to {100 * row.high:.0f}', row.low),
            count_cell(row.n),
            statistic_cell(row.confidence | {'std': None, 'ci95': None}),
            statistic_cell(row.accuracy),
            count_cell(count_values(row.accuracy)),
        ]
        for row in bins
    ]
    headings = ('confidence %', 'predictions', 'mean confidence %', 'accuracy %', 'n (seeds)')
    table = Table('Accuracy by confidence', headings, rows, collapsed=True)
    return [make_plot(draw_reliability(bins, title), caption), table]
