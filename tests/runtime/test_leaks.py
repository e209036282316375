"""No image that PairNet trains on is asked about later: by content, not only by index."""

import runpy
from pathlib import Path

import jax
import numpy as np
import pytest

from pairjax.data.pairs import draw_pairs
from pairjax.runtime.plan import make_plan
from pairjax.training.state import Purpose, run_key

ROOT = Path(__file__).parents[2]
MNIST = ROOT.parent / 'shared' / 'mnist'


def contents(images):
    return {np.ascontiguousarray(image).tobytes() for image in images}


@pytest.mark.parametrize('source', ['bundled', 'idx'])
def test_no_image_of_a_round_is_in_two_of_its_sets(source):
    if source == 'idx' and not MNIST.is_dir():
        pytest.skip('needs the original MNIST files in ../shared/mnist')
    config = runpy.run_path(str(ROOT / 'configs' / 'pairnet.py'))['get_config']()
    config.data.source, config.data.dir = source, str(MNIST) if source == 'idx' else ''
    plan = make_plan(config)
    images = np.asarray(plan.pools.images)
    assert not contents(images[: plan.pools.num_train]) & contents(images[plan.pools.num_train :])
    for seed in range(20):
        key = run_key(seed, Purpose.PAIRS)
        pairs = jax.jit(draw_pairs, static_argnums=1)(key, plan.config.data, plan.pools)
        sets = [contents(images[np.ravel(part)]) for part in pairs]
        assert [len(found) for found in sets] == [2000, 1000, 2000]
        assert len(set.union(*sets)) == 5000
