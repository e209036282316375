"""Encoded images (PNG, JPEG and what else Pillow reads) as 14 x 14 grey ones."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from pairjax.data.resize import LUMINANCE, MIN_SOURCE_SIDE, MNIST_SIDE, SIDE, describe_loss, shrink
from pairjax.data.workers import worker_pool
from pairjax.errors import UserError, describe_error
from pairjax.system import num_cores

# Worker processes take half a second to start.
FEWEST_FOR_WORKERS = 3000
CHUNK = 250
# Larger JPEG images are decoded at a half, quarter or eighth of their size.
LARGE_SIDE = 1024
# A few unreadable files, which published data sets have, are left out; more are a mistake.
MOST_UNREADABLE = 0.05


class ShrunkImages(NamedTuple):
    """Images that were read.

    Attributes:
      images: (n, 14, 14) float32, or uint8 where all are 14 x 14 grey already.
      readable: (m,) bool, of all images: n of them could be read.
      notes: sentences about what was left out or lost.
    """

    images: np.ndarray
    readable: np.ndarray
    notes: tuple[str, ...]


def shrink_encoded(
    items: Sequence[bytes | Path],
    name_of: Callable[[int], str],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ShrunkImages:
    """Decodes images and makes them 14 x 14, many of them in worker processes.

    Args:
      items: an encoded image, or the path of one, each.
      name_of: the name of the i-th image, for messages.
      progress: called with the number of images read and of all images.

    Raises: UserError where more than MOST_UNREADABLE of them cannot be read.
    """
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    stacks, failures, losses, done = [], {}, [], 0
    for chunk, (stack, reasons, loss) in zip(chunks, _shrunk_chunks(chunks), strict=True):
        stacks.append(stack)
        failures.update({done + place: reason for place, reason in reasons.items()})
        losses.append(loss)
        done += len(chunk)
        progress(done, len(items))
    notes = sorted({loss for loss in losses if loss})[-1:]
    readable = np.ones(len(items), bool)
    if failures:
        readable[list(failures)] = False
        first = min(failures)
        what = f'{name_of(first)} cannot be read as an image ({failures[first]})'
        if len(failures) > MOST_UNREADABLE * len(items):
            raise UserError(
                f'{what}, nor can {len(failures) - 1} others of {len(items)}; remove them or name '
                'intact images.'
            )
        others = f', nor can {len(failures) - 1} others' if len(failures) > 1 else ''
        notes.insert(0, f'{what}{others}: left out')
    images = np.concatenate(stacks) if stacks else np.empty((0, SIDE, SIDE), np.uint8)
    return ShrunkImages(images, readable, tuple(notes))


Shrunk = tuple[np.ndarray, dict[int, str], str]


def _shrunk_chunks(chunks: Sequence[Sequence[bytes | Path]]) -> Iterator[Shrunk]:
    workers = min(num_cores(), len(chunks))
    with contextlib.ExitStack() as stack:
        shrunk = map(shrink_chunk, chunks)
        if workers > 1 and len(chunks) * CHUNK > FEWEST_FOR_WORKERS:
            # Without a process more it only takes longer.
            with contextlib.suppress(OSError):
                shrunk = stack.enter_context(worker_pool(workers)).map(shrink_chunk, chunks)
        yield from shrunk


def shrink_chunk(items: Sequence[bytes | Path]) -> Shrunk:
    """The readable ones of some images as one array, why others are not, and what is lost."""
    decoded, failures = [], {}
    with warnings.catch_warnings():
        # Of a broken EXIF block. Beyond its limit of pixels Pillow only warns, up to twice of it.
        warnings.simplefilter('ignore', UserWarning)
        warnings.simplefilter('error', Image.DecompressionBombWarning)
        for place, item in enumerate(items):
            try:
                decoded.append(
                    decode_square(item if isinstance(item, bytes) else item.read_bytes())
                )
            # Each format has its own exceptions for a damaged file.
            except Exception as error:
                failures[place] = getattr(error, 'strerror', None) or describe_error(error)
    by_shape: dict[tuple, list[int]] = {}
    for place, image in enumerate(decoded):
        by_shape.setdefault((image.shape, image.dtype), []).append(place)
    small_bytes = set(by_shape) == {((SIDE, SIDE), np.dtype(np.uint8))}
    images = np.empty((len(decoded), SIDE, SIDE), np.uint8 if small_bytes else np.float32)
    losses = []
    for places in by_shape.values():
        stack = np.stack([decoded[place] for place in places])
        images[places] = shrink(stack)
        losses.append(describe_loss(stack))
    loss = max(losses, default='', key=len)
    if loss and len(by_shape) > 1:
        loss = f'images of several sizes, more than {MNIST_SIDE}x{MNIST_SIDE} or in colour, become '
        loss += f'{SIDE}x{SIDE} grey ones: what colours or finer details tell is lost'
    return images, failures, loss


def decode_square(contents: bytes) -> np.ndarray:
    """An encoded image, turned upright by its EXIF tag and padded to a square with its border.

    Transparent pixels become black or white, whichever differs more from the opaque ones.

    Returns: (side, side) or (side, side, 3), uint8 or float32 from 0 to 255.
    Raises: what Pillow raises for a damaged image, ValueError for a tiny one.
    """
    with Image.open(io.BytesIO(contents)) as image:
        if min(image.size) < MIN_SOURCE_SIDE:
            raise ValueError(f'{image.width}x{image.height} pixels are too few')
        if max(image.size) > LARGE_SIDE:
            image.draft(None, (LARGE_SIDE, LARGE_SIDE))
        pixels = _pixels(_upright(image))
    if pixels.shape[0] != pixels.shape[1]:
        missing = [max(pixels.shape[:2]) - length for length in pixels.shape[:2]]
        border = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
        square = np.empty((*[max(pixels.shape[:2])] * 2, *pixels.shape[2:]), pixels.dtype)
        square[:] = np.median(np.concatenate(border), axis=0)
        top, left = (length // 2 for length in missing)
        square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
        return square
    return pixels


def _upright(image: Image.Image) -> Image.Image:
    # To look for the tag takes longer than to decode a small image.
    if 'exif' in image.info or image.format == 'TIFF':
        # A broken block costs the rotation, not the image.
        with contextlib.suppress(Exception):
            return ImageOps.exif_transpose(image)
    return image


def _pixels(image: Image.Image) -> np.ndarray:
    if image.mode == 'L' and 'transparency' not in image.info:
        return np.asarray(image)
    if image.mode.startswith(('I', 'F')):
        values = np.asarray(image).astype(np.float32)
        if image.mode.startswith('I;16') or values.max() > 255:
            values /= 257  # 65535 is white.
        elif image.mode == 'F' and values.max() <= 1:
            values *= 255
        if not np.isfinite(values).all():
            raise ValueError('it has pixels that are NaN or infinite')
        return values.clip(0, 255)
    if image.has_transparency_data:
        pixels = np.asarray(image.convert('RGBA'), np.float32)
        alpha, grey = pixels[..., 3] / 255, pixels[..., :3] @ LUMINANCE
        light = (grey * alpha).sum() > 127.5 * alpha.sum()
        return grey * alpha + (0 if light else 255) * (1 - alpha)
    return np.asarray(image.convert('L' if image.mode == '1' else 'RGB'))
