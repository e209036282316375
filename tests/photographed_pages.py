"""More kinds of paper, light, pens and cameras; functions of the form that `drawn_pages` has."""

import numpy as np
from drawn_pages import (
    SIDE,
    as_bytes,
    as_jpeg,
    coordinates,
    drawn,
    enlarged,
    lines,
    on_paper,
    placed,
)
from PIL import Image
from scipy import ndimage


def in_colour(ink, paper, pen):
    """Ink (height, width) between two colours, (height, width, 3)."""
    return on_paper(ink[..., None], np.asarray(paper, np.float64), pen)


def thinned(digit, rng):
    """The ink of a pen that is about half as wide as MNIST's strokes."""
    ink = enlarged(digit, int(rng.integers(170, 241)))
    thin = ndimage.grey_erosion(ink, int(rng.integers(3, 7)))
    return placed(thin if thin.max() > 0.5 else ink, rng)


def in_perspective(page, rng, corner=0.12, fill=0.0):
    """A page seen from somewhere off its middle: each corner moves by up to a share of the side."""
    size = page.shape[0]
    source = np.array([(0, 0), (0, size), (size, size), (size, 0)], float)
    moved = source + rng.uniform(-corner, corner, (4, 2)) * size * 0.5
    rows = []
    for (x, y), (u, v) in zip(moved, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    coefficients = np.linalg.solve(np.array(rows), source.ravel())
    channels = page[..., None] if page.ndim == 2 else page
    seen = [
        np.asarray(
            Image.fromarray(np.float32(channel)).transform(
                (size, size),
                Image.Transform.PERSPECTIVE,
                coefficients.tolist(),
                Image.Resampling.BILINEAR,
                fillcolor=fill,
            )
        )
        for channel in np.moveaxis(channels, 2, 0)
    ]
    return np.stack(seen, axis=2).reshape(page.shape)


def ballpoint_on_cream(digit, rng):
    """A blue ballpoint that skips here and there, as JPEG."""
    ink = thinned(digit, rng) * (0.7 + 0.3 * rng.random((SIDE, SIDE)))
    page = in_colour(ink, (246, 236, 208), (45, 60, 160))
    return as_jpeg(ndimage.gaussian_filter(page, (0.8, 0.8, 0)) + rng.normal(0, 4, page.shape), 75)


def dim_photo(digit, rng):
    """A vignette, little light, perspective, JPEG of quality 60."""
    rows, columns = coordinates()
    light = 0.55 * (1 - rng.uniform(0.3, 0.6) * (rows**2 + columns**2) / 2)
    page = in_perspective(on_paper(drawn(digit, rng)), rng, fill=230.0)
    return as_jpeg(light * page + rng.normal(0, 6, page.shape), 60)


def sheet_askew_on_wood(digit, rng):
    """A sheet in perspective, all of it in view, on a table with grain."""
    ink = enlarged(digit, int(rng.integers(130, 200)))
    sheet = np.pad(on_paper(placed(ink, rng, 300, 300)), 50)
    inside = np.pad(np.ones((300, 300)), 50)
    both = in_perspective(np.stack([sheet, inside], axis=2), rng, 0.1)
    sheet, inside = both[..., 0], both[..., 1]
    rows, columns = coordinates()
    wood = 105 + 25 * np.sin(40 * rows + 3 * np.sin(4 * columns)) + rng.normal(0, 6, sheet.shape)
    page = sheet + (1 - inside) * wood
    return as_jpeg(ndimage.gaussian_filter(page, 0.8) + rng.normal(0, 4, page.shape), 80)


def folded(digit, rng):
    """A crease: the two halves differ in brightness, and the fold is a dark line."""
    rows, columns = coordinates()
    angle = rng.choice((0, np.pi / 2)) + rng.uniform(-0.1, 0.1)
    distance = rows * np.cos(angle) + columns * np.sin(angle) - rng.uniform(-0.6, 0.6)
    shade = 1 - rng.uniform(0.1, 0.3) * (distance > 0) * np.exp(-np.abs(distance) / 0.8)
    crease = rng.uniform(0.15, 0.4) * np.exp(-((distance / 0.012) ** 2))
    return as_bytes((shade - crease) * on_paper(drawn(digit, rng)) + rng.normal(0, 3, rows.shape))


def graph_paper(digit, rng):
    """Millimetre paper: a fine green grid, every fifth line bolder, a little turned."""
    angle, fine = rng.uniform(-3, 3), rng.uniform(8, 12)
    grid = np.zeros((SIDE, SIDE))
    for spacing, thickness, strength in ((fine, 0.8, 0.5), (5 * fine, 1.6, 1)):
        for upright in (False, True):
            offset = rng.uniform(0, spacing)
            these = lines(offset, spacing, thickness, angle, upright)
            grid = np.maximum(grid, strength * these)
    page = in_colour(0.8 * grid, (247, 249, 243), (120, 190, 150))
    ink = drawn(digit, rng)[..., None]
    return as_bytes(page * (1 - ink) + np.array([40, 40, 60]) * ink + rng.normal(0, 3, page.shape))


def green_board(digit, rng):
    """White chalk on a green board with smears of the sponge and a hot spot of light."""
    rows, columns = coordinates()
    y, x = rng.uniform(-0.8, 0.8, 2)
    light = 0.7 + 0.5 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 0.8)
    smear = ndimage.gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), (25, 6))
    chalk = drawn(digit, rng) * (0.6 + 0.4 * rng.random((SIDE, SIDE)))
    board = np.array([45, 85, 65]) + (14 * smear / smear.std())[..., None]
    page = board * (1 - chalk[..., None]) + 215 * chalk[..., None]
    return as_jpeg(light[..., None] * page + rng.normal(0, 4, page.shape), 75)


def hand_shadow(digit, rng):
    """The soft shadow of a hand and a pen that reach in from an edge."""
    rows, columns = coordinates()
    y, x = rng.uniform(-0.7, 0.7), rng.choice((-1, 1)) * rng.uniform(0.6, 1.1)
    hand = ((rows - y) / 0.5) ** 2 + ((columns - x) / rng.uniform(0.5, 0.9)) ** 2 < 1
    slope = rng.uniform(-0.7, 0.7)
    pen = (np.abs(rows - y - slope * (columns - x)) < 0.06) & (np.abs(columns - x) < 1)
    shade = ndimage.gaussian_filter((hand | pen).astype(float), rng.uniform(4, 20))
    page = (1 - rng.uniform(0.25, 0.5) * shade) * on_paper(drawn(digit, rng), 240, 45)
    return as_jpeg(page + rng.normal(0, 4, page.shape), 80)


def whiteboard(digit, rng):
    """A marker on a white board with the glare of a lamp and rests of what was wiped off."""
    rows, columns = coordinates()
    y, x = rng.uniform(-0.9, 0.9, 2)
    glare = 70 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / rng.uniform(0.05, 0.3))
    wiped = 12 * ndimage.gaussian_filter(rng.random((SIDE, SIDE)) < 0.002, (2, 20)) * 100
    pens = np.array([(30, 30, 35), (40, 60, 170), (190, 40, 50)])
    page = in_colour(drawn(digit, rng), (196, 200, 205), pens[rng.integers(3)])
    page = page - wiped[..., None].clip(0, 25) + glare[..., None]
    return as_jpeg(page + rng.normal(0, 3, page.shape), 80)


def sticky_note_on_desk(digit, rng):
    """A yellow note, turned, on a grey desk that is nearly as bright; a red or black pen."""
    ink = placed(enlarged(digit, int(rng.integers(130, 190))), rng, 260, 260)
    pen = ((170, 30, 40), (35, 35, 40))[rng.integers(2)]
    note = in_colour(ink, (250, 232, 110), pen)
    desk = np.full((SIDE, SIDE, 3), rng.uniform(120, 170))
    top, left = rng.integers(20, SIDE - 280, 2)
    desk[top : top + 260, left : left + 260] = note
    desk += ndimage.gaussian_filter(rng.normal(0, 12, (SIDE, SIDE)), 2)[..., None]
    corner = tuple(as_bytes(desk[0, 0]).tolist())
    turned = Image.fromarray(as_bytes(desk)).rotate(
        rng.uniform(-5, 5), Image.Resampling.BILINEAR, fillcolor=corner
    )
    return as_jpeg(np.asarray(turned) + rng.normal(0, 4, desk.shape), 75)


def dark_screen(digit, rng):
    """A light digit on a dark screen that shines brighter in the middle, with its pixels' grid."""
    rows, columns = coordinates()
    light = 1 - 0.4 * ((rows - rng.uniform(-0.3, 0.3)) ** 2 + columns**2) / 2
    pixels = 1 - 0.15 * (np.mgrid[:SIDE, :SIDE].sum(axis=0) % 3 == 0)
    page = light * pixels * (25 + 200 * drawn(digit, rng))
    return as_jpeg(page + rng.normal(0, 5, page.shape), 70)


def shows_through(digit, rng):
    """Thin paper: what is written on the back shows, mirrored and faint."""
    back = placed(enlarged(digit[:, ::-1], int(rng.integers(160, 241))), rng)
    back = 0.12 * ndimage.gaussian_filter(back, 3)
    page = on_paper(np.maximum(back, drawn(digit, rng)), 238, 50)
    return as_bytes(page + rng.normal(0, 4, page.shape))


def fax(digit, rng):
    """One bit a pixel, with speckles and ragged edges."""
    ink = ndimage.zoom(drawn(digit, rng), 0.5, order=1)
    ink += rng.normal(0, 0.25, ink.shape)
    speckles = rng.random(ink.shape) < 0.004
    return as_bytes(255 * ~((ndimage.gaussian_filter(ink, 0.6) > 0.5) | speckles))


def dotted_paper(digit, rng):
    spacing = rng.uniform(18, 28)
    offset = rng.uniform(0, spacing, 2)
    across = lines(offset[0], spacing, rng.uniform(2, 3.5), upright=True)
    down = lines(offset[1], spacing, rng.uniform(2, 3.5))
    page = 246 - rng.uniform(60, 130) * across * down
    return as_bytes(np.minimum(page, on_paper(drawn(digit, rng))) + rng.normal(0, 3, page.shape))


def pencil_on_squares(digit, rng):
    """Grey pencil on squared paper, light from a corner."""
    spacing = rng.uniform(22, 34)
    grid = np.maximum(
        lines(rng.uniform(0, spacing), spacing, 1.3, rng.uniform(-1, 1)),
        lines(rng.uniform(0, spacing), spacing, 1.3, rng.uniform(-1, 1), upright=True),
    )
    rows, columns = coordinates()
    light = 0.8 + 0.2 * (rows * rng.choice((-1, 1)) + columns * rng.choice((-1, 1))) / 2
    ink = drawn(digit, rng) * (0.75 + 0.25 * rng.random((SIDE, SIDE)))
    page = np.minimum(240 - rng.uniform(25, 50) * grid, on_paper(ink, 240, rng.uniform(100, 130)))
    return as_bytes(light * page + rng.normal(0, 5, page.shape))


def scanner_edge(digit, rng):
    """A scan with the dark strip of the lid on one or two sides and dust."""
    page = on_paper(drawn(digit, rng), 240, 60)
    width = int(rng.integers(6, 30))
    page[:, :width] = rng.uniform(10, 60)
    if rng.random() < 0.5:
        page[:width] = rng.uniform(10, 60)
    dust = ndimage.gaussian_filter((rng.random(page.shape) < 0.0002).astype(float), 1)
    return as_bytes(page - 2500 * dust.clip(0, 0.06) + rng.normal(0, 3, page.shape))


def cardboard(digit, rng):
    """A thick marker on brown corrugated cardboard."""
    rows, columns = coordinates()
    ridges = 6 * np.sin(rng.uniform(60, 120) * (rows + rng.uniform(-0.1, 0.1) * columns))
    fibres = ndimage.gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), (1, 4))
    ink = ndimage.grey_dilation(drawn(digit, rng, 160, 220), 5)
    page = in_colour(ink, (176, 138, 98), (35, 30, 30))
    page += ((ridges + 6 * fibres / fibres.std()) * (1 - 0.7 * ink))[..., None]
    return as_jpeg(page + rng.normal(0, 4, page.shape), 80)


def blinds(digit, rng):
    """Sunlight through blinds: soft stripes across the page."""
    rows, columns = coordinates()
    angle, period = rng.uniform(-0.6, 0.6), rng.uniform(0.25, 0.5)
    stripes = np.sin(2 * np.pi * (rows * np.cos(angle) + columns * np.sin(angle)) / period)
    light = 1 - rng.uniform(0.15, 0.35) / (1 + np.exp(-6 * stripes))
    return as_jpeg(light * on_paper(drawn(digit, rng)) + rng.normal(0, 4, rows.shape), 80)


def receipt(digit, rng):
    """A strip of thermal paper, 260 x 400, that curls: dark along two sides; purple ink."""
    ink = placed(enlarged(digit, int(rng.integers(150, 220))), rng, 400, 260)
    x = np.linspace(-1, 1, 260)
    light = 1 - rng.uniform(0.15, 0.3) * np.abs(x) ** 4 + rng.uniform(-0.08, 0.08) * x
    page = light[None, :, None] * in_colour(ink, (238, 238, 240), (70, 50, 95))
    return as_jpeg(page + rng.normal(0, 4, page.shape), 70)


def tiles(digit, rng):
    """A washable pen on light tiles with dark joints, seen a little askew."""
    joint = np.zeros((SIDE, SIDE))
    y, x = rng.integers(20, SIDE - 20, 2)
    joint[y : y + 5], joint[:, x : x + 5] = 1, 1
    page = in_perspective(on_paper(drawn(digit, rng), 225 - 70 * joint, 50), rng, 0.06, 225.0)
    return as_jpeg(ndimage.gaussian_filter(page, 0.8) + rng.normal(0, 4, page.shape), 80)


# What was looked at while the steps were chosen; what was measured before, but never looked at; and
# what was drawn when nothing was to be changed any more.
SEEN = (sheet_askew_on_wood, sticky_note_on_desk, scanner_edge)
MEASURED = (
    *(ballpoint_on_cream, dim_photo, folded, graph_paper, green_board, hand_shadow, whiteboard),
    *(dark_screen, shows_through, fax, dotted_paper, pencil_on_squares),
)
DRAWN_LAST = (cardboard, blinds, receipt, tiles)
PHOTOGRAPHED = {function.__name__: function for function in (*SEEN, *MEASURED, *DRAWN_LAST)}
