"""Coverage of intervals over seeds and test images, on simulated digits that are misread.

Three images in a hundred are hard, some for one arm more than for the other, and seeds are good
or bad at all images: an image is misread with the probability base * hardness * arm's hardness *
seed's, each with mean 1, as any of the nine other digits. So the accuracy over another seed and
other images is known in closed form.
"""

import numpy as np

from pairjax.analysis.seeds_and_images import (
    crossed_interval,
    influence_of_all_pairs,
    influence_of_pairs,
    two_way_bootstrap,
)

BASES = (0.012, 0.009)
NUM_PAIRS = 1000
_SEED_SPREAD = 0.3
_HOLDS = np.less_equal.outer(np.arange(10), np.arange(10))


def true_difference() -> float:
    """The first arm's expected accuracy minus the second's."""
    labels = _HOLDS[:, :, None, None]
    wrong = labels != _HOLDS[None, None]
    misread = (1 - np.eye(10)) / 9
    right = np.eye(10)

    def share(first, second):
        return float(np.einsum('abcd,ac,bd->', wrong, first, second) / 100)

    one = share(misread, right) + share(right, misread)
    both = share(misread, misread)

    def error(base):
        squared = base**2 * (1 + _SEED_SPREAD**2 / 3)
        return one * (base - squared) + both * squared

    return error(BASES[1]) - error(BASES[0])


def simulate_images(n: int, num_images: int, repeats: int, bootstraps: int = 0) -> dict[str, float]:
    """Coverage of the true difference, over all ordered pairs and over each seed's 1,000 pairs."""
    generator, truth = np.random.default_rng([n, num_images]), true_difference()
    names = ('all, seeds', 'all, both', 'drawn, seeds', 'drawn, both', 'drawn, bootstrap')
    covered = {name: [] for name in names}
    shares = []
    for repeat in range(repeats):
        labels, predicted = _draw_predictions(n, num_images, generator)
        both = [_over_all_pairs(arm, labels) for arm in predicted]
        found = crossed_interval(*(one - other for one, other in zip(*both, strict=True)))
        pairs = _draw_pairs(n, num_images, generator)
        values = _differences(predicted, labels, pairs)
        influence = np.array(
            [influence_of_pairs(p, v, num_images) for p, v in zip(pairs, values, strict=True)]
        )
        drawn = crossed_interval(values.mean(axis=1), influence)
        if found is None or drawn is None:  # Two seeds with equal differences have no interval.
            continue
        intervals = [found.seeds_only, found.ci95, drawn.seeds_only, drawn.ci95]
        if repeat < bootstraps:
            intervals.append(two_way_bootstrap(pairs, values, num_images, 199, repeat))
        for name, (low, high) in zip(names, intervals, strict=False):
            covered[name].append(low <= truth <= high)
        shares.append(found.image_share)
    row = {name: float(np.mean(held)) for name, held in covered.items() if held}
    return {
        'n': n,
        'images': num_images,
        'repeats': repeats,
        **row,
        'share': float(np.mean(shares)),
    }


def _draw_predictions(n: int, num_images: int, generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels (images,) and the predicted digits (arms, n, images)."""
    labels = generator.integers(0, 10, num_images)
    hardness = np.where(generator.random(num_images) < 0.03, 20, 0.4 / 0.97)
    of_seed = generator.uniform(1 - _SEED_SPREAD, 1 + _SEED_SPREAD, (len(BASES), n, 1))
    of_arm = generator.choice([0.5, 1.5], (len(BASES), 1, num_images))
    chance = np.array(BASES)[:, None, None] * hardness * of_arm * of_seed
    missed = generator.random(chance.shape) < chance
    shift = generator.integers(1, 10, chance.shape)
    return labels, (labels + missed * shift) % 10


def _over_all_pairs(predicted: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracies (n,) and influences (n, images) over all ordered pairs of one arm."""
    holds = [table.astype(np.int64) for table in (_HOLDS, ~_HOLDS)]
    rows = []
    for read in predicted:
        counts = np.bincount(10 * labels + read, minlength=100).reshape(10, 10)
        by_kind = sum(h @ counts @ h.T + h.T @ counts @ h for h in holds)
        # An image with itself is decided correctly, since <= holds for equal digits.
        rows.append(influence_of_all_pairs(by_kind[labels, read] - 2))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def _draw_pairs(n: int, num_images: int, generator) -> np.ndarray:
    """Each seed's pairs, without an image twice: (n, 1000, 2)."""
    drawn = [generator.permutation(num_images)[: 2 * NUM_PAIRS] for _ in range(n)]
    return np.array(drawn).reshape(n, NUM_PAIRS, 2)


def _differences(predicted: np.ndarray, labels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """First arm's correct answers minus the second's, (n, pairs)."""
    target = _HOLDS[labels[pairs[..., 0]], labels[pairs[..., 1]]]
    seeds = np.arange(len(pairs))[:, None]
    right = [
        _HOLDS[arm[seeds, pairs[..., 0]], arm[seeds, pairs[..., 1]]] == target for arm in predicted
    ]
    return right[0].astype(np.int64) - right[1]
