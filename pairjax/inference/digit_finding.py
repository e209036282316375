"""Finds the digit among the ink of a page."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from pairjax.inference.paper import dilated

# Pixels are ink from this share of the darkness of full ink on.
INK = 0.4
# Of 255. Less is grain.
MIN_DARKNESS = 8
# Of 255. So much darkness is never grain alone.
STRONG = 100
# In pixels. What is shorter is grain.
MIN_SIDE = 4
# A patch belongs to the digit if it has at least this share of its ink (the bar of a 5 may be
# apart, dust is left out) and is no further away than this share of the digit's longer side.
MIN_PATCH, MAX_DISTANCE = 0.03, 0.35
# Of the darkest ink of the digit. A patch without such ink is a shadow or a fold beside it.
SAME_PEN = 0.7
# A patch that lies along this share of an edge is the table, a shadow or the edge of the sheet.
EDGE_CONTACT = 0.3
# The soft edge of such a patch is one pixel wide where the page has this many.
SOFT_EDGE = 140
# A patch beside the digit is another one if it has at least this share of its ink and height, and
# begins at least this share of the height away.
SECOND_INK, SECOND_HEIGHT, SECOND_GAP = 0.25, 0.6, 0.12
# A digit that is wider than this, in heights, may be two that touch.
WIDE = 1.5

EIGHT_NEIGHBOURS = np.ones((3, 3))


class FoundDigit(NamedTuple):
    """Where the digit of a page is.

    Attributes:
      ink: the whole page, (height, width) float32 from 0 to 1, 0 outside of the digit.
      box: rows and columns of the digit.
      is_one_of_two: whether another digit seems to be beside it.
    """

    ink: np.ndarray
    box: tuple[slice, slice]
    is_one_of_two: bool


def find_digit(darkness: np.ndarray) -> FoundDigit | None:
    """Finds the digit with the most ink; None where there is nothing but grain.

    Args:
      darkness: (height, width) uint8, as `paper.ink_darkness` returns it.
    """
    patches = None
    while True:
        below, full = _ink_range(np.bincount(darkness.ravel(), minlength=256))
        if full - below < MIN_DARKNESS:
            return None
        patches = _Patches(darkness, below, full)
        on_edge = patches.lie_along_edge()
        if on_edge.all() or not on_edge.any():
            break
        # Without the table, full ink may be another darkness.
        table = np.concatenate([[False], on_edge]).astype(np.uint8)[patches.labels]
        # With its soft edge, which pages of few pixels do not have.
        soft = 1 + 2 * round(max(table.shape) / SOFT_EDGE)
        darkness = np.where(dilated(table, soft), 0, darkness)
    if patches.longest_side() < MIN_SIDE:
        return None
    members, is_one_of_two = patches.members()
    # The soft edge of a stroke lies one pixel outside of the patch.
    wanted = dilated(np.concatenate([[0], members]).astype(np.uint8)[patches.labels], 3)
    level = darkness[patches.labels > 0].mean()
    ink = ((darkness - np.float32(below)) / (level - below)).clip(0, 1) * wanted
    return FoundDigit(ink, ndimage.find_objects((ink > INK / 2).astype(np.uint8))[0], is_one_of_two)


def _ink_range(counts: np.ndarray) -> tuple[float, float]:
    """The darkness of paper and of full ink, from the counts of each darkness."""
    levels, total = np.arange(256), np.cumsum(counts)
    middle = int(np.searchsorted(total, total[-1] / 2))
    deviations = np.bincount(np.abs(levels - middle), counts, 256)
    spread = 1.5 * np.searchsorted(np.cumsum(deviations), total[-1] / 2)
    floor = int(middle + 4 * spread + MIN_DARKNESS)
    darkest = int(np.flatnonzero(counts)[-1])
    if floor > darkest / 2 > STRONG / 2:
        # Ink covers so much that it is no exception: a bold digit that fills the picture.
        middle = int(np.searchsorted(total, total[-1] / 10))
        floor = (middle + darkest) // 2
    cubes = counts[floor:] * np.float64(levels[floor:]) ** 2
    if not cubes.any():
        return middle, middle
    return middle, float((cubes * levels[floor:]).sum() / cubes.sum())


class _Patches:
    """Connected patches of ink."""

    def __init__(self, darkness: np.ndarray, below: float, full: float):
        self.darkness = darkness
        self.labels, self.count = ndimage.label(
            darkness > below + INK * (full - below), EIGHT_NEIGHBOURS
        )
        self.ink = np.bincount(self.labels.ravel(), darkness.ravel(), self.count + 1)[1:]

    def lie_along_edge(self) -> np.ndarray:
        """(count,) bool, whether a patch lies along a good part of one edge of the page."""
        contact = np.zeros(self.count + 1)
        for edge in (self.labels[0], self.labels[-1], self.labels[:, 0], self.labels[:, -1]):
            share = np.bincount(edge, minlength=self.count + 1) / len(edge)
            contact = np.maximum(contact, share)
        return contact[1:] > EDGE_CONTACT

    def longest_side(self) -> int:
        """The longer side of the patch with the most ink, in pixels."""
        rows, columns = np.nonzero(self.labels == self.ink.argmax() + 1)
        return 1 + max(int(np.ptp(rows)), int(np.ptp(columns)))

    def members(self) -> tuple[np.ndarray, bool]:
        """(count,) bool, the patches of the digit; and whether another digit is beside it."""
        main = int(self.ink.argmax())
        members, second = np.zeros(self.count, bool), False
        members[main] = True
        boxes = ndimage.find_objects(self.labels)
        (top, bottom), (left, right) = ((s.start, s.stop) for s in boxes[main])
        height, width = bottom - top, right - left
        darkest = SAME_PEN * self._darkest(main, boxes[main])
        for i in np.flatnonzero(self.ink >= MIN_PATCH * self.ink[main]):
            rows, columns = boxes[i]
            if self._darkest(i, boxes[i]) < darkest:
                continue
            beside = max(columns.start - right, left - columns.stop)
            above = max(rows.start - bottom, top - rows.stop)
            tall = min(rows.stop - rows.start, height) / max(rows.stop - rows.start, height)
            if (
                i != main
                and self.ink[i] >= SECOND_INK * self.ink[main]
                and tall >= SECOND_HEIGHT
                and beside > SECOND_GAP * height
                and above < 0
            ):
                second = True
            # What reaches over the edge of the page is the corner of a shadow or of the table.
            elif max(beside, above) <= MAX_DISTANCE * max(height, width):
                members[i] = i == main or not self._touches_edge(boxes[i])
        return members, second or width > WIDE * height

    def _darkest(self, i: int, box: tuple[slice, slice]) -> int:
        return self.darkness[box][self.labels[box] == i + 1].max()

    def _touches_edge(self, box: tuple[slice, slice]) -> bool:
        return any(
            part.start == 0 or part.stop == size
            for part, size in zip(box, self.labels.shape, strict=True)
        )
