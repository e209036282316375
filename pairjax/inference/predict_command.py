"""launch/predict.py: predictions for two images in words, or for a list of pairs as a CSV."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np

from pairjax.errors import UserError
from pairjax.inference.batch_predict import (
    PredictedPairs,
    list_pairs,
    predict_pairs,
    prediction_columns,
)
from pairjax.inference.image_files import has_image_suffix
from pairjax.inference.image_preprocessing import image_note, read_image
from pairjax.inference.image_workers import image_workers
from pairjax.inference.predictor import Predictor, relation_text
from pairjax.inference.restore import RestoredRuns
from pairjax.reporting.progress import ProgressDisplay, bar, make_console
from pairjax.runtime.vectorize import num_cores

if TYPE_CHECKING:
    from pairjax.inference.shown_pictures import PictureCollector

BATCH_SIZE = 256
# More workers read faster than the network predicts.
MAX_WORKERS = 8


def predict_pair(
    path_a: Path,
    path_b: Path,
    as_it_is: bool,
    restore: Callable[[], RestoredRuns],
    show: Path | None = None,
) -> None:
    """Prints the predicted digits of two images and whether the relation holds.

    Args:
      path_a, path_b: the images.
      as_it_is: see `image_preprocessing.read_image`.
      restore: reads the networks, once the images are known to be good.
      show: an HTML file for what was cut out of the images and read.

    Raises: UserError where an image or the network cannot be read, or the page not written.
    """
    collector = _make_collector(show, Path(), as_it_is)
    images = [read_image(path, as_it_is) for path in (path_a, path_b)]
    restored = restore()
    predictions = Predictor(restored, batch_size=1)(np.array([[i.pixels for i in images]]))
    digits, classes = (predictions.digits_a, predictions.digits_b), restored.class_names
    for name, path, image, chances in zip('ab', (path_a, path_b), images, digits, strict=True):
        note = image_note(image, None if chances is None else chances[0].max())
        print(f'{name}, {path}: {image_text(image.inverted, chances, classes, note)}')
    answer = 'yes' if predictions.holds[0] else 'no'
    print(
        f'{relation_text(restored.config.data.relation)}: {answer} '
        f'(probability {predictions.probability[0]:.3f} of yes)'
    )
    print(f'predicted by {restored}')
    if collector is not None:
        names = str(path_a), str(path_b)
        columns = prediction_columns(predictions, classes, [images])
        collector.add(PredictedPairs([names], [images], *columns))
        collector.write(str(restored))


def _make_collector(show: Path | None, folder: Path, as_it_is: bool) -> 'PictureCollector | None':
    if show is None:
        return None
    # The page takes matplotlib and pandas, for which an answer in words need not wait.
    from pairjax.inference.shown_pictures import PictureCollector

    return PictureCollector(show, folder, as_it_is)


def image_text(
    inverted: bool, digits: np.ndarray | None, class_names: Sequence[str], note: str = ''
) -> str:
    """Whether an image was inverted, the class that (1, classes) probabilities predict, a note."""
    parts = ['dark on light, inverted'] if inverted else []
    if digits is not None:
        digit = digits[0].argmax()
        what = 'digit' if class_names[digit].isdecimal() else 'class'
        parts.append(f'{what} {class_names[digit]} (probability {digits[0, digit]:.3f})')
    return ', '.join([*parts, *([note] if note else [])]) or 'not inverted'


def predict_list(
    path: Path,
    out: Path | None,
    as_it_is: bool,
    restore: Callable[[], RestoredRuns],
    show: Path | None = None,
) -> None:
    """Writes the predictions for a list of pairs as a CSV; notes go to standard error.

    Args:
      path: a CSV or a folder, see `batch_predict.list_pairs`.
      out: the file; None for standard output.
      as_it_is, restore, show: see `predict_pair`.

    Raises: UserError, in the end also where pairs have no prediction.
    """
    if out is not None and out.resolve() == path.resolve():
        raise UserError(f'--out={out} is the list of pairs itself; name another file')
    if out is not None and has_image_suffix(out):
        raise UserError(f'--out={out} has the name of an image; name a .csv for the predictions')
    listed = list_pairs(path)
    collector = _make_collector(show, listed.folder, as_it_is)
    console = make_console(stderr=True)
    display = ProgressDisplay(console)
    count = max(1, min(num_cores(), MAX_WORKERS, listed.count))
    # The workers start while the network is restored.
    with image_workers(partial(read_image, as_it_is=as_it_is), count) as read:
        restored = restore()
        display.on_message(f'predicted by {restored}')
        if listed.note:
            display.on_message(listed.note)
        predictor, started = Predictor(restored, BATCH_SIZE), time.monotonic()
        with _open_csv(out) as file, bar(console, path.resolve().name, listed.count) as advance:
            watch = () if collector is None else (collector.add,)
            counts = predict_pairs(listed, file, predictor, read, advance, *watch)
    if collector is not None:
        collector.write(str(restored))
    display.on_message(
        f'{counts.pairs:,} pairs in {time.monotonic() - started:.1f} s; images that were dark on '
        f'light and were inverted: {counts.inverted:,}'
    )
    if counts.noted:
        display.on_message(f'pairs with doubtful images, see the column note: {counts.noted:,}')
    if counts.failed:
        raise UserError(
            f'{counts.failed:,} of {counts.pairs:,} pairs have no prediction; the column error '
            'says why'
        )


@contextlib.contextmanager
def _open_csv(out: Path | None) -> Iterator[TextIO]:
    try:
        if out is None:
            yield sys.stdout
            sys.stdout.flush()
        else:
            # File names need not be UTF-8.
            with out.open('w', newline='', encoding='utf-8', errors='backslashreplace') as file:
                yield file
    except BrokenPipeError:
        # The reader of standard output has ended, as head does; what is buffered is dropped.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        raise UserError(
            f'--out={out or "standard output"} cannot be written ({error.strerror}); free disk '
            'space or name another file'
        ) from None
