"""Digits on drawn pages: paper, ruling, light and pens as people have them.

Each kind is a function from a digit, (28, 28) float from 0 to 1 (ink), and a random generator to
the page's pixels, uint8, (height, width) or (height, width, 3).
"""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE = 400
PAPER, INK = 245, 35


def enlarged(digit, size):
    """The ink of a digit, (size, size)."""
    image = Image.fromarray(np.float32(digit)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image).clip(0, 1)


def placed(ink, rng, height=SIDE, width=SIDE):
    """The ink somewhere on an empty page."""
    top, left = (
        int(rng.integers(0, free - size + 1))
        for free, size in zip((height, width), ink.shape, strict=True)
    )
    page = np.zeros((height, width), np.float32)
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def drawn(digit, rng, low=160, high=240):
    """The ink of a digit of 160 to 240 pixels (its field of 28 x 28) somewhere on a page."""
    return placed(enlarged(digit, int(rng.integers(low, high + 1))), rng)


def as_bytes(page):
    return np.asarray(page).round().clip(0, 255).astype(np.uint8)


def on_paper(ink, paper=PAPER, pen=INK):
    """What a scanner sees: paper where no ink is."""
    return paper + (np.asarray(pen) - paper) * ink


def as_jpeg(page, quality):
    file = io.BytesIO()
    Image.fromarray(as_bytes(page)).save(file, 'jpeg', quality=quality)
    return np.asarray(Image.open(file))


def coordinates(height=SIDE, width=SIDE):
    """Rows and columns from -1 to 1."""
    return np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing='ij')


def lines(offset, spacing, thickness, angle=0.0, upright=False):
    """Where parallel lines run: 1 on a line, softened by antialiasing; the angle in degrees."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    across, along = (columns, -rows) if upright else (rows, columns)
    slope = np.deg2rad(angle)
    position = across * np.cos(slope) + along * np.sin(slope) - offset
    distance = np.abs((position + spacing / 2) % spacing - spacing / 2)
    return (thickness / 2 + 0.5 - distance).clip(0, 1)


def clean(digit, rng):
    return as_bytes(on_paper(drawn(digit, rng)))


def grain(digit, rng):
    page = on_paper(drawn(digit, rng), 230, 60)
    return as_bytes(page + rng.normal(0, 12, page.shape))


def thin_strokes(digit, rng):
    ink = enlarged(digit, int(rng.integers(160, 241)))
    thinned = ndimage.grey_erosion(ink, int(rng.integers(7, 10)))
    # A pen that would vanish draws what it can.
    return as_bytes(on_paper(placed(thinned if thinned.max() > 0.5 else ink, rng)))


def light_from_one_side(digit, rng):
    light = np.linspace(90, 250, SIDE)[None]
    if rng.random() < 0.5:
        light = light[:, ::-1]
    light = np.broadcast_to(light, (SIDE, SIDE))
    if rng.random() < 0.5:
        light = light.T
    return as_bytes(light * (1 - 0.6 * drawn(digit, rng)))


def ruled_paper(digit, rng):
    page = np.full((SIDE, SIDE), 245.0)
    spacing = int(rng.integers(32, 49))
    page[rng.integers(spacing) :: spacing] = 150
    return as_bytes(np.minimum(page, on_paper(drawn(digit, rng))))


def anywhere_in_28x28(digit, rng):
    return as_bytes(255 - 255 * placed(enlarged(digit, int(rng.integers(14, 19))), rng, 28, 28))


def vignette(digit, rng):
    rows, columns = coordinates()
    light = 1 - rng.uniform(0.35, 0.65) * ((rows**2 + columns**2) / 2) ** rng.uniform(0.7, 1.3)
    return as_bytes(light * on_paper(drawn(digit, rng)))


def shadow_edge(digit, rng):
    """A hand's shadow with an edge of 2 to 40 pixels."""
    rows, columns = coordinates()
    angle = rng.uniform(0, 2 * np.pi)
    distance = rows * np.cos(angle) + columns * np.sin(angle) - rng.uniform(-0.5, 0.5)
    bend = rng.uniform(-0.3, 0.3) * (rows * np.sin(angle) - columns * np.cos(angle)) ** 2
    softness = rng.uniform(2, 40) / (SIDE / 2)
    shade = 1 - rng.uniform(0.3, 0.6) / (1 + np.exp(-4 * (distance + bend) / softness))
    return as_bytes(shade * on_paper(drawn(digit, rng)))


def squared_paper(digit, rng):
    spacing, thickness = rng.uniform(18, 40), rng.uniform(1, 2.5)
    grid = np.maximum(
        lines(rng.uniform(0, spacing), spacing, thickness),
        lines(rng.uniform(0, spacing), spacing, thickness, upright=True),
    )
    page = 245 - rng.uniform(50, 130) * grid
    return as_bytes(np.minimum(page, on_paper(drawn(digit, rng))))


def notebook(digit, rng):
    """Thick blue rules and a red margin line, turned by up to 3 degrees."""
    angle, spacing = rng.uniform(-3, 3), rng.uniform(30, 50)
    rules = lines(rng.uniform(0, spacing), spacing, rng.uniform(1, 3), angle)[..., None]
    margin = lines(rng.uniform(20, 380), 1000, rng.uniform(1, 3), angle, upright=True)[..., None]
    page = np.array([248.0, 246, 240]) * (1 - rules) + np.array([110, 140, 200]) * rules
    page = page * (1 - margin) + np.array([210, 70, 80]) * margin
    ink = drawn(digit, rng)[..., None]
    return as_bytes(page * (1 - ink) + np.array([30, 35, 80]) * ink)


def coloured_paper(digit, rng):
    paper = np.array([(240, 220, 90), (180, 220, 180), (240, 180, 190), (170, 200, 235)])
    pens = np.array([(40, 30, 110), (150, 30, 40), (30, 30, 30)])
    ink = drawn(digit, rng)[..., None]
    page = paper[rng.integers(4)] * (1 - ink) + pens[rng.integers(3)] * ink
    return as_jpeg(page + rng.normal(0, 4, page.shape), 50)


def blackboard(digit, rng):
    """Chalk, brighter than the board by 60 to 150, under uneven light."""
    rows, columns = coordinates()
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + 0.4 * (rows * np.cos(angle) + columns * np.sin(angle))
    board = 45 + 8 * ndimage.gaussian_filter(rng.normal(0, 12, (SIDE, SIDE)), 12)
    ink = drawn(digit, rng) * (0.75 + 0.25 * rng.random((SIDE, SIDE)))
    return as_bytes(light * (board + rng.uniform(60, 150) * ink) + rng.normal(0, 4, ink.shape))


def pencil(digit, rng):
    """Low contrast with grain: 35 to 70 of 255."""
    page = on_paper(drawn(digit, rng), 215, 215 - rng.uniform(35, 70))
    return as_bytes(page + rng.normal(0, 7, page.shape))


def near_the_edge(digit, rng):
    """The ink ends 2 to 8 pixels from an edge or a corner."""
    ink = enlarged(digit, int(rng.integers(160, 241)))
    ink = ink[ndimage.find_objects((ink > 0.1).astype(int))[0]]
    page = np.zeros((SIDE, SIDE), np.float32)
    gap = rng.integers(2, 9, 2)
    ends = [
        (near, free - size - near, int(rng.integers(0, free - size + 1)))
        for near, free, size in zip(gap, page.shape, ink.shape, strict=True)
    ]
    side, end = int(rng.integers(2)), int(rng.integers(2))
    corner = [ends[0][2], ends[1][2]]
    corner[side] = ends[side][end]
    if rng.random() < 0.3:
        corner[1 - side] = ends[1 - side][int(rng.integers(2))]
    page[corner[0] : corner[0] + ink.shape[0], corner[1] : corner[1] + ink.shape[1]] = ink
    page = on_paper(page)
    return as_bytes(page + rng.normal(0, 4, page.shape))


def dark_table(digit, rng):
    """A sheet on a dark table that shows on one to four sides."""
    sheet = on_paper(placed(enlarged(digit, int(rng.integers(130, 200))), rng, 300, 300), 235, 40)
    margins = rng.integers(10, 60, 4) * (rng.random(4) < 0.7)
    if not margins.any():
        margins[0] = 40
    page = np.pad(sheet, margins.reshape(2, 2), constant_values=rng.uniform(20, 110))
    page = np.asarray(
        Image.fromarray(page.astype(np.float32)).rotate(
            rng.uniform(-4, 4), Image.Resampling.BILINEAR, fillcolor=float(page[0, 0])
        )
    )
    return as_bytes(ndimage.gaussian_filter(page, 0.7) + rng.normal(0, 4, page.shape))


def blurred(digit, rng):
    page = ndimage.gaussian_filter(on_paper(drawn(digit, rng), 225, 50), rng.uniform(2, 6))
    return as_jpeg(page + rng.normal(0, 6, page.shape), 25)


def small_on_a_large_page(digit, rng):
    """The field of the digit is 60 to 100 of 800 x 600 pixels."""
    ink = placed(enlarged(digit, int(rng.integers(60, 101))), rng, 600, 800)
    page = on_paper(ink, 235, 50)
    return as_bytes(page + rng.normal(0, 4, page.shape))


def medium_28x28(digit, rng):
    """Dark on light in 28 x 28, a digit of 20 to 26 pixels off the middle, with grain."""
    page = on_paper(placed(enlarged(digit, int(rng.integers(20, 27))), rng, 28, 28), 240, 30)
    return as_bytes(page + rng.normal(0, 4, page.shape))


def crumpled(digit, rng):
    """Facets of different brightness, as folded paper has."""
    rows, columns = coordinates()
    shade = np.zeros((SIDE, SIDE))
    for _ in range(8):
        angle, offset = rng.uniform(0, 2 * np.pi), rng.uniform(-0.8, 0.8)
        distance = rows * np.cos(angle) + columns * np.sin(angle) - offset
        shade += rng.uniform(-0.12, 0.12) * np.tanh(distance * rng.uniform(4, 30))
    return as_bytes((0.85 + shade).clip(0.3, 1.05) * on_paper(drawn(digit, rng)))


def recycled(digit, rng):
    """Grey paper with dark fibres under light from a corner."""
    fibres = ndimage.gaussian_filter((rng.random((SIDE, SIDE)) < 0.004).astype(float), 1.2)
    rows, columns = coordinates()
    light = 0.8 + 0.2 * (rows * rng.choice((-1, 1)) + columns * rng.choice((-1, 1))) / 2
    page = on_paper(drawn(digit, rng), 205 - 180 * fibres.clip(0, 0.2), 45)
    return as_bytes(light * page + rng.normal(0, 5, page.shape))


def phone_photo(digit, rng):
    """Ruled paper, turned, under uneven light, blurred a little and saved as JPEG; 1200 x 900."""
    page = 240 - 90 * lines(rng.uniform(0, 40), rng.uniform(30, 45), 1.5, rng.uniform(-2, 2))
    page = np.minimum(page, on_paper(drawn(digit, rng, 120, 220), 240, 50))
    rows, columns = coordinates()
    angle = rng.uniform(0, 2 * np.pi)
    light = 0.72 + 0.28 * (rows * np.cos(angle) + columns * np.sin(angle))
    photo = np.asarray(
        Image.fromarray((light * page).astype(np.float32))
        .resize((1200, 1200), Image.Resampling.BICUBIC)
        .crop((0, 0, 1200, 1200))
    )
    return as_jpeg(ndimage.gaussian_filter(photo, 1.5) + rng.normal(0, 8, photo.shape), 70)


# What was looked at while the steps were chosen, and what was kept back until the end.
KINDS = {
    function.__name__: function
    for function in (
        *(clean, grain, thin_strokes, light_from_one_side, ruled_paper, anywhere_in_28x28),
        *(vignette, shadow_edge, squared_paper, notebook, coloured_paper, blackboard, pencil),
        *(near_the_edge, dark_table, blurred, small_on_a_large_page, medium_28x28),
    )
}
KEPT_BACK = {function.__name__: function for function in (crumpled, recycled, phone_photo)}


def two_digits(first, second, rng):
    """Two digits side by side on one page."""
    size = int(rng.integers(110, 161))
    gap = np.zeros((size, int(rng.integers(0, 30))))
    return as_bytes(
        on_paper(placed(np.hstack([enlarged(first, size), gap, enlarged(second, size)]), rng))
    )
