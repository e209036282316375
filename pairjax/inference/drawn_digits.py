"""Answers for two drawings, as the page of launch/demo.py shows them."""

import base64
import binascii
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from pairjax.errors import UserError
from pairjax.inference.image_files import MIN_CONTRAST
from pairjax.inference.image_preprocessing import PreparedImage, image_note, prepare_page
from pairjax.inference.predictor import Predictions, Predictor, relation_text
from pairjax.reporting.markdown import make_environment

# Pixels a side of a drawing; drawing.html has the same.
SIDE = 280
MOST_CHARACTERS = 400_000
NAMES = ('first', 'second')
_BEFORE = 'data:image/png;base64,'


class ReadDrawing(NamedTuple):
    """What the page says of one drawing.

    Attributes:
      seen: the address of a PNG of the 14x14 pixels that the network read; '' without ink.
      digit: read by the mean of all seeds; None without ink or without digit heads.
      probability: of that digit.
      seeds: what the seeds read, in words; '' for a single one.
      note: what is doubtful about it, or what is missing.
    """

    seen: str = ''
    digit: int | None = None
    probability: float | None = None
    seeds: str = ''
    note: str = ''


def answer_drawings(predictor: Predictor, drawings: Any) -> str:
    """HTML of what two drawings are read as and whether the relation holds.

    Args:
      predictor: of one seed or several, for batches of one pair.
      drawings: two data URLs of PNG files of 280 x 280 pixels, None for an empty square.

    Raises: UserError where they are something else.
    """
    if not isinstance(drawings, Sequence) or len(drawings) != 2:
        raise UserError('two drawings are needed; load the page again')
    images = [None if drawing is None else _prepared(drawing) for drawing in drawings]
    environment = make_environment('pairjax.inference', autoescape=True)
    template = environment.get_template('drawn_answer.html')
    # Where one square is empty the other drawing is read all the same.
    inked = [image for image in images if image is not None]
    if not inked:
        return template.render(read=[_without_ink(name) for name in NAMES], answer=None)
    both = [images[0] or inked[0], images[1] or inked[0]]
    pixels = np.array([[image.pixels for image in both]])
    mean, seeds = predictor.with_seeds(pixels)
    read = [
        _without_ink(name) if image is None else _read(image, which, mean, seeds)
        for which, (name, image) in enumerate(zip(NAMES, images, strict=True))
    ]
    answer = _answer(predictor, mean, seeds) if len(inked) == 2 else None
    return template.render(read=read, answer=answer)


def _prepared(drawing: Any) -> PreparedImage | None:
    """The digit on a drawing; None without one."""
    if not isinstance(drawing, str) or not drawing.startswith(_BEFORE):
        raise UserError('a drawing must be a PNG; load the page again')
    if len(drawing) > MOST_CHARACTERS:
        raise UserError(f'a drawing has more than {MOST_CHARACTERS:,} characters; draw less')
    try:
        data = base64.b64decode(drawing[len(_BEFORE) :], validate=True)
        with Image.open(io.BytesIO(data), formats=['PNG']) as image:
            if image.size != (SIDE, SIDE):
                raise UserError(
                    f'a drawing has {image.width} x {image.height} pixels instead of {SIDE} x '
                    f'{SIDE}; load the page again'
                )
            grey = np.asarray(image.convert('L'), np.float32)
    # Pillow has several exceptions for a damaged file.
    except (OSError, ValueError, SyntaxError, binascii.Error):
        raise UserError('a drawing cannot be read as a PNG; load the page again') from None
    return prepare_page(grey) if np.ptp(grey) >= MIN_CONTRAST else None


def _without_ink(name: str) -> ReadDrawing:
    return ReadDrawing(note=f'The {name} square has no ink: draw a digit in it.')


def _read(
    image: PreparedImage, which: int, mean: Predictions, seeds: Sequence[Predictions]
) -> ReadDrawing:
    seen = _png(image.pixels)
    if mean.digits_a is None:
        return ReadDrawing(seen, note=image_note(image, None))
    chances = (mean.digits_a, mean.digits_b)[which][0]
    digits = Counter(int((one.digits_a, one.digits_b)[which][0].argmax()) for one in seeds)
    digit, probability = int(chances.argmax()), float(chances.max())
    note = image_note(image, probability)
    return ReadDrawing(seen, digit, probability, _votes(digits, 'read'), note)


def _answer(
    predictor: Predictor, mean: Predictions, seeds: Sequence[Predictions]
) -> dict[str, Any]:
    answers = Counter('yes' if one.holds[0] else 'no' for one in seeds)
    return {
        'relation': relation_text(predictor.restored.config.data.relation).replace('<=', '≤'),
        'text': 'yes' if mean.holds[0] else 'no',
        'probability': float(mean.probability[0]),
        'seeds': _votes(answers, 'say'),
        'agree': len(answers) == 1,
    }


def _votes(counts: Counter, verb: str) -> str:
    """How many seeds say what: 'all 5 seeds read 3', or 'of 5 seeds 4 read 3, 1 reads 8'."""
    total = counts.total()
    if total == 1:
        return ''
    if len(counts) == 1:
        return f'all {total} seeds {verb} {next(iter(counts))}'
    parts = [
        f'{count} {verb}{"s" if count == 1 else ""} {what}' for what, count in counts.most_common()
    ]
    return f'of {total} seeds {", ".join(parts)}'


def _png(pixels: np.ndarray) -> str:
    """The address of a PNG of (14, 14) pixels from 0 to 255."""
    file = io.BytesIO()
    Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)).save(file, 'png')
    return _BEFORE + base64.b64encode(file.getvalue()).decode('ascii')
