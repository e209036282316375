"""Centres a digit as MNIST does (LeCun et al. 1998)."""

import numpy as np
from scipy import ndimage

from pairjax.data.resize import SIDE, area_weights

# Digits in a box of 20 x 20, with their centre of mass in the middle of 28 x 28 pixels.
BOX, FIELD = 20, 28
# Images of these sizes may be centred already.
CENTRED_SIDES = (SIDE, FIELD)


def is_centred(ink: np.ndarray) -> bool:
    """Whether an image, light ink on 0, has a digit of MNIST's size in MNIST's place.

    That is so for each of the 70,000 images of MNIST: their centres of mass lie between 0 and 1
    pixels of 28 right of and below the middle, and their ink is 14 to 20 pixels long.
    """
    if ink.shape not in [(side, side) for side in CENTRED_SIDES] or not ink.any():
        return False
    pixel = FIELD / len(ink)
    centres = np.array(ndimage.center_of_mass(ink)) * pixel + pixel / 2 - FIELD / 2
    rows, columns = ndimage.find_objects((ink > 0.2 * ink.max()).astype(np.uint8))[0]
    longer = pixel * max(rows.stop - rows.start, columns.stop - columns.start)
    return bool((np.abs(centres - 0.5) <= 1.5).all() and 14 <= longer <= 23)


def centred(ink: np.ndarray) -> np.ndarray:
    """Ink that fills its array, from 0 to 1, as (28, 28) float32 from 0 to 255."""
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
