"""Reads image files of any size, colour and depth as grey pixels."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin

from pairjax.data.folder import SUFFIXES
from pairjax.data.resize import LUMINANCE, MIN_SOURCE_SIDE
from pairjax.errors import UserError, describe_error

# Pillow does not read HEIC, which phones write, but its users should be told so.
IMAGE_SUFFIXES = SUFFIXES | {'.heic', '.heif'}
# Larger images are first reduced by a whole factor; strokes stay many pixels wide.
MAX_SIDE = 1024
# Of 255. An image of less contrast is an empty sheet with grain.
MIN_CONTRAST = 10
# Of an animation, or pages of a TIFF.
MAX_FRAMES = 100
# Bit depths of cameras and scanners that are stored as 16 or 32 bits.
DEPTHS = (8, 10, 12, 14, 16)
# ISO 23008-12, annex B.4, and ISO 14496-12: the brands of files with pictures coded by HEVC.
HEIC_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')


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
    of more than 1024 pixels are reduced by a whole factor, JPEGs while they are decoded. Of an
    animation the first frame with any contrast is taken. Grey images of 16 bits may hold 8, 10, 12
    or 14: white is the largest value of the fewest bits that hold all pixels.

    Raises: UserError where the file is no readable image.
    """
    try:
        with warnings.catch_warnings():
            # Pillow raises an error only beyond twice its limit.
            warnings.simplefilter('error', Image.DecompressionBombWarning)
            # A damaged EXIF block costs the rotation alone.
            warnings.filterwarnings('ignore', module='PIL', category=UserWarning)
            with _opened(path) as image:
                if min(image.size) < MIN_SOURCE_SIDE:
                    raise UserError(
                        f'{path} is {image.width} x {image.height} pixels; a digit needs at least '
                        f'{MIN_SOURCE_SIDE} each way'
                    )
                grey = _first_with_contrast(image)
    except UserError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(
            f'{path} has more than {Image.MAX_IMAGE_PIXELS:,} pixels, which could fill the memory; '
            'scale it down first'
        ) from None
    # Each format has its own exceptions for a damaged file.
    except Exception as error:
        raise UserError(_why_unreadable(path, error)) from error
    if not np.isfinite(grey).all():
        raise UserError(f'{path} has pixels that are NaN or infinite')
    return grey


def _opened(path: Path | str) -> contextlib.AbstractContextManager[Image.Image]:
    if _first_bytes(path).startswith(b'\xff\xd8\xff'):
        return _opened_jpeg(path)
    return Image.open(path)


@contextlib.contextmanager
def _opened_jpeg(path: Path | str) -> Iterator[Image.Image]:
    """A JPEG that its decoder reduces: only the pixels that it leaves take memory.

    Image.open would count all pixels, and take the small pictures that phones put behind the first
    one for an animation.
    """
    with JpegImagePlugin.JpegImageFile(path) as image:
        whole_size = image.size
        image.draft('L', (MAX_SIDE, MAX_SIDE))
        # The coefficients of a progressive JPEG are all held until its last scan has been read.
        width, height = whole_size if image.info.get('progressive') else image.size
        if width * height > Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        yield image


def _first_bytes(path: Path | str) -> bytes:
    with open(path, 'rb') as file:
        return file.read(12)


def _why_unreadable(path: Path | str, error: Exception) -> str:
    # The system's own errors say only what is wrong: no such file, permission denied.
    reason, wanted = getattr(error, 'strerror', None), 'name an intact PNG, JPEG, TIFF or another '
    wanted += 'format that Pillow reads'
    if Path(path).is_file() and reason is None:
        start = _first_bytes(path)
        reason = describe_error(error) if start else 'it is empty'
        if start[4:8] == b'ftyp' and start[8:12] in HEIC_BRANDS:
            reason = 'it is HEIC, as phones save photos, whatever its name says'
            wanted = (
                'save it as JPEG or PNG: on an iPhone choose Settings, Camera, Formats, Most '
                'Compatible, or convert it with heif-convert or ImageMagick'
            )
    return f'{path} cannot be read as an image ({reason or describe_error(error)}); {wanted}'


def _first_with_contrast(image: Image.Image) -> np.ndarray:
    """The luminance of the first frame that is not of one colour; of the first if all are."""
    first = grey = _luminance(_upright(image))
    for frame in range(1, MAX_FRAMES if getattr(image, 'is_animated', False) else 1):
        if np.ptp(grey) >= MIN_CONTRAST:
            return grey
        try:
            image.seek(frame)
        except EOFError:
            break
        grey = _luminance(_upright(image))
    return grey if np.ptp(grey) >= MIN_CONTRAST else first


def _upright(image: Image.Image) -> Image.Image:
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # Whatever Pillow raises for a damaged block, the picture itself is intact.
        return image


def _luminance(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(('I', 'F')):
        values = np.asarray(image).astype(np.float32)
        if image.mode.startswith('I'):
            bits = next((bits for bits in DEPTHS if values.max() < 2**bits), DEPTHS[-1])
            values *= 255 / (2**bits - 1)
        elif values.max() > 255:
            values /= 257  # 65535 is white
        elif values.max() <= 1:
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
