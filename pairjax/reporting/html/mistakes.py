"""The most confident mistakes and the misread digits of a report. No jax in here."""

import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from pairjax.analysis.error_analysis import Answers, confident_mistakes, count_readings
from pairjax.reporting.html.page import Cell, Example, Gallery, Table, in_base64

MOST_MISTAKES = 24
# Up to this many classes a matrix of all of them is readable; beyond, a list of the commonest.
MOST_CLASSES = 20
MOST_ROWS = 20
SHADES = 4


def mistake_parts(answers: Answers) -> list[Gallery]:
    """The most confident mistakes as pictures."""
    chosen = confident_mistakes(answers, MOST_MISTAKES)
    if not chosen:
        return []
    images = answers.images[np.concatenate([answers.pairs[place] for place in chosen])]
    examples = [
        mistake(answers, place, pair)
        for place, pair in zip(chosen, brightened(images).reshape(-1, 2, 14, 14), strict=True)
    ]
    caption = (
        f'The {len(chosen)} most confident mistakes of {np.sum(~answers.right):,} in '
        f'{answers.right.size:,} answers (n = {len(answers.seeds)} seeds), the most confident '
        'first; a pair is passed over when one of its images is shown already.'
    )
    return [Gallery(caption, examples)]


def brightened(images: np.ndarray) -> np.ndarray:
    """Images of any scale as bytes, the darkest pixel of all of them 0 and the brightest 255."""
    images = images.astype(np.float64)
    low, high = images.min(), images.max()
    return np.round(255 * (images - low) / max(high - low, 1e-30)).astype(np.uint8)


def mistake(answers: Answers, place: tuple[int, int], images: np.ndarray) -> Example:
    """One wrong answer: its two images as bytes, and what the network said."""
    a, b = answers.classes[place].tolist()
    chance = chance_text(answers.confidence[place])
    question, reply = f'{answers.relation}({a}, {b})', str(bool(answers.holds[place])).lower()
    lines, words = [f'{question}? answered {reply} with {chance}'], []
    for i, (name, digit) in enumerate(zip('ab', (a, b), strict=True)):
        words.append(f'{name}, a {digit}')
        if answers.readings is not None:
            values = (values[place][i] for values in answers.readings)
            lines.append(f'{name}: {reading_text(digit, *values)}')
    lines.append(f'seed {answers.seeds[place[0]]}')
    pictures = [(png(image), word) for image, word in zip(images, words, strict=True)]
    return Example(pictures, lines)


def reading_text(digit: int, read: int, probability: float, true_probability: float) -> str:
    """What a digit head made of an image."""
    text = f'{digit} read as {read} with {chance_text(probability)}'
    return text if read == digit else f'{text}, as {digit} with {chance_text(true_probability)}'


def chance_text(probability: float) -> str:
    """A probability in percent, without ever rounding to certainty."""
    text = f'{100 * probability:.2f} %'
    if probability >= 0.99995:
        text = '> 99.99 %'
    elif probability < 0.00005:
        text = '< 0.01 %'
    return text.replace(' ', '\N{NO-BREAK SPACE}')


def png(image: np.ndarray) -> str:
    """An image of bytes as a PNG file in base64."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, 'png')
    return in_base64(file.getvalue())


def reading_parts(answers: Answers) -> list[Table]:
    """Which digit is read as which, for a model with digit heads."""
    if answers.readings is None:
        return []
    counts = count_readings(answers)
    n = f'{answers.classes.size:,} images of the test pairs, n = {len(answers.seeds)} seeds'
    table = confusion_matrix if answers.num_classes <= MOST_CLASSES else commonest_confusions
    return [table(counts, answers.num_classes, n)]


def confusion_matrix(counts: Mapping[tuple[int, int], int], num_classes: int, n: str) -> Table:
    """Every digit by what it was read as: percent of its images, and how many; mistakes shaded."""
    classes = range(num_classes)
    totals = [sum(counts.get((digit, read), 0) for read in classes) for digit in classes]
    shares = {(digit, read): count / totals[digit] for (digit, read), count in counts.items()}
    worst = max((share for (digit, read), share in shares.items() if digit != read), default=1)

    def cell(digit, read):
        share = shares.get((digit, read), 0)
        if not share:
            return Cell('0', 0)
        shade = 0 if digit == read else int(np.ceil(SHADES * share / worst))
        return Cell(f'{100 * share:.1f}', share, f'{counts[digit, read]:,}', shade)

    rows = [
        [Cell(str(digit), digit), *(cell(digit, read) for read in classes),
         Cell(f'{totals[digit]:,}', totals[digit])]
        for digit in classes
    ]  # fmt: skip
    caption = f'What each digit is read as, in percent of its images, and below how many ({n})'
    return Table(caption, ('digit', *(f'as {read}' for read in classes), 'images'), rows)


def commonest_confusions(counts: Mapping[tuple[int, int], int], num_classes: int, n: str) -> Table:
    """The confusions that occur most often, where there are too many classes for a matrix."""
    totals = np.zeros(num_classes, int)
    for (digit, _), count in counts.items():
        totals[digit] += count
    wrong = [(-count, *kind) for kind, count in counts.items() if kind[0] != kind[1]]
    rows = [
        [
            Cell(str(digit), digit),
            Cell(str(read), read),
            Cell(f'{-count:,}', -count),
            Cell(f'{-100 * count / totals[digit]:.1f}', -count / totals[digit]),
        ]
        for count, digit, read in sorted(wrong)[:MOST_ROWS]
    ]
    caption = f'The commonest of {len(wrong):,} confusions of {num_classes:,} classes ({n})'
    return Table(caption, ('digit', 'read as', 'images', '% of that digit'), rows)
