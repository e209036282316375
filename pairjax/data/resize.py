"""Images of any size and colour as 14 x 14 grey ones."""

import math

import numpy as np

from pairjax.errors import UserError

SIDE = 14
MNIST_SIDE = 28
MIN_SOURCE_SIDE = 4
CHANNELS = (1, 3, 4)
# ITU-R 601, red, green and blue: the weights behind Pillow's mode 'L'.
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
# Values held as float32 at a time while shrinking: 16 MB.
_CHUNK_VALUES = 2**22


def shrink(images: np.ndarray) -> np.ndarray:
    """Makes images grey and 14 x 14: luminance, then the average over each pixel's area.

    For 28 x 28 that is exactly the mean of 2 x 2 pixels; smaller images are enlarged by
    the same rule. An alpha channel is ignored.

    Args:
        images: (n, side, side), or (n, side, side, channels) with 1, 3 or 4 channels.

    Returns:
        (n, 14, 14) float32 on the same scale; uint8 images of that size stay uint8.
    """
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.shape[1:] == (SIDE, SIDE) and images.dtype == np.uint8:
        return images
    weights = area_weights(images.shape[1], SIDE)
    small = np.empty((len(images), SIDE, SIDE), np.float32)
    step = max(1, _CHUNK_VALUES // images[0].size)
    for start in range(0, len(images), step):
        chunk = images[start : start + step].astype(np.float32)
        if chunk.ndim == 4:
            chunk = chunk[..., :3] @ LUMINANCE
        small[start : start + step] = weights @ chunk @ weights.T
    return small


def area_weights(num_inputs: int, num_outputs: int) -> np.ndarray:
    """(outputs, inputs) float32: the share of each output pixel that each input pixel covers."""
    # In units of 1 / outputs of an input pixel all edges are whole numbers, so that nothing is
    # rounded before the one division.
    output_start = np.arange(num_outputs)[:, None] * num_inputs
    input_start = np.arange(num_inputs) * num_outputs
    overlap = np.minimum(output_start + num_inputs, input_start + num_outputs) - np.maximum(
        output_start, input_start
    )
    return (overlap.clip(min=0) / num_inputs).astype(np.float32)


def square_images(images: np.ndarray, name: str) -> np.ndarray:
    """Images in a publisher's layout as (n, side, side) or (n, side, side, channels) numbers.

    Args:
      images: (n, side, side), (n, side, side, channels), (n, channels, side, side) or
        (n, side * side), of integers, floats or bool; bool becomes 0 and 255.
      name: of the array, for messages.

    Raises: UserError where they are volumes, no images or no numbers.
    """
    if images.dtype.kind not in 'buif':
        raise UserError(
            f'{name} has type {images.dtype} and shape {images.shape}; expected integers, floats '
            'or bool.'
        )
    shape = images.shape
    if len(shape) < 2:
        check_image_shape(shape[1:], name)
    if len(shape) == 5 or (len(shape) == 4 and shape[1] == shape[2] == shape[3] > 4):
        raise UserError(
            f'{name} has shape {shape}: volumes, not images; expected (n, side, side), so choose a '
            'data set of images, or save slices of these.'
        )
    side = math.isqrt(shape[1]) if len(shape) == 2 else 0
    if side >= MIN_SOURCE_SIDE and side**2 == shape[1]:
        images = images.reshape(-1, side, side)
    elif len(shape) == 4 and shape[1] in CHANNELS and shape[2] == shape[3] not in CHANNELS:
        images = np.moveaxis(images, 1, 3)
    return images.astype(np.uint8) * np.uint8(255) if images.dtype.kind == 'b' else images


def describe_loss(images: np.ndarray) -> str:
    """A sentence where 14 x 14 grey pixels lose colours or more detail than those of MNIST do.

    Args:
      images: some of the images, (n, side, side) or (n, side, side, channels).
    """
    side, some = images.shape[1], images[:1000]
    is_colour = some.ndim == 4 and some.shape[3] > 1 and (some[..., :3] != some[..., :1]).any()
    if not is_colour and side <= MNIST_SIDE:
        return ''
    kind = ' colour' if is_colour else ''
    lost = (
        'what colours or details finer than that tell' if is_colour else 'what finer details tell'
    )
    return f'{side}x{side}{kind} images become {SIDE}x{SIDE} grey ones: {lost} is lost'


def check_image_shape(shape: tuple, name: str) -> None:
    """Checks (height, width) or (height, width, channels)."""
    good = len(shape) in (2, 3) and None not in shape and shape[0] == shape[1] >= MIN_SOURCE_SIDE
    if not good or (len(shape) == 3 and shape[2] not in CHANNELS):
        raise UserError(
            f'{name} has images of shape {tuple(shape)}; expected (side, side) or (side, side, '
            f'channels) with a side of at least {MIN_SOURCE_SIDE} and 1, 3 or 4 channels.'
        )
