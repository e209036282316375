"""From a picture in a file to the 14 x 14 grey pixels that a network reads. No jax in here."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from pairjax.data.files import describe
from pairjax.data.resize import LUMINANCE, MIN_SOURCE_SIDE, SIDE, area_weights, shrink
from pairjax.errors import UserError

# MNIST: digits in a box of 20 x 20, in a field of 28 x 28 with their centre of mass in its middle.
BOX, FIELD = 20, 28
# Pictures of these sizes are taken to be such fields already.
READY_SIDES = (SIDE, FIELD)
# Pillow registers more, some of which it cannot decode.
PICTURE_ENDINGS = frozenset(
    ('.avif', '.bmp', '.gif', '.jp2', '.jpeg', '.jpg', '.pbm', '.pgm', '.png', '.ppm', '.tga')
    + ('.tif', '.tiff', '.webp')
)
# Of 255: what lies below it is the grain of an empty sheet.
SMALLEST_CONTRAST = 10
# Larger pictures are first reduced by a whole factor: strokes stay many pixels wide.
LARGEST_SIDE = 1024
# Ink belongs to the digit from this share of full ink on, in patches of at least this share of
# the largest patch: the bar of a 5 may stand apart, grains of dust are left out.
FAINTEST_INK = 0.2
SMALLEST_PATCH = 0.03


class Picture(NamedTuple):
    """A picture as a network reads it.

    image: (14, 14) float32 from 0 (background) to 255. inverted: whether the file shows dark
    ink on a light ground, of which this is the negative.
    """

    image: np.ndarray
    inverted: bool


def read_picture(path: Path | str, as_it_is: bool = False) -> Picture:
    """Reads a picture of one digit and brings it to the form of MNIST's.

    Any size, colour or depth that Pillow reads. Dark digits on a light ground become light on
    dark. Pictures of 28 x 28 or 14 x 14 are taken as they are otherwise; others are made as
    MNIST was (LeCun et al. 1998): cropped to the ink, scaled to 20 x 20 with their proportions
    kept, and placed in 28 x 28 with the centre of mass in the middle.

    Args:
      path: the file.
      as_it_is: only make it grey, square (padded with the colour of its border) and 14 x 14, for
        networks that were trained on other pictures than MNIST's.

    Raises: UserError where there is no readable picture, or none with anything on it.
    """
    grey = read_grey(path)
    if as_it_is:
        return Picture(shrink(_padded_to_square(grey)[None])[0], False)
    if grey.max() - grey.min() < SMALLEST_CONTRAST:
        raise UserError(f'{path} shows hardly any contrast; name a picture with a digit on it')
    threshold = _threshold(grey)
    inverted = bool(_border_value(grey) > threshold)
    if inverted:
        grey, threshold = 255 - grey, 255 - threshold
    if grey.shape not in [(side, side) for side in READY_SIDES]:
        grey = _as_in_mnist(grey, threshold)
    return Picture(shrink(grey[None])[0], inverted)


def is_named_like_a_picture(path: Path) -> bool:
    """Whether a name ends as those of the common formats do."""
    return path.suffix.lower() in PICTURE_ENDINGS


def picture_names(folder: Path) -> tuple[list[str], int]:
    """The files in a folder whose names end like a picture's, sorted, and how many do not.

    Hidden files and folders count as neither.

    Raises: UserError where the folder cannot be read.
    """
    try:
        files = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith('.')]
    except OSError as error:
        raise UserError(
            f'{folder} cannot be read ({error.strerror}); name another folder'
        ) from None
    names = sorted(path.name for path in files if is_named_like_a_picture(path))
    return names, len(files) - len(names)


def read_grey(path: Path | str) -> np.ndarray:
    """A picture's luminance, (height, width) float32 from 0 to 255, upright as EXIF says.

    Transparent pixels take whichever of black and white lies further from the others. Sides
    beyond 1024 pixels are reduced by a whole factor.

    Raises: UserError where it cannot be read as a picture.
    """
    try:
        with Image.open(path) as image:
            _check_size(path, image.size)
            grey = _luminance(ImageOps.exif_transpose(image))
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f'{path} does not exist; name a picture') from None
    except IsADirectoryError:
        raise UserError(f'{path} is a folder; name a picture') from None
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    # Each format has its own exceptions for a damaged file; all mean the same here.
    except Exception as error:
        empty = Path(path).is_file() and not Path(path).stat().st_size
        reason = 'it is empty' if empty else describe(error)
        raise UserError(
            f'{path} cannot be read as a picture ({reason}); name an intact PNG, JPEG, TIFF or '
            'another format that Pillow reads'
        ) from error
    if not np.isfinite(grey).all():
        raise UserError(f'{path} holds values that are infinite or not a number')
    return grey


def _check_size(path: Path | str, size: tuple[int, int]) -> None:
    if min(size) < MIN_SOURCE_SIDE:
        raise UserError(
            f'{path} is {size[0]} x {size[1]} pixels; a digit needs at least {MIN_SOURCE_SIDE} '
            'each way'
        )
    if Image.MAX_IMAGE_PIXELS and size[0] * size[1] > Image.MAX_IMAGE_PIXELS:
        raise _too_large(path)


def _too_large(path: Path | str) -> UserError:
    return UserError(
        f'{path} has more than {Image.MAX_IMAGE_PIXELS:,} pixels, which may be an attempt to fill '
        'the memory; reduce it first'
    )


def _luminance(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(('I', 'F')):
        values = np.asarray(image).astype(np.float32)
        if image.mode.startswith('I;16') or values.max() > 255:
            values /= 257  # 65535 is white
        elif image.mode == 'F' and values.max() <= 1:
            values *= 255
        return np.asarray(_reduced(Image.fromarray(values))).clip(0, 255)
    if image.has_transparency_data:
        pixels = np.asarray(_reduced(image.convert('RGBA')), np.float32)
        alpha, grey = pixels[..., 3] / 255, pixels[..., :3] @ LUMINANCE
        light = (grey * alpha).sum() > 127.5 * alpha.sum()
        return grey * alpha + (0 if light else 255) * (1 - alpha)
    if image.mode in ('1', 'L'):
        return np.asarray(_reduced(image.convert('L')), np.float32)
    return np.asarray(_reduced(image.convert('RGB')), np.float32) @ LUMINANCE


def _reduced(image: Image.Image) -> Image.Image:
    factor = -(-max(image.size) // LARGEST_SIDE)
    # A long strip must not become thinner than a digit can be.
    factor = min(factor, min(image.size) // MIN_SOURCE_SIDE)
    return image.reduce(factor) if factor > 1 else image


def _threshold(grey: np.ndarray) -> float:
    """Otsu's threshold (1979) between dark and light: the largest variance between the two."""
    low, high = float(grey.min()), float(grey.max())
    step = (high - low) / 255
    levels = ((grey - low) / step + 0.5).astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256)
    below = np.cumsum(counts)[:-1]
    above = grey.size - below
    sums = np.cumsum(counts * np.arange(256))
    distance = (sums[-1] - sums[:-1]) / above - sums[:-1] / below
    return low + step * (int(np.argmax(below * above * distance**2)) + 0.5)


def _border_value(grey: np.ndarray) -> float:
    """The median of the outermost pixels, 1/28 of the shorter side wide."""
    width = max(1, min(grey.shape) // FIELD)
    edges = grey[:width], grey[-width:], grey[width:-width, :width], grey[width:-width, -width:]
    return float(np.median(np.concatenate([edge.ravel() for edge in edges])))


def _padded_to_square(grey: np.ndarray) -> np.ndarray:
    side = max(grey.shape)
    square = np.full((side, side), _border_value(grey), np.float32)
    top, left = ((side - length) // 2 for length in grey.shape)
    square[top : top + grey.shape[0], left : left + grey.shape[1]] = grey
    return square


def _as_in_mnist(grey: np.ndarray, threshold: float) -> np.ndarray:
    """Light ink on a dark ground of any size -> MNIST's field, (28, 28), ground 0 and ink 255."""
    light = grey > threshold
    ground, full = grey[~light].mean(), grey[light].mean()
    ink = ((grey - ground) / (full - ground)).clip(0, 1)
    ink = _cropped(ink, ink > FAINTEST_INK)
    digit = _digit_mask(ink)
    ink = _cropped(np.where(digit, ink, 0), digit)
    height, width = (max(1, round(BOX * length / max(ink.shape))) for length in ink.shape)
    box = area_weights(ink.shape[0], height) @ ink @ area_weights(ink.shape[1], width).T
    field = np.zeros((FIELD, FIELD), np.float32)
    middles = (_middle(box.sum(axis=axis, dtype=np.float64)) for axis in (1, 0))
    top, left = (
        min(max(round(FIELD / 2 - middle), 0), FIELD - length)
        for middle, length in zip(middles, box.shape, strict=True)
    )
    field[top : top + height, left : left + width] = 255 * box
    return field


def _cropped(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero(wanted.any(axis=axis)) for axis in (1, 0))
    return values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _middle(masses: np.ndarray) -> float:
    return float(masses @ np.arange(len(masses)) / masses.sum())


def _digit_mask(ink: np.ndarray) -> np.ndarray:
    """Where the digit is: connected patches of ink that are not small beside the largest."""
    patches, count = ndimage.label(ink > FAINTEST_INK, np.ones((3, 3)))
    amounts = np.bincount(patches.ravel(), ink.ravel(), count + 1)
    amounts[0] = 0
    return (amounts >= SMALLEST_PATCH * amounts.max())[patches]
