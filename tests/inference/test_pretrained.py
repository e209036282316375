"""The network that comes with the package is the one that its card describes."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from make_pretrained import NOT_FOR, count_right, figures

import pairjax
from pairjax.api.configs import find_config
from pairjax.config import flatten
from pairjax.data.sources import load_digits
from pairjax.inference.networks import PRETRAINED, find_networks, pretrained_names
from pairjax.runtime.plan import describe_data

ROOT = Path(__file__).resolve().parents[2]
MNIST = Path(os.environ.get('PAIRJAX_MNIST') or ROOT.parent / 'shared' / 'mnist')


@pytest.fixture(scope='module')
def content():
    return json.loads((PRETRAINED / 'pairnet.json').read_text())


@pytest.fixture(scope='module')
def bundled():
    return load_digits('bundled')


def test_it_is_small_and_of_the_config_that_the_card_names(content):
    assert pretrained_names() == ['pairnet']
    size = sum(path.stat().st_size for path in PRETRAINED.iterdir())
    assert size < 2e6
    expected = flatten(find_config('pairnet_pretrained', {'data.dir': ''}).to_dict())
    assert flatten(content['config']) == expected
    assert list(content['card']['seeds']) == ['0', '1', '2', '3', '4']
    assert content['epoch'] == expected['train.num_epochs']
    assert 'configs/pairnet_pretrained.py' in content['card']['command']


def test_the_page_says_what_the_card_says(content):
    page = (ROOT / 'docs' / 'pretrained.md').read_text()
    card = content['card']
    assert card['not_for'] == list(NOT_FOR) and all(text in page for text in NOT_FOR)
    rows = {f'| seed {seed} |': found for seed, found in card['seeds'].items()}
    for begins, found in {**rows, '| ensemble': card['ensemble']}.items():
        (row,) = [line for line in page.splitlines() if line.startswith(begins)]
        for accuracy, (low, high) in (
            (found['pair_accuracy'], found['pair_ci95']),
            (found['digit_accuracy'], found['digit_ci95']),
        ):
            assert f'{100 * accuracy:.3f} [{100 * low:.3f}, {100 * high:.3f}]' in row
    assert content['data']['fingerprint'] in page


def test_it_reads_the_bundled_digits(content, bundled):
    """They are among its train images: what is tested is that it is restored whole."""
    images, labels = bundled.test_images, bundled.test_labels
    network = pairjax.load('pairnet', ensemble=True)
    answers = network.predict(images, images)
    right = int((answers.digits_a.argmax(axis=1) == labels).sum())
    assert right == content['card']['bundled_digits_right']
    np.testing.assert_array_equal(answers.digits_a.argmax(1), answers.digits_b.argmax(1))
    assert answers.holds.mean() > 0.999  # Every digit is less than or equal to itself.
    one = pairjax.load('pairnet')
    assert one.restored.seeds == [0] and pairjax.load('pairnet', seed=3).restored.seeds == [3]
    backwards = one.predict(images, images[::-1])
    assert np.mean(backwards.holds == (labels <= labels[::-1])) > 0.99
    assert 'of pairnet' in repr(one)


def test_its_accuracy_over_all_pairs_of_mnist_is_that_of_the_card(content):
    if not MNIST.is_dir():
        pytest.skip(f'{MNIST} is not there')
    digits = load_digits('idx', str(MNIST))
    assert content['data'].items() <= describe_data('idx', digits).items()
    seeds, ensemble = count_right(find_networks('pairnet', ensemble=True), digits)
    card = content['card']
    for right, found in zip(seeds, card['seeds'].values(), strict=True):
        measured = figures(right)
        assert measured['pairs_right'] == found['pairs_right']
        assert measured['digits_right'] == found['digits_right']
        assert measured['pair_ci95'] == pytest.approx(found['pair_ci95'])
    # Probabilities are float32 sums: of 99,990,000 pairs a few are on the edge.
    assert abs(figures(ensemble)['pairs_right'] - card['ensemble']['pairs_right']) <= 20
    assert ensemble.digits == card['ensemble']['digits_right']
