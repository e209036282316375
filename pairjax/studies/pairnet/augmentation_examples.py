"""Digits before and after random distortion, for the plot in docs/pairnet.md."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pairjax.data.augmentation import Strengths, augment_images
from pairjax.data.sources import Digits


def one_of_each_class(digits: Digits, most: int = 6) -> np.ndarray:
    """The first train image of each of the first classes: (at most `most`, 14, 14) float32."""
    _, first = np.unique(digits.train_labels, return_index=True)
    return digits.train_images[first[:most]].astype(np.float32)


def distorted_examples(
    images: np.ndarray, white: float, augment: Any, num_draws: int = 3
) -> dict[str, np.ndarray]:
    """Each distortion alone, then all together.

    Args:
      images: (n, 14, 14) float32, from 0 to `white`.
      white: the value of full brightness in the pool that they are from.
      augment: config.augment.
      num_draws: how often all together.

    Returns: by a title, such as rotation 12, the distorted images (n, 14, 14) float32; a
      distortion of strength 0 is left out.
    """
    on = {name: getattr(augment, name) for name in Strengths._fields if getattr(augment, name)}
    columns = {f'{name} {value:g}': Strengths(**{name: value}) for name, value in on.items()}
    columns |= {f'all, {draw}': Strengths(**on) for draw in range(1, num_draws + 1)}
    distorted = {}
    for number, (title, strengths) in enumerate(columns.items()):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), number), len(images))
        examples = augment_images(keys, jnp.asarray(images), white, strengths)
        distorted[title] = np.asarray(examples)
    return distorted
