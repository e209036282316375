"""Random distortions of single images for training: drawn, then applied, on the device.

An image is sampled where an affine map and an elastic displacement send its pixels, and its
brightness is bent. Lengths are in pixels and points are (x, y): column to the right, row down.
"""

import enum
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pairjax.data.resize import SIDE

# Nodes of the elastic displacement along each side.
ELASTIC_NODES = 4


class Strengths(NamedTuple):
    """How far each distortion goes, Python floats of 0 or more: 0 is off.

    A config group with these fields serves as well. rotation: degrees, the angle is uniform
    in +-rotation. scale: the logarithm of each axis' factor is uniform in +-scale, the axes
    independent. shear: uniform in +-shear. shift: pixels, uniform in +-shift along each axis.
    elastic: pixels, the standard deviation of the normal displacements at the nodes. gamma: the
    logarithm of the exponent is uniform in +-gamma.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    gamma: float = 0.0


class Purpose(enum.IntEnum):
    """What an image's key is folded with, so that no two uses share random bits."""

    UNIFORM = 0
    ELASTIC = 1


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
      image: (14, 14) float32, from 0 (black, which also lies outside) to `white`.
      white: the value of full brightness, scalar.
      strengths: of the distortions; a `Strengths` or a config group with its fields.

    Returns: (14, 14) float32 from 0 to `white`; the image itself where everything is off. Sampling,
      elastic displacement and power are only compiled where they are on.
    """
    if not is_on(strengths):
        return image
    distortion = draw_distortion(key, strengths)
    affine_on = any((strengths.rotation, strengths.scale, strengths.shear, strengths.shift))
    if affine_on or strengths.elastic:
        points = affine_points(distortion)
        if strengths.elastic:
            points += upsample(draw_elastic(key, strengths.elastic))
        image = sample(image, points)
    if strengths.gamma:
        image = apply_gamma(image, white, distortion.exponent)
    return image


def draw_distortion(key: jax.Array, strengths: Strengths) -> Distortion:
    """The random distortion of an image's key, but for its elastic part."""
    s = strengths
    bounds = [np.deg2rad(s.rotation), s.scale, s.scale, s.shear, s.shift, s.shift, s.gamma]
    key = jax.random.fold_in(key, Purpose.UNIFORM)
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


def draw_elastic(key: jax.Array, strength: float) -> jax.Array:
    """Displacements along x and y at the nodes, (2, 4, 4) float32 in pixels."""
    key = jax.random.fold_in(key, Purpose.ELASTIC)
    shape = (2, ELASTIC_NODES, ELASTIC_NODES)
    # A draw of several axes gives the same numbers and takes four times as long to compile.
    return strength * jax.random.normal(key, (math.prod(shape),), jnp.float32).reshape(shape)


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


def upsample(nodes: jax.Array) -> jax.Array:
    """Displacements at the nodes (2, 4, 4) -> at the pixels (2, 14, 14), see `_upsampling`."""
    matrix = _upsampling()
    return matrix @ nodes @ matrix.T


def _upsampling() -> np.ndarray:
    """What each node weighs in each pixel along one side, (14, 4) float32.

    Cubic convolution with a = -0.75 (R. G. Keys, 1981, takes -0.5); the outer nodes lie on the
    outer pixels, and nodes beyond them repeat them: PyTorch's bicubic upsampling with
    align_corners.
    """
    nodes = np.arange(-2, ELASTIC_NODES + 2)
    pixels = np.linspace(0, ELASTIC_NODES - 1, SIDE)
    distance = np.abs(pixels[:, None] - nodes)
    near = (1.25 * distance - 2.25) * distance**2 + 1
    far = -0.75 * (distance - 1) * (distance - 2) ** 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0))
    repeated = np.eye(ELASTIC_NODES)[np.clip(nodes, 0, ELASTIC_NODES - 1)]
    return np.float32(weights @ repeated)


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
    # The slope of a power at 0 may be infinite, which would make not-a-number of gradients.
    fraction = jnp.where(bright, image, white) / white
    return jnp.where(bright, fraction**exponent * white, image)
