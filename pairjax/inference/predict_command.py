"""A person's question to a trained network: two pictures, answered in words, or a list of pairs."""

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from PIL import Image
from rich.console import Console

from pairjax.errors import UserError
from pairjax.inference.batch_predict import answer_pairs, list_pairs
from pairjax.inference.image_preprocessing import is_named_like_a_picture, read_picture
from pairjax.inference.image_workers import PictureReader, reading_processes
from pairjax.inference.predictor import (
    Networks,
    Predictor,
    kept_network,
    picture_words,
    restore_networks,
)
from pairjax.reporting.progress import ProgressDisplay, bar
from pairjax.runtime.vectorize import num_cores

BATCH_SIZE = 256
# Of those that read pictures: more than the network can keep up with gain nothing.
MOST_PROCESSES = 8


class Choice(NamedTuple):
    """Who is asked, see `prediction.restore_networks`.

    workdir: None for the network of `config`, which is trained once and kept.
    """

    workdir: Path | None
    config: Any
    trial: int | None = None
    seed: int | None = None
    ensemble: bool = False

    def restore(self, display: ProgressDisplay) -> tuple[Networks, str]:
        """The networks, and a sentence that names them."""
        workdir = self.workdir or kept_network(self.config, display)
        networks = restore_networks(workdir, self.trial, self.seed, self.ensemble)
        return networks, f'answered by {networks}, of {workdir}'


def ask_about_pair(path_a: Path, path_b: Path, as_it_is: bool, choice: Choice) -> None:
    """Prints what is read in two pictures and whether the relation holds.

    Raises: UserError where a picture or the network cannot be read.
    """
    # A picture that may fill the memory is refused, not only warned of.
    warnings.simplefilter('ignore', Image.DecompressionBombWarning)
    # Before the network: it may have to be trained.
    pictures = [read_picture(path, as_it_is) for path in (path_a, path_b)]
    networks, who = choice.restore(ProgressDisplay(_standard_error()))
    answers = Predictor(networks, batch_size=1)(np.array([[one.image for one in pictures]]))
    for name, path, picture, digits in zip(
        'ab', (path_a, path_b), pictures, (answers.digits_a, answers.digits_b), strict=True
    ):
        print(f'{name}, {path}: {picture_words(picture.inverted, digits)}')
    answer = 'yes' if answers.holds[0] else 'no'
    print(f'{networks.question}: {answer} (probability {answers.probability[0]:.3f} of yes)')
    print(who)


def ask_about_list(path: Path, out: Path | None, as_it_is: bool, choice: Choice) -> None:
    """Answers a list of pairs with a CSV; what else there is to say goes to standard error.

    Args:
      path: a CSV or a folder, see `pair_lists.list_pairs`.
      out: the file; standard output where it is None.
      as_it_is: see `photographs.read_picture`.
      choice: who is asked.

    Raises: UserError, at the end where pairs have no answer.
    """
    if out is not None and out.resolve() == path.resolve():
        raise UserError(f'--out={out} is the list of pairs itself; name another file')
    if out is not None and is_named_like_a_picture(out):
        raise UserError(f'--out={out} is named like a picture; name a .csv for the answers')
    listed = list_pairs(path)
    console = _standard_error()
    display = ProgressDisplay(console)
    count = max(1, min(num_cores(), MOST_PROCESSES, listed.count))
    # They start while the network is restored.
    with reading_processes(partial(read_picture, as_it_is=as_it_is), count) as submit:
        networks, who = choice.restore(display)
        display.on_message(who)
        if listed.words:
            display.on_message(listed.words)
        predictor, started = Predictor(networks, BATCH_SIZE), time.monotonic()
        with _writing(out) as file, bar(console, path.resolve().name, listed.count) as advance:
            counts = answer_pairs(listed, file, predictor, PictureReader(submit), advance)
    display.on_message(
        f'{counts.pairs:,} pairs in {time.monotonic() - started:.1f} s; pictures that were dark '
        f'on light and were taken as their negatives: {counts.inverted:,}'
    )
    if counts.failed:
        raise UserError(
            f'{counts.failed:,} of {counts.pairs:,} pairs have no answer; the column error says why'
        )


def _standard_error() -> Console:
    return Console(stderr=True, highlight=False)


@contextlib.contextmanager
def _writing(out: Path | None) -> Iterator[TextIO]:
    try:
        if out is None:
            yield sys.stdout
            sys.stdout.flush()
        else:
            # A file system may hold names that are no UTF-8.
            with out.open('w', newline='', encoding='utf-8', errors='backslashreplace') as file:
                yield file
    except BrokenPipeError:
        # Whoever read the answers has seen enough; what is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        raise UserError(
            f'--out={out or "standard output"} cannot be written ({error.strerror}); name another '
            'file or make room there'
        ) from None
