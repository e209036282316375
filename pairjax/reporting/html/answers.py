"""What a report says of the selected trial's answers; jax starts only where they are asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pairjax.analysis.error_analysis import (
    Answers,
    accuracy_by_distance,
    calibrated_error,
    calibration_errors,
    overconfidence,
    reliability,
)
from pairjax.analysis.paired import seed_list
from pairjax.analysis.statistics import describe
from pairjax.errors import UserError
from pairjax.reporting.html.mistakes import mistake_parts, reading_parts
from pairjax.reporting.html.page import Cell, Picture, Section, Table, make_picture
from pairjax.reporting.html.tables import accuracy_cell, count, figure_text
from pairjax.reporting.plots.calibration import draw_distances, draw_reliability
from pairjax.trials import trial_names


def selected_answers(workdir: Path, summary: Mapping[str, Any]) -> Answers | str:
    """Asks the selected trial's networks again, or says in a sentence why that cannot be."""
    if summary['selected_trial'] is None:
        return 'Every run failed, so that no network can be asked.'
    if not (workdir / 'checkpoints').is_dir():
        return f'{workdir / "checkpoints"} does not exist, so that no network can be asked.'
    # jax, which takes seconds, starts only where there is a network to ask.
    from pairjax.inference.pair_predictions import predict_test_pairs
    from pairjax.runtime.vectorize import configure_jax

    configure_jax()
    trial = summary['trials'][summary['selected_trial']]
    seeds = [seed for seed in trial['seeds'] if seed not in trial['failed_seeds']]
    try:
        return predict_test_pairs(workdir, summary['selected_trial'], seeds)
    except UserError as error:
        return f'No network can be asked: {str(error).rstrip(".")}.'


def answers_section(answers: Answers | str, summary: Mapping[str, Any]) -> Section:
    """Mistakes, confusions, distances and calibration, or the sentence why there are none.

    Args:
      answers: as `selected_answers` returns them.
      summary: what summary.json holds.
    """
    title = 'Answers of the selected trial'
    if isinstance(answers, str):
        return Section(title, notes=[answers])
    selected = summary['selected_trial']
    trial = summary['trials'][selected]
    return Section(
        title=f'{title}, {trial_names(summary["trials"])[selected]}',
        facts=facts(answers),
        notes=notes(answers, trial),
        parts=[
            *mistake_parts(answers),
            *reading_parts(answers),
            *distance_parts(answers),
            *reliability_parts(answers),
        ],
    )


def facts(answers: Answers) -> list[tuple[str, str]]:
    """What was asked and how well it was answered: names and texts."""
    right = answers.right
    by_seed = {
        'test accuracy': right.mean(axis=1).tolist(),
        'expected calibration error': calibration_errors(answers),
        'mean confidence minus accuracy': overconfidence(answers),
    }
    return [
        (
            'asked',
            f'seeds {seed_list(answers.seeds)} after epoch {answers.epoch}, each about its own '
            f'{right.shape[1]:,} test pairs',
        ),
        ('wrong answers', f'{np.sum(~right):,} of {right.size:,}'),
        *((name, figure_text(describe(values))) for name, values in by_seed.items()),
    ]


def notes(answers: Answers, trial: Mapping[str, Any]) -> list[str]:
    """What a reader must know about these figures."""
    setting = trial['hyperparameters']
    sentences = [
        f'The question about a pair of digits a and b is whether {answers.relation}(a, b) holds. '
        'The confidence of an answer is the probability that the network gives to it.',
        'The expected calibration error (Guo et al. 2017) is the mean over answers of the '
        'difference between accuracy and confidence in their bin, of ten bins of equal width from '
        '50 to 100 %, worked out for each seed. Networks that are as confident as these and '
        f'exactly calibrated would show {100 * calibrated_error(answers):.2f} % on average, since '
        'a bin holds few answers.',
    ]
    if answers.readings is None:
        sentences.append(
            f'{setting["model.name"]} has no digit heads: there is no confusion matrix, and the '
            'mistakes come without probabilities of the single digits.'
        )
    elif setting['loss.aux_weight'] == 0:
        sentences.append(
            'loss.aux_weight is 0, so that nothing taught the digit heads which digit is which; '
            'what they read means little.'
        )
    if answers.right.all():
        sentences.append('No answer was wrong, so that there is no mistake to show.')
    return sentences


def distance_parts(answers: Answers) -> list[Picture | Table]:
    """Accuracy by |a - b|."""
    distances, n = accuracy_by_distance(answers), len(answers.seeds)
    title = f'Test accuracy by digit distance, n = {n} seeds'
    caption = (
        f'Test accuracy against |a - b|, mean over n = {n} seeds and its 95 % interval, with the '
        f'number of pairs of all seeds ({answers.right.size:,}); |a - b| = 0 is two digits of one '
        'class. The dashes say what an answer that is always the commoner one at that distance '
        'would reach.'
    )
    rows = [
        [
            Cell(str(row.distance), row.distance),
            Cell(f'{row.n:,}', row.n),
            Cell(f'{100 * row.holds:.1f}', row.holds),
            accuracy_cell(row.accuracy),
            Cell(str(count(row.accuracy)), count(row.accuracy)),
        ]
        for row in distances
    ]
    headings = (
        '|a - b|',
        'pairs',
        f'{answers.relation} holds in %',
        'test accuracy %',
        'n (seeds)',
    )
    table = Table('Accuracy by digit distance', headings, rows, folded=True)
    return [make_picture(draw_distances(distances, title), caption), table]


def reliability_parts(answers: Answers) -> list[Picture | Table]:
    """Whether the networks are as often right as they say."""
    bins, n = reliability(answers), len(answers.seeds)
    error = figure_text(describe(calibration_errors(answers)))
    title = f'Reliability of the answers to test pairs, n = {n} seeds'
    caption = (
        'Reliability diagram: accuracy against confidence in ten bins of equal width from 50 to '
        f'100 %, {answers.right.size:,} answers; each point is a mean over the seeds (of n = {n}) '
        'that have answers in the bin, with its 95 % interval. Below the dotted line the networks '
        f'are too confident. Expected calibration error: {error}.'
    )
    rows = [
        [
            Cell(f'{100 * row.low:.0f} to {100 * row.high:.0f}', row.low),
            Cell(f'{row.n:,}', row.n),
            accuracy_cell(row.confidence | {'std': None, 'ci95': None}),
            accuracy_cell(row.accuracy),
            Cell(str(count(row.accuracy)), count(row.accuracy)),
        ]
        for row in bins
    ]
    headings = ('confidence %', 'answers', 'mean confidence %', 'accuracy %', 'n (seeds)')
    table = Table('Accuracy by confidence', headings, rows, folded=True)
    return [make_picture(draw_reliability(bins, title), caption), table]
