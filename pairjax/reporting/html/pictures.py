"""One HTML page of pictures, with what was cut out of each and read."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pairjax.reporting.html.page import render_html
from pairjax.system import NAME_WRITABLE_FILE, writing


class ShownPicture(NamedTuple):
    """One picture on the page.

    Attributes:
      name: of the file.
      images: the picture, the digit cut out of it, and the (14, 14) pixels that were read; uint8.
        Empty where the picture could not be read.
      predicted: the name of the predicted class; None where there is none.
      probability: of that class.
      note: what is doubtful about it, or why it could not be read; ''.
    """

    name: str
    images: tuple[np.ndarray, ...]
    predicted: str | None
    probability: float | None
    note: str


class ShownPair(NamedTuple):
    """One pair on the page: the two names, the answer and its probability as texts, '' if none."""

    a: str
    b: str
    answer: str
    probability: str


def write_pictures(
    pictures: Sequence[ShownPicture],
    pairs: Sequence[ShownPair],
    counts: tuple[int, int],
    network: str,
    out: Path,
) -> None:
    """Writes the page.

    Args:
      pictures, pairs: what is shown.
      counts: how many pictures and pairs there are, shown or not.
      network: what predicted.
      out: the file.

    Raises: UserError where the page cannot be written.
    """
    page = render_html(
        'pictures.html', pictures=pictures, pairs=pairs, counts=counts, network=network
    )
    with writing(f'--show={out}', NAME_WRITABLE_FILE):
        # File names need not be UTF-8.
        out.write_bytes(page.encode(errors='backslashreplace'))
