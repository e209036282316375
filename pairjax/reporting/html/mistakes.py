"""The most confident mistakes and the confused classes in the HTML report."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from pairjax.analysis.error_analysis import PairPredictions, confident_mistakes, count_confusions
from pairjax.reporting.html.page import Example, Gallery, Table, TableCell, in_base64
from pairjax.reporting.html.tables import count_cell

MOST_MISTAKES = 24
# Up to this many classes a matrix of all of them is readable; beyond, a list of the commonest.
MOST_CLASSES = 20
MOST_CONFUSIONS = 20
SHADES = 4


def mistake_parts(predictions: PairPredictions) -> list[Gallery]:
    """The most confident mistakes as images; no part without a mistake."""
    chosen = confident_mistakes(predictions, MOST_MISTAKES)
    if not chosen:
        return []
    images = predictions.images[np.concatenate([predictions.pairs[place] for place in chosen])]
    examples = [
        mistake(predictions, place, pair)
        for place, pair in zip(chosen, brightened(images).reshape(-1, 2, 14, 14), strict=True)
    ]
    caption = (
        f'The {len(chosen)} most confident mistakes of {np.sum(~predictions.correct):,} in '
        f'{predictions.correct.size:,} predictions (n = {len(predictions.seeds)} seeds), the most '
        'confident first; a pair is passed over when one of its images is shown already.'
    )
    return [Gallery(caption, examples)]


def brightened(images: np.ndarray) -> np.ndarray:
    """Images of any scale as uint8, the darkest pixel of all of them 0 and the brightest 255."""
    images = images.astype(np.float64)
    low, high = images.min(), images.max()
    return np.round(255 * (images - low) / max(high - low, 1e-30)).astype(np.uint8)


def mistake(predictions: PairPredictions, place: tuple[int, int], images: np.ndarray) -> Example:
    """One wrong prediction.

    Args:
      predictions: of all runs.
      place: its run and its place among the run's pairs.
      images: (2, 14, 14) uint8.
    """
    a, b = predictions.classes[place].tolist()
    confidence = probability_text(predictions.confidence[place])
    predicted = str(bool(predictions.predicted[place])).lower()
    lines, words = [f'{predictions.relation}({a}, {b}) predicted {predicted} with {confidence}'], []
    for i, (name, digit) in enumerate(zip('ab', (a, b), strict=True)):
        words.append(f'{name}, a {digit}')
        if predictions.digits is not None:
            values = (values[place][i] for values in predictions.digits)
            lines.append(f'{name}: {digit_text(digit, *values)}')
    lines.append(f'seed {predictions.seeds[place[0]]}')
    return Example([(png(image), word) for image, word in zip(images, words, strict=True)], lines)


def digit_text(digit: int, predicted: int, probability: float, true_probability: float) -> str:
    """What a digit head predicts of an image."""
    text = f'{digit} predicted as {predicted} with {probability_text(probability)}'
    if predicted == digit:
        return text
    return f'{text}, as {digit} with {probability_text(true_probability)}'


def probability_text(probability: float) -> str:
    """A probability in percent, without ever rounding to certainty."""
    text = f'{100 * probability:.2f} %'
    if probability >= 0.99995:
        text = '> 99.99 %'
    elif probability < 0.00005:
        text = '< 0.01 %'
    return text.replace(' ', '\N{NO-BREAK SPACE}')


def png(image: np.ndarray) -> str:
    """A uint8 image as a PNG file in base64."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, 'png')
    return in_base64(file.getvalue())


def confusion_parts(predictions: PairPredictions) -> list[Table]:
    """Which class is predicted as which; no part for a model without digit heads."""
    if predictions.digits is None:
        return []
    counts, num_classes = count_confusions(predictions), predictions.num_classes
    seeds = f'n = {len(predictions.seeds)} seeds'
    n = f'{predictions.classes.size:,} images of the test pairs, {seeds}'
    if num_classes <= MOST_CLASSES:
        return [confusion_matrix(counts, num_classes, n)]
    return [commonest_confusions(counts, num_classes, n)]


def confusion_matrix(counts: pd.Series, num_classes: int, n: str) -> Table:
    """Every class by its prediction: percent of its images, and how many; mistakes shaded."""
    classes = range(num_classes)
    matrix = counts.unstack(fill_value=0).reindex(index=classes, columns=classes, fill_value=0)
    matrix = matrix.to_numpy()
    totals = matrix.sum(axis=1)
    shares = matrix / np.maximum(totals, 1)[:, None]
    mistakes = shares * (1 - np.eye(num_classes))
    shades = np.ceil(SHADES * mistakes / (mistakes.max() or 1)).astype(int)

    def cell(place):
        text, detail = (f'{100 * shares[place]:.1f}', f'{matrix[place]:,}')
        if not matrix[place]:
            text, detail = '0', ''
        return TableCell(text, shares[place], detail, shades[place])

    rows = [
        [
            count_cell(digit),
            *(cell((digit, predicted)) for predicted in classes),
            count_cell(totals[digit]),
        ]
        for digit in classes
    ]
    caption = f'Confusion matrix: predicted class in percent of the images, and how many ({n})'
    return Table(caption, ('digit', *(f'as {digit}' for digit in classes), 'images'), rows)


def commonest_confusions(counts: pd.Series, num_classes: int, n: str) -> Table:
    """The confusions that occur most often, where there are too many classes for a matrix."""
    digits, predicted = (counts.index.get_level_values(level) for level in counts.index.names)
    shares = counts / counts.groupby(level=0).transform('sum')
    wrong = counts[digits != predicted].sort_values(ascending=False, kind='stable')
    rows = [
        [
            *map(count_cell, (*kind, count)),
            TableCell(f'{100 * shares[kind]:.1f}', shares[kind]),
        ]
        for kind, count in wrong[:MOST_CONFUSIONS].items()
    ]
    caption = f'The commonest of {len(wrong):,} confusions of {num_classes:,} classes ({n})'
    return Table(caption, ('digit', 'predicted as', 'images', '% of that digit'), rows)
