"""Random distortions of single images for training: drawn, then applied, on the device.

An image is sampled where an affine map sends its pixels, and its brightness is bent. Lengths are
in pixels and points are (x, y): column to the right, row down.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pairjax.data.resize import SIDE


class Strengths(NamedTuple):
    """How far each distortion goes, Python floats of 0 or more: 0 is off.

    A config group with these fields serves as well. rotation: degrees, the angle is uniform
    in +-rotation. scale: the logarithm of each axis' factor is uniform in +-scale, the axes
    independent. shear: uniform in +-shear. shift: pixels, uniform in +-shift along each axis.
    gamma: the logarithm of the exponent is uniform in +-gamma.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    gamma: float = 0.0


class Distortion(NamedTuple):
    """An affine map and an exponent of brightness, float32.

    angle: radians, scalar. factors: of the x and the y axis, (2,). shear: scalar. shift:
    pixels along x and y, (2,). exponent: scalar.
    """

    angle: jax.Array
    factors: jax.Array
    shear: jax.Array
    shift: jax.Array
    exponent: jax.Array


def is_on(strengths: Strengths) -> bool:
    """Whether any distortion is stronger than 0."""
    return any(getattr(strengths, name) > 0 for name in Strengths._fields)


def augment_images(
    keys: jax.Array, images: jax.Array, white: jax.Array | float, strengths: Strengths
) -> jax.Array:
    """`augment` for keys (n,) and images (n, 14, 14); an image depends on its own key alone."""
    return jax.vmap(lambda key, image: augment(key, image, white, strengths))(keys, images)


def augment(
    key: jax.Array, image: jax.Array, white: jax.Array | float, strengths: Strengths
) -> jax.Array:
    """One image, distorted at random.

    Args:
      key: typed; the same key draws the same distortion, and each part of it is the same
        whichever other parts are on.
      image: (14, 14) float32, from 0 (black, also outside the image) to `white`.
      white: the value of full brightness, scalar.
      strengths: of the distortions; a `Strengths` or a config group with its fields.

    Returns: (14, 14) float32 from 0 to `white`; the image itself where everything is off. Sampling
      and power are only compiled where they are on.
    """
    if not is_on(strengths):
        return image
    distortion = draw_distortion(key, strengths)
    if any((strengths.rotation, strengths.scale, strengths.shear, strengths.shift)):
        image = sample(image, affine_points(distortion))
    if strengths.gamma:
        image = apply_gamma(image, white, distortion.exponent)
    return image


def draw_distortion(key: jax.Array, strengths: Strengths) -> Distortion:
    """The random distortion of an image's key."""
    s = strengths
    bounds = [np.deg2rad(s.rotation), s.scale, s.scale, s.shear, s.shift, s.shift, s.gamma]
    key = jax.random.fold_in(key, 0)
    # All numbers from one draw, whatever is on: five draws would take longer to compile.
    units = jax.random.uniform(key, (len(bounds),), jnp.float32, -1, 1)
    drawn = units * np.float32(bounds)
    return Distortion(
        angle=drawn[0],
        factors=jnp.exp(drawn[1:3]),
        shear=drawn[3],
        shift=drawn[4:6],
        exponent=jnp.exp(drawn[6]),
    )


def affine_points(distortion: Distortion) -> jax.Array:
    """Where each pixel is to be sampled, (2, 14, 14) float32: x and y from the first pixel.

    The point of pixel p is A p + shift with p and the point seen from the image's centre and
    A = rotation @ shear @ scaling, so that shear moves along x in proportion to y.
    """
    cos, sin = jnp.cos(distortion.angle), jnp.sin(distortion.angle)
    centre = (SIDE - 1) / 2
    from_centre = np.arange(SIDE, dtype=np.float32) - centre
    x, y = distortion.factors[0] * from_centre, distortion.factors[1] * from_centre[:, None]
    x = x + distortion.shear * y
    points = jnp.stack([cos * x - sin * y, sin * x + cos * y])
    return points + (distortion.shift + centre)[:, None, None]


def sample(image: jax.Array, points: jax.Array) -> jax.Array:
    """Bilinear interpolation of an image (14, 14) at points (2, ...), with 0 outside it."""
    width = SIDE + 2
    padded = jnp.pad(image, 1).ravel()
    # Beyond the ring of zeros there are only more of them.
    x, y = jnp.clip(points + 1, 0, SIDE + 1)
    left, top = (jnp.minimum(jnp.floor(c), SIDE) for c in (x, y))
    right, below = x - left, y - top
    corner = (top * width + left).astype(jnp.int32)

    def read(offset):
        return padded.at[corner + offset].get(mode='promise_in_bounds')

    upper = (1 - right) * read(0) + right * read(1)
    lower = (1 - right) * read(width) + right * read(width + 1)
    return (1 - below) * upper + below * lower


def apply_gamma(
    image: jax.Array, white: jax.Array | float, exponent: jax.Array | float
) -> jax.Array:
    """(image / white) ** exponent * white; what is not above 0 stays."""
    bright = image > 0
    # The slope of a power at 0 may be infinite, which would make gradients NaN.
    fraction = jnp.where(bright, image, white) / white
    return jnp.where(bright, fraction**exponent * white, image)
