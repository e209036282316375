"""Makes the network that comes with the package, and its card, from a workdir.

    python launch/main.py --config=configs/pairnet_pretrained.py --config.data.dir=path/to/mnist
    python docs/make_pretrained.py runs/pairnet_pretrained path/to/mnist

Writes pairnet.safetensors and pairnet.json to pairjax/inference/pretrained, and docs/pretrained.md.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest, norm

from pairjax.analysis.seeds_and_images import influence_of_all_pairs
from pairjax.analysis.statistics import describe
from pairjax.data.pairs import make_pools, relation_table
from pairjax.data.sources import Digits, load_digits
from pairjax.errors import UserError
from pairjax.inference.networks import DEFAULT_NETWORK, PRETRAINED, restore_runs
from pairjax.inference.restore import RestoredRuns
from pairjax.inference.saved_network import read_network, write_network
from pairjax.runtime import vectorize
from pairjax.runtime.plan import describe_data
from pairjax.training.all_pairs import argmax_correct_by_image
from pairjax.training.evaluate import digit_logits

DOCS = Path(__file__).parent
CONFIG = 'configs/pairnet_pretrained.py'
NOT_FOR = (
    'Decisions about people, money or safety: it is a demonstration of a comparison, and no '
    'probability is calibrated.',
    'Letters, several digits, printed fonts or scripts other than that of MNIST: it answers with a '
    'digit for any image.',
    'A measure of the method on the train images of MNIST, among them the bundled digits: it has '
    'seen all 60,000.',
    'Comparisons with networks of 1,000 train pairs, which all others here are: it has had 29,500.',
)
_ROWS = 500


class Right(NamedTuple):
    """What one network, or the ensemble, gets right.

    pairs: (images,) of the 2 (images - 1) ordered pairs with each image. digits: number of images.
    """

    pairs: np.ndarray
    digits: int


def count_right(restored: RestoredRuns, digits: Digits) -> tuple[list[Right], Right]:
    """What each seed and their ensemble get right of all ordered pairs of the test images."""
    config, labels = restored.config, np.asarray(digits.test_labels)
    table = relation_table(config.data.relation, digits.num_classes)
    both = restored.apply(partial(digit_logits, config), make_pools(digits))
    seeds = []
    for places in zip(*both, strict=True):
        read = [logits.argmax(axis=1) for logits in places]
        counts = argmax_correct_by_image(*read, labels, table)
        seeds.append(Right(counts, int((read[0] == labels).sum())))
    chances = [softmax(logits, axis=2) for logits in both]
    read = chances[0].mean(axis=0).argmax(axis=1)
    ensemble = Right(_ensemble_pairs(chances, labels, table), int((read == labels).sum()))
    return seeds, ensemble


def _ensemble_pairs(chances: list[np.ndarray], labels: np.ndarray, table: np.ndarray) -> np.ndarray:
    """As `argmax_correct_by_image`, decided by the mean over seeds of each seed's probability."""
    num_images, counts = len(labels), np.zeros(len(labels), np.int64)
    first, second = chances
    for start in range(0, num_images, _ROWS):
        rows = slice(start, start + _ROWS)
        mean = np.zeros((len(labels[rows]), num_images), np.float32)
        for a, b in zip(first[:, rows], second, strict=True):
            holds = table[a.argmax(axis=1)][:, b.argmax(axis=1)]
            chance = (a @ table.astype(np.float32)) @ b.T
            # A seed's own digits decide which of the two probabilities is that of yes.
            mean += np.where(holds == (chance > 0.5), chance, 1 - chance)
        right = (mean / len(first) > 0.5) == table[labels[rows]][:, labels]
        np.fill_diagonal(right[:, start:], False)
        counts[rows] += right.sum(axis=1)
        counts += right.sum(axis=0)
    return counts


def figures(right: Right) -> dict[str, Any]:
    """Accuracies of one network with intervals over other test images: fractions, n images."""
    accuracy, influence = influence_of_all_pairs(right.pairs)
    half = norm.ppf(0.975) * float(np.sqrt(np.square(influence).sum()))
    n = len(right.pairs)
    wilson = binomtest(right.digits, n).proportion_ci(method='wilson')
    return {
        'pairs_right': int(right.pairs.sum()) // 2,
        'pair_accuracy': accuracy,
        'pair_ci95': [accuracy - half, accuracy + half],
        'digits_right': right.digits,
        'digit_accuracy': right.digits / n,
        'digit_ci95': [wilson.low, wilson.high],
        'test_images': n,
    }


def make_card(restored: RestoredRuns, digits: Digits) -> dict[str, Any]:
    """The card of a saved network."""
    if describe_data('idx', digits) != restored.plan.data:
        raise UserError('these are not the digits that the network was trained with')
    seeds, ensemble = count_right(restored, digits)
    bundled = load_digits('bundled')
    own = [figures(right) for right in seeds]
    _, of_bundled = count_right(restored, bundled)
    return {
        'network': 'PairNet (24, 40, 64, 64), 74,914 parameters a seed, float32',
        'command': f'python launch/main.py --config={CONFIG} --config.data.dir=path/to/mnist',
        'seeds': {str(s): found for s, found in zip(restored.seeds, own, strict=True)},
        'over_seeds': {
            name: describe([found[name] for found in own])
            for name in ('pair_accuracy', 'digit_accuracy')
        },
        'ensemble': figures(ensemble),
        'bundled_digits_right': of_bundled.digits,
        'not_for': list(NOT_FOR),
    }


def main(workdir: Path, mnist: Path) -> None:
    vectorize.configure_jax()
    digits = load_digits('idx', str(mnist))
    path = PRETRAINED / f'{DEFAULT_NETWORK}.safetensors'
    PRETRAINED.mkdir(exist_ok=True)
    restored = restore_runs(workdir, ensemble=True)
    write_network(restored, path)
    # Measured on what the file holds.
    saved = read_network(path)
    card = make_card(saved, digits)
    write_network(saved, path, card)
    template = jinja2.Template(
        (DOCS / 'pretrained.md.jinja').read_text(), keep_trailing_newline=True, trim_blocks=True
    )
    size = path.stat().st_size
    page = template.render(card=card, data=saved.plan.data, size=size, epoch=saved.epoch)
    (DOCS / 'pretrained.md').write_text(page)
    print(page)


if __name__ == '__main__':
    main(Path(sys.argv[1]), Path(sys.argv[2]))
