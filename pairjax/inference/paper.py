"""From a picture of a page to the darkness of its ink: light evened out, ruling taken away.

Everything here is written for pages of some 140 pixels a side: NumPy's maximum of two shifted
slices of bytes is 50 times as fast as a filter of scipy.ndimage.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import ndimage

from pairjax.data.resize import area_weights

# The page is compared with a grid of at most this many cells a side.
GRID = 16
# A border that varies by at most this share of the page's range of brightness is evenly lit.
UNIFORM = 0.15
# The least |sum| of cubed differences from the neighbourhood, as a share of the sum of absolute
# ones, at which their sign is trusted.
CLEAR = 0.6
# Share of the longer side: what is wider in both directions is paper or shadow, not a stroke.
LARGEST_STROKE = 0.3
# A sheet on a table is at least this share of the picture, and this share of its bounding box.
SHEET_GRID, SHEET_AREA, SHEET_FILL = 24, 0.25, 0.7
# The smallest upright box accepted inside a turned sheet, as a share of its bounding box's sides.
INNER_BOX = 0.6
# Cells within this share of the contrast of sheet and table from the middle count as edge.
EDGE_RANGE = 0.15
# The largest std of the table, as a share of the same contrast; crumpled paper varies more.
TABLE_STD = 0.25
# Of the brightest paper.
DARKEST_PAPER = 0.3
# Ruled lines are at most 1/40 of the longer side thick.
RULE = 40
# Ruled lines are looked for in this many strips, of which they must cross all but a quarter.
STRIPS = 8
# Rise of a ruled line over its length: some 4 degrees either way.
MAX_SLOPE = 0.07
# Least darkness of a ruled line, of 255, where the page has no grain.
MIN_RULE = 5


def sheet_on_table(page: np.ndarray) -> tuple[slice, slice] | None:
    """Rows and columns of a sheet of paper that lies on something of another brightness.

    None where the picture's border is not mostly of one kind, or what it surrounds is no sheet: not
    large and solid, without an edge, or with nothing on it.
    """
    if min(page.shape) < 2 * SHEET_GRID:
        return None
    cells = _cells(page, SHEET_GRID)
    dark, light = _two_means(cells)
    middle, contrast = (dark + light) / 2, light - dark
    border = np.concatenate([cells[0], cells[-1], cells[:, 0], cells[:, -1]])
    light_share = (border > middle).mean()
    if 0.25 < light_share < 0.75:
        return None
    is_light = light_share > 0.5
    if border[(border > middle) == is_light].std() > TABLE_STD * contrast:
        return None
    # Light that fades has no edge.
    if (np.abs(cells - middle) < EDGE_RANGE * contrast).mean() > 0.12:
        return None
    inside = (cells > middle) != is_light
    if inside.mean() < SHEET_AREA:
        return None
    around = ndimage.find_objects(inside.astype(np.uint8))[0]
    # A bold digit has as large an outline, with more of it empty.
    if inside[around].mean() < SHEET_FILL:
        return None
    box = _inner_box(_with_ink(inside), around)
    if box is None:
        return None
    sheet = tuple(
        slice(*(round(place * size / count) for place in (part.start, part.stop)))
        for part, size, count in zip(box, page.shape, cells.shape, strict=True)
    )
    return sheet if np.ptp(page[sheet]) > contrast / 4 else None


def _two_means(values: np.ndarray) -> tuple[float, float]:
    """The means of the darker and the lighter values, split where they differ most (Otsu 1979)."""
    ordered = np.sort(values, axis=None).astype(np.float64)
    counts = np.arange(1, len(ordered))
    sums = np.cumsum(ordered)
    dark, light = sums[:-1] / counts, (sums[-1] - sums[:-1]) / counts[::-1]
    best = int((counts * counts[::-1] * (light - dark) ** 2).argmax())
    return dark[best], light[best]


def _with_ink(sheet: np.ndarray) -> np.ndarray:
    """The cells that have cells of the sheet on both sides, in their row and in their column."""

    def enclosed(cells):
        above, below = (np.maximum.accumulate(some, axis=0) for some in (cells, cells[::-1]))
        return above & below[::-1]

    return enclosed(sheet) & enclosed(sheet.T).T


def _inner_box(sheet: np.ndarray, around: tuple[slice, slice]) -> tuple[slice, slice] | None:
    """Rows and columns with next to none of the table on their sides; None if too few are left."""
    (top, bottom), (left, right) = ((part.start, part.stop) for part in around)
    height, width = INNER_BOX * (bottom - top), INNER_BOX * (right - left)
    while bottom - top > max(height, 3) and right - left > max(width, 3):
        part = sheet[top:bottom, left:right]
        sides = [part[0].mean(), part[-1].mean(), part[:, 0].mean(), part[:, -1].mean()]
        worst = int(np.argmin(sides))
        if sides[worst] > 0.9:
            # One cell less on each side, whose edge cells may be half of the table.
            return slice(top + 1, bottom - 1), slice(left + 1, right - 1)
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    return None


def is_dark_on_light(grey: np.ndarray) -> bool:
    """Whether the ink is darker than the paper, for a page (height, width) from 0 to 255.

    Where the border is of one brightness, the ink is what differs from it most. Elsewhere paper is
    what most of any neighbourhood shows, and the ink lies far from the median there, whatever the
    light; where that says little, because the edge of a shadow is as far from it, the ink is what
    is darker or lighter than all of the border.
    """
    border = np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])
    low, high = np.percentile(border, (10, 90))
    darkest, lightest = float(grey.min()), float(grey.max())
    if high - low > UNIFORM * (lightest - darkest):
        cubes = _differences_from_median(_cells(grey, GRID)) ** 3
        if abs(cubes.sum()) > CLEAR * np.abs(cubes).sum():
            return bool(cubes.sum() < 0)
    return bool(low - darkest > lightest - high)


def _differences_from_median(cells: np.ndarray) -> np.ndarray:
    """Each cell less the median of the 5 x 5 cells around it."""
    window = min(5, *(size - (size + 1) % 2 for size in cells.shape))
    padded = np.pad(cells, window // 2, mode='reflect' if min(cells.shape) > 2 else 'edge')
    around = np.lib.stride_tricks.sliding_window_view(padded, (window, window))
    around = around.reshape(*cells.shape, -1)
    middle = around.shape[-1] // 2
    return cells - np.partition(around, middle, axis=-1)[..., middle]


def ink_darkness(light_page: np.ndarray) -> np.ndarray:
    """How dark the ink is, as a share of the paper around it: (height, width) uint8, 255 is black.

    The paper's brightness is the lower of two upper bounds: the page with all dark parts filled
    that are as narrow as strokes (a closing), which follows the edges of shadows, and the same
    after a smooth light was divided out, which follows slopes up to the edges of the page.

    Args:
      light_page: dark ink on light paper, float32 from 0 to 255.
    """
    size = max(3, round(LARGEST_STROKE * max(light_page.shape)))
    light = _smooth_light(light_page + 1)
    paper = np.minimum(
        _closed(light_page, size), _closed(light_page * (128 / light), size) * (light / 128)
    )
    # Where next to no light falls, grain would be as dark as ink.
    paper = np.maximum(paper, DARKEST_PAPER * paper.max())
    darkness = (255 * (1 - light_page / paper)).clip(0, 255).astype(np.uint8)
    return without_rules(without_rules(darkness).T).T


def _closed(page: np.ndarray, size: int) -> np.ndarray:
    levels = np.ceil(page).clip(1, 255).astype(np.uint8)
    return _eroded(dilated(levels, size), size)


def _smooth_light(page: np.ndarray) -> np.ndarray:
    """The light on the paper as a polynomial of degree 2: fitted to what is not darker than it."""
    cells = _cells(page, GRID)
    basis = _polynomials(cells.shape)
    values, weights = np.log(cells).ravel(), np.ones((cells.size, 1), np.float32)
    for _ in range(4):
        weighted = (basis * weights).T
        # For a page one cell high the equations are singular.
        coefficients = np.linalg.lstsq(weighted @ basis, weighted @ values, rcond=None)[0]
        # What is darker is ink or shadow.
        darker = values < basis @ coefficients - 0.03
        weights[:, 0] = np.where(darker, np.float32(0.05), np.float32(1))
    return np.exp(_polynomials(page.shape) @ coefficients).reshape(page.shape)


@lru_cache(64)
def _polynomials(shape: tuple[int, int]) -> np.ndarray:
    """(height * width, 6): the monomials of degree 2 in the coordinates from -1 to 1."""
    y, x = ((2 * np.arange(size, dtype=np.float32) + 1 - size) / size for size in shape)
    y, x = (grid.ravel() for grid in np.meshgrid(y, x, indexing='ij'))
    return np.stack([np.ones_like(x), x, y, x * y, x**2, y**2], axis=1)


def without_rules(darkness: np.ndarray) -> np.ndarray:
    """Darkness without the thin straight lines that run across the whole page, left to right.

    Where a stroke crosses a line it stays: what is removed is what is thin from above to below.
    """
    height, width = darkness.shape
    if width < 4 * STRIPS or height < 4 * STRIPS:
        return darkness
    thickness = max(3, round(max(darkness.shape) / RULE))
    opened = _dilated_1d(_eroded_1d(darkness, thickness), thickness)
    thin = darkness - opened
    strip = width // STRIPS
    profiles = thin[:, : strip * STRIPS].reshape(height, STRIPS, strip).mean(axis=2).T
    profiles = np.float32(profiles)
    profiles[:, 1:-1] = (profiles[:, :-2] + profiles[:, 1:-1] + profiles[:, 2:]) / 2
    rows, slopes = _sheared_rows(height, width)
    sheared = profiles[np.arange(STRIPS)[:, None], rows]
    means = sheared.mean(axis=1)
    best = int((means**2).sum(axis=1).argmax())
    present = np.sort(sheared[best], axis=0)[STRIPS // 4]
    # Rules may cover more than half of the rows.
    ordered = np.sort(present)
    between = ordered[height // 4]
    lines = present > between + max(MIN_RULE, 2 * (between - ordered[0]))
    if not lines.any():
        return darkness
    lines[1:-1] |= lines[:-2] | lines[2:]
    shift = np.round(slopes[best] * (np.arange(width) - width / 2)).astype(int)
    row = (np.arange(height)[:, None] - shift).clip(0, height - 1)
    return np.where(lines[row], opened, darkness)


@lru_cache(64)
def _sheared_rows(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (slopes, strips, height) along lines of each slope, and the slopes."""
    count = 2 * int(MAX_SLOPE * width / 1.5) + 1
    slopes = np.linspace(-MAX_SLOPE, MAX_SLOPE, count)
    centres = (np.arange(STRIPS) + 0.5) * (width // STRIPS) - width / 2
    shift = np.round(slopes[:, None, None] * centres[:, None]).astype(int)
    return (np.arange(height) + shift).clip(0, height - 1), slopes


def _cells(page: np.ndarray, most: int) -> np.ndarray:
    rows, columns = (
        _weights(size, min(size, max(1, round(most * size / max(page.shape)))))
        for size in page.shape
    )
    return rows @ page @ columns.T


@lru_cache(256)
def _weights(num_inputs: int, num_outputs: int) -> np.ndarray:
    return area_weights(num_inputs, num_outputs)


def dilated(values: np.ndarray, size: int) -> np.ndarray:
    """The largest of the bytes in the square of `size` pixels around each."""
    return _dilated_1d(_dilated_1d(values, size).T, size).T


def _eroded(values: np.ndarray, size: int) -> np.ndarray:
    return _eroded_1d(_eroded_1d(values, size).T, size).T


def _dilated_1d(values: np.ndarray, size: int) -> np.ndarray:
    return _running(np.maximum, values, size, 0)


def _eroded_1d(values: np.ndarray, size: int) -> np.ndarray:
    return _running(np.minimum, values, size, 255)


def _running(extreme: Callable, values: np.ndarray, size: int, outside: int) -> np.ndarray:
    """The extreme of the `size` values (or one more, if even) around each, along the first axis."""
    half, covered = size // 2, 1
    out = np.full((len(values) + 2 * half, values.shape[1]), outside, np.uint8)
    out[half : half + len(values)] = values
    while covered < 2 * half + 1:
        step = min(covered, 2 * half + 1 - covered)
        out = extreme(out[:-step], out[step:])
        covered += step
    return out
