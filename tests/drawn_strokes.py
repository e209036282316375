"""Digits as strokes in the unit square, as a hand draws them, and as drawings in PNG."""

import base64
import io

from PIL import Image, ImageDraw

STROKES = {
    1: [(0.5, 0.2), (0.5, 0.8)],
    3: [
        *[(0.34, 0.26), (0.46, 0.2), (0.58, 0.22), (0.64, 0.32), (0.58, 0.43), (0.46, 0.48)],
        *[(0.6, 0.54), (0.66, 0.66), (0.6, 0.77), (0.46, 0.82), (0.33, 0.76)],
    ],
    7: [(0.3, 0.25), (0.7, 0.25), (0.58, 0.5), (0.48, 0.8)],
}


def drawing(*digits, side=280, ink='black', paper='white'):
    """The data URL of a PNG with these digits beside one another; None without any."""
    if not digits:
        return None
    image = Image.new('L', (side, side), paper)
    pen = ImageDraw.Draw(image)
    for place, digit in enumerate(digits):
        points = [
            (side * (x + place) / len(digits), side * (y if len(digits) == 1 else 0.25 + y / 2))
            for x, y in STROKES[digit]
        ]
        pen.line(points, ink, 20 // len(digits), 'curve')
    file = io.BytesIO()
    image.save(file, 'png')
    return 'data:image/png;base64,' + base64.b64encode(file.getvalue()).decode()
