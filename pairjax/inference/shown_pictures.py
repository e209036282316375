"""Collects what --show puts on its page: pictures, what was cut out of them, and predictions."""

from pathlib import Path

import numpy as np

from pairjax.errors import UserError
from pairjax.inference.batch_predict import PredictedPairs
from pairjax.inference.image_preprocessing import image_note, read_image
from pairjax.reporting.html.pictures import ShownPair, ShownPicture, write_pictures

# A picture takes some 15 kB of the page.
MOST_PICTURES, MOST_PAIRS = 500, 2000


class PictureCollector:
    """Remembers the first pictures and pairs that are predicted for; writes the page at the end."""

    def __init__(self, out: Path, folder: Path, as_it_is: bool):
        """Takes the HTML file, where the names of pictures start, and as_it_is of `read_image`.

        Raises: UserError where the file's name is not that of a page.
        """
        if out.suffix.lower() not in ('.html', '.htm'):
            raise UserError(f'--show={out} must be the name of an HTML page, such as page.html')
        self.out, self.folder, self.as_it_is = out, folder, as_it_is
        self._names: dict[str, tuple[str | None, float | None, str]] = {}
        self._pairs: list[ShownPair] = []
        self._num_pairs = 0

    def add(self, batch: PredictedPairs) -> None:
        """Remembers a batch."""
        for names, images, row, chances in zip(*batch, strict=True):
            answer, probability, *digits, _, _ = row
            for name, image, digit, chance in zip(
                names, images, digits, chances or (None, None), strict=True
            ):
                if isinstance(image, str):
                    self._names.setdefault(name, (None, None, image))
                elif answer:
                    self._names[name] = (
                        None if chance is None else str(digit),
                        chance,
                        image_note(image, chance),
                    )
            self._num_pairs += 1
            if self._num_pairs <= MOST_PAIRS:
                self._pairs.append(ShownPair(*names, answer, probability))

    def write(self, network: str) -> None:
        """Reads the pictures again, with what was cut out, and writes the page.

        Raises: UserError where it cannot be written.
        """
        pictures = [
            ShownPicture(name, self._images(name), *predicted)
            for name, predicted in list(self._names.items())[:MOST_PICTURES]
        ]
        counts = len(self._names), self._num_pairs
        write_pictures(pictures, self._pairs, counts, network, self.out)

    def _images(self, name: str) -> tuple[np.ndarray, ...]:
        try:
            image = read_image(self.folder / name, self.as_it_is, show=True)
        except UserError:
            return ()
        return *image.cut_out, image.pixels.round().astype(np.uint8)
