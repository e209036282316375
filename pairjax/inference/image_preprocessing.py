"""From an image file to the 14 x 14 grey pixels that a network is trained on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pairjax.data.resize import shrink
from pairjax.errors import UserError
from pairjax.inference.centring import FIELD, centred, is_centred
from pairjax.inference.digit_finding import FoundDigit, find_digit
from pairjax.inference.image_files import MIN_CONTRAST, read_grey
from pairjax.inference.paper import ink_darkness, is_dark_on_light, sheet_on_table

# The digit is looked for in at most this many pixels a side.
SEARCHED_SIDE = 140
# A digit of fewer of those is cut out of the page and looked at again, more closely.
SMALL_DIGIT = 36
TWO_DIGITS = 'two digits?'
# Of the predicted digit. Chosen on MNIST train digits that the network of then was not trained on:
# docs/predict.md says how many digits, and how many of the mistakes, are below.
UNSURE_BELOW = 0.7
UNSURE = 'unsure'


class CutOut(NamedTuple):
    """What was cut out of a picture, to be shown.

    Attributes:
      picture: (height, width) uint8, the picture in grey, at most 140 pixels a side.
      digit: (28, 28) uint8, the digit cut out and centred; light ink.
    """

    picture: np.ndarray
    digit: np.ndarray


class PreparedImage(NamedTuple):
    """An image as a network takes it.

    Attributes:
      pixels: (14, 14) float32 from 0 (background) to 255 (ink).
      inverted: whether the file has dark ink on a light background; `pixels` is its negative.
      note: what is doubtful about the picture, or ''.
      cut_out: what was cut out, where that was asked for.
    """

    pixels: np.ndarray
    inverted: bool
    note: str = ''
    cut_out: CutOut | None = None


def read_image(path: Path | str, as_it_is: bool = False, show: bool = False) -> PreparedImage:
    """Reads an image of one digit and prepares it like those of MNIST.

    Reads any size, colour and depth that Pillow does. Dark digits on a light background become
    light on dark. Images of 28 x 28 and 14 x 14 pixels whose digit is where MNIST has it are taken
    as they are. In all others uneven light and ruling are removed, the digit is found, cropped,
    scaled to 20 x 20 with its proportions kept, and placed in 28 x 28 with the centre of mass in
    the middle, as in MNIST (LeCun et al. 1998).

    Args:
      path: the file.
      as_it_is: only make it grey, square (padded with the colour of its border) and 14 x 14, for
        networks that were trained on other images than digits.
      show: return what was cut out, too.

    Raises: UserError where the file is no readable image, or shows nothing.
    """
    grey = read_grey(path)
    if as_it_is:
        return _prepared(grey, _padded_to_square(grey), False, '', show)
    if np.ptp(grey) < MIN_CONTRAST:
        raise UserError(f'{path} has almost no contrast; name an image with a digit on it')
    image = prepare_page(grey, show)
    if image is None:
        raise UserError(f'{path} shows no ink; name an image with a digit on it')
    return image


def prepare_page(grey: np.ndarray, show: bool = False) -> PreparedImage | None:
    """Prepares a page, (height, width) float32 from 0 to 255; None where no digit is on it."""
    inverted, field = _as_centred(grey)
    if field is not None:
        return _prepared(grey, field, inverted, '', show)
    inverted, found = _find_on_page(grey)
    if found is None:
        return None
    field = centred(found.ink[found.box])
    return _prepared(grey, field, inverted, TWO_DIGITS * found.is_one_of_two, show)


def image_note(image: PreparedImage, probability: float | None) -> str:
    """Joins an image's own note and whether the predicted digit's probability is too low."""
    unsure = probability is not None and probability < UNSURE_BELOW
    return ', '.join(note for note in (image.note, UNSURE if unsure else '') if note)


def _prepared(
    grey: np.ndarray, field: np.ndarray, inverted: bool, note: str, show: bool
) -> PreparedImage:
    cut_out = CutOut(_thumbnail(grey), _thumbnail(field)) if show else None
    return PreparedImage(shrink(field[None])[0], inverted, note, cut_out)


def _as_centred(grey: np.ndarray) -> tuple[bool, np.ndarray | None]:
    """Whether a small image is dark on light, and its light digit if that is centred already."""
    if max(grey.shape) > FIELD:
        return False, None
    inverted = bool(_border_value(grey) > (grey.min() + grey.max()) / 2)
    light = 255 - grey if inverted else grey
    return inverted, light if is_centred(light) else None


def _find_on_page(grey: np.ndarray) -> tuple[bool, FoundDigit | None]:
    """Whether a page has dark ink, and the digit on it.

    The digit is looked for in a reduced copy first, and then in what is near it.
    """
    small = _mean_of_blocks(grey, SEARCHED_SIDE)
    factor = round(max(grey.shape) / max(small.shape))
    sheet = sheet_on_table(small)
    if sheet is not None:
        small = small[sheet]
        grey = grey[tuple(slice(factor * part.start, factor * part.stop) for part in sheet)]
    inverted = is_dark_on_light(small)
    found = find_digit(ink_darkness(small if inverted else 255 - small))
    size = 0 if found is None else max(part.stop - part.start for part in found.box)
    if factor == 1 or not 0 < size < SMALL_DIGIT:
        return inverted, found
    near = grey[
        tuple(
            slice(max(0, factor * (part.start - size)), factor * (part.stop + size))
            for part in found.box
        )
    ]
    near = _mean_of_blocks(near, SEARCHED_SIDE)
    closer = find_digit(ink_darkness(near if inverted else 255 - near))
    # Another digit may lie outside of what was cut out.
    return inverted, closer._replace(is_one_of_two=found.is_one_of_two) if closer else found


def _mean_of_blocks(page: np.ndarray, most: int) -> np.ndarray:
    """The page with at most `most` pixels a side: means of square blocks."""
    factor = -(-max(page.shape) // most)
    return np.asarray(Image.fromarray(page).reduce(factor)) if factor > 1 else page


def _border_value(grey: np.ndarray) -> float:
    """The median of the border, which is 1/28 of the shorter side wide."""
    width = max(1, min(grey.shape) // FIELD)
    edges = grey[:width], grey[-width:], grey[width:-width, :width], grey[width:-width, -width:]
    return float(np.median(np.concatenate([edge.ravel() for edge in edges])))


def _padded_to_square(grey: np.ndarray) -> np.ndarray:
    missing = [max(grey.shape) - length for length in grey.shape]
    widths = [(short // 2, short - short // 2) for short in missing]
    return np.pad(grey, widths, constant_values=_border_value(grey))


def _thumbnail(grey: np.ndarray) -> np.ndarray:
    return _mean_of_blocks(grey, SEARCHED_SIDE).round().clip(0, 255).astype(np.uint8)
