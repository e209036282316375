"""From an image file to the 14 x 14 grey pixels that a network is trained on."""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from pairjax.data.resize import LUMINANCE, MIN_SOURCE_SIDE, SIDE, area_weights, shrink
from pairjax.errors import UserError, describe_error

# MNIST: digits in a box of 20 x 20, with their centre of mass in the middle of 28 x 28 pixels.
BOX, FIELD = 20, 28
# Images of these sizes are taken to be centred like MNIST's already.
CENTRED_SIDES = (SIDE, FIELD)
# Pillow registers more, some of which it cannot decode.
IMAGE_SUFFIXES = frozenset(
    ('.avif', '.bmp', '.gif', '.jp2', '.jpeg', '.jpg', '.pbm', '.pgm', '.png', '.ppm', '.tga')
    + ('.tif', '.tiff', '.webp')
)
# Of 255. An image of less contrast is an empty sheet with grain.
MIN_CONTRAST = 10
# Larger images are first reduced by a whole factor; strokes stay many pixels wide.
MAX_SIDE = 1024
# Pixels count as ink from this share of full ink on. A connected patch belongs to the digit if it
# has at least this share of the largest patch's ink: the bar of a 5 may be apart, dust is left out.
MIN_INK = 0.2
MIN_PATCH = 0.03


class PreparedImage(NamedTuple):
    """An image as a network takes it.

    Attributes:
      pixels: (14, 14) float32 from 0 (background) to 255 (ink).
      inverted: whether the file has dark ink on a light background; `pixels` is its negative.
    """

    pixels: np.ndarray
    inverted: bool


def read_image(path: Path | str, as_it_is: bool = False) -> PreparedImage:
    """Reads an image of one digit and prepares it like those of MNIST.

    Reads any size, colour and depth that Pillow does. Dark digits on a light background become
    light on dark. Except for images of 28 x 28 and 14 x 14 pixels, digits are centred as in MNIST
    (LeCun et al. 1998): cropped to the ink, scaled to 20 x 20 with their proportions kept, and
    placed in 28 x 28 with the centre of mass in the middle.

    Args:
      path: the file.
      as_it_is: only make it grey, square (padded with the colour of its border) and 14 x 14, for
        networks that were trained on other images than digits.

    Raises: UserError where the file is no readable image, or shows nothing.
    """
    grey = read_grey(path)
    if as_it_is:
        return PreparedImage(shrink(_padded_to_square(grey)[None])[0], False)
    if grey.max() - grey.min() < MIN_CONTRAST:
        raise UserError(f'{path} has almost no contrast; name an image with a digit on it')
    threshold = _otsu_threshold(grey)
    inverted = bool(_border_value(grey) > threshold)
    if inverted:
        grey, threshold = 255 - grey, 255 - threshold
    if grey.shape not in [(side, side) for side in CENTRED_SIDES]:
        grey = _centred(grey, threshold)
    return PreparedImage(shrink(grey[None])[0], inverted)


def has_image_suffix(path: Path) -> bool:
    """Whether a file name ends in one of IMAGE_SUFFIXES, in any case."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def list_images(folder: Path) -> tuple[list[str], int]:
    """The sorted names of the images in a folder, and the number of its other files.

    Images are told by their suffix. Subfolders and hidden files do not count.

    Raises: UserError where the folder cannot be read.
    """
    try:
        files = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith('.')]
    except OSError as error:
        raise UserError(
            f'{folder} cannot be read ({error.strerror}); name another folder'
        ) from None
    names = sorted(path.name for path in files if has_image_suffix(path))
    return names, len(files) - len(names)


def read_grey(path: Path | str) -> np.ndarray:
    """An image's luminance, (height, width) float32 from 0 to 255, turned upright by its EXIF tag.

    Transparent pixels become black or white, whichever differs more from the opaque ones. Sides
    of more than 1024 pixels are reduced by a whole factor.

    Raises: UserError where the file is no readable image.
    """
    try:
        with warnings.catch_warnings():
            # Pillow raises an error only beyond twice its limit.
            warnings.simplefilter('error', Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if min(image.size) < MIN_SOURCE_SIDE:
                    raise UserError(
                        f'{path} is {image.width} x {image.height} pixels; a digit needs at least '
                        f'{MIN_SOURCE_SIDE} each way'
                    )
                grey = _luminance(ImageOps.exif_transpose(image))
    except UserError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(
            f'{path} has more than {Image.MAX_IMAGE_PIXELS:,} pixels, which could fill the memory; '
            'scale it down first'
        ) from None
    # Each format has its own exceptions for a damaged file.
    except Exception as error:
        empty = Path(path).is_file() and not Path(path).stat().st_size
        # The system's own errors say only what is wrong: no such file, permission denied.
        reason = (
            'it is empty' if empty else getattr(error, 'strerror', None) or describe_error(error)
        )
        raise UserError(
            f'{path} cannot be read as an image ({reason}); name an intact PNG, JPEG, TIFF or '
            'another format that Pillow reads'
        ) from error
    if not np.isfinite(grey).all():
        raise UserError(f'{path} has pixels that are NaN or infinite')
    return grey


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
    factor = -(-max(image.size) // MAX_SIDE)
    # The short side of a long strip must stay large enough for a digit.
    factor = min(factor, min(image.size) // MIN_SOURCE_SIDE)
    return image.reduce(factor) if factor > 1 else image


def _otsu_threshold(grey: np.ndarray) -> float:
    """Threshold between dark and light pixels of the largest between-class variance (Otsu 1979)."""
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
    """The median of the border, which is 1/28 of the shorter side wide."""
    width = max(1, min(grey.shape) // FIELD)
    edges = grey[:width], grey[-width:], grey[width:-width, :width], grey[width:-width, -width:]
    return float(np.median(np.concatenate([edge.ravel() for edge in edges])))


def _padded_to_square(grey: np.ndarray) -> np.ndarray:
    missing = [max(grey.shape) - length for length in grey.shape]
    widths = [(short // 2, short - short // 2) for short in missing]
    return np.pad(grey, widths, constant_values=_border_value(grey))


def _centred(grey: np.ndarray, threshold: float) -> np.ndarray:
    """Centres light ink as MNIST does: (28, 28), background 0, full ink 255."""
    light = grey > threshold
    background, full = grey[~light].mean(), grey[light].mean()
    ink = ((grey - background) / (full - background)).clip(0, 1)
    ink = _cropped(ink, ink > MIN_INK)
    digit = _digit_mask(ink)
    ink = _cropped(np.where(digit, ink, 0), digit)
    height, width = (max(1, round(BOX * length / max(ink.shape))) for length in ink.shape)
    box = area_weights(ink.shape[0], height) @ ink @ area_weights(ink.shape[1], width).T
    field = np.zeros((FIELD, FIELD), np.float32)
    centres = ndimage.center_of_mass(box.astype(np.float64))
    top, left = (
        min(max(round(FIELD / 2 - centre), 0), FIELD - length)
        for centre, length in zip(centres, box.shape, strict=True)
    )
    field[top : top + height, left : left + width] = 255 * box
    return field


def _cropped(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return values[ndimage.find_objects(wanted.astype(np.uint8))[0]]


def _digit_mask(ink: np.ndarray) -> np.ndarray:
    """Where the digit is: connected patches of ink, without those far smaller than the largest."""
    patches, count = ndimage.label(ink > MIN_INK, np.ones((3, 3)))
    amounts = np.bincount(patches.ravel(), ink.ravel(), count + 1)
    amounts[0] = 0
    return (amounts >= MIN_PATCH * amounts.max())[patches]
