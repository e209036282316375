"""Digits as the random distortions leave them, for `augmentation_figure`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pairjax.data.augmentation import Strengths, augment_images
from pairjax.data.sources import Digits


def one_of_each_class(digits: Digits, most: int = 6) -> np.ndarray:
    """The first train image of each of the first classes: (at most `most`, 14, 14) float32."""
    classes = np.unique(digits.train_labels)[:most]
    first = [np.flatnonzero(digits.train_labels == label)[0] for label in classes]
    return digits.train_images[first].astype(np.float32)


def distorted_examples(
    images: np.ndarray,
    white: float,
    augment: Any,
    num_draws: int = 3,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Each distortion alone, then all together.

    Args:
      images: (n, 14, 14) float32, from 0 to `white`.
      white: the value of full brightness in the pool that they are from.
      augment: config.augment.
      num_draws: how often all together.
      seed: of the draws.

    Returns: by a title, such as rotation 12, the distorted images (n, 14, 14); what is off is left
      out.
    """
    strengths = {name: getattr(augment, name) for name in Strengths._fields}
    on = {name: value for name, value in strengths.items() if value}

    alone = {f'{name} {value:g}': Strengths(**{name: value}) for name, value in on.items()}
    together = {f'all, {draw}': Strengths(**strengths) for draw in range(1, num_draws + 1)}
    columns = alone | together

    def distort(number, chosen):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), len(images))
        return np.asarray(augment_images(keys, jnp.asarray(images), white, chosen))

    return {title: distort(n, chosen) for n, (title, chosen) in enumerate(columns.items())}
