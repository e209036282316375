"""Distortions of images against scipy, closed forms, and what is promised of their draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ml_collections import FrozenConfigDict
from scipy import ndimage, stats

from pairjax.data.augmentation import (
    Distortion,
    Strengths,
    affine_points,
    apply_gamma,
    augment,
    augment_images,
    draw_distortion,
    is_on,
    sample,
)
from pairjax.runtime.sharding import choose_layout, place_runs
from pairjax.runtime.vectorize import over_runs

SIDE, CENTRE = 14, 6.5
STRENGTHS = Strengths(rotation=12, scale=0.12, shear=0.15, shift=1.5, gamma=0.3)
NUM_DRAWS = 4000
IMAGES = np.random.default_rng(0).uniform(0, 255, (40, SIDE, SIDE)).astype(np.float32)
IMAGES[IMAGES < 100] = 0  # Digits are mostly black.


def alone(name):
    """STRENGTHS with one of them on."""
    return Strengths(**{name: getattr(STRENGTHS, name)})


def without(name):
    return STRENGTHS._replace(**{name: 0.0})


def keys_from(seed, num_keys):
    return jax.random.split(jax.random.key(seed), num_keys)


run = jax.jit(augment_images, static_argnums=3)
points_of = jax.jit(affine_points)
sampled = jax.jit(sample)
distortions_of = jax.jit(jax.vmap(draw_distortion, (0, None)), static_argnums=1)


def make_affine(angle=0.0, factors=(1.0, 1.0), shear=0.0, shift=(0.0, 0.0)):
    return Distortion(*map(np.float32, (angle, factors, shear, shift, 1.0)))


def matrix_of(affine):
    """Rotation @ shear @ scaling in float64, for points (x, y)."""
    angle, factors, shear, *_ = (np.float64(part) for part in affine)
    rotation = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return np.array(rotation) @ [[1, shear], [0, 1]] @ np.diag(factors)


def scipy_affine(image, affine):
    """The affine map by scipy, whose points are (row, column)."""
    matrix, shift = matrix_of(affine)[::-1, ::-1], np.float64(affine.shift)[::-1]
    offset = CENTRE + shift - matrix @ [CENTRE, CENTRE]
    return ndimage.affine_transform(
        np.float64(image), matrix, offset, order=1, mode='grid-constant'
    )


def scipy_sample(image, points):
    rows_and_columns = np.float64(points)[::-1]
    return ndimage.map_coordinates(
        np.float64(image), rows_and_columns, order=1, mode='grid-constant'
    )


# ------------------------------------------------------------------- the affine map

angles = st.floats(-3.25, 3.25, width=32)
factors = st.tuples(*[st.floats(0.5, 2, width=32)] * 2)
shears = st.floats(-1, 1, width=32)
shifts = st.tuples(*[st.floats(-20, 20, width=32)] * 2)
affines = st.builds(make_affine, angles, factors, shears, shifts)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(affines, st.integers(0, len(IMAGES) - 1))
def test_affine_maps_are_those_of_scipy(affine, number):
    ours = sampled(IMAGES[number], points_of(affine))
    np.testing.assert_allclose(ours, scipy_affine(IMAGES[number], affine), atol=0.01)


@pytest.mark.parametrize('shift', [(3, 0), (0, -2), (-1, 5), (14, 0), (0, -13)])
def test_a_shift_by_whole_pixels_moves_them_and_brings_in_black(shift):
    x, y = shift
    expected = np.zeros((SIDE, SIDE), np.float32)
    for row in range(SIDE):
        for column in range(SIDE):
            if 0 <= row + y < SIDE and 0 <= column + x < SIDE:
                expected[row, column] = IMAGES[0, row + y, column + x]
    ours = sampled(IMAGES[0], points_of(make_affine(shift=shift)))
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize('quarters', [1, 2, 3, -1])
def test_quarter_turns_are_those_of_numpy(quarters):
    ours = sampled(IMAGES[0], points_of(make_affine(angle=quarters * np.pi / 2)))
    np.testing.assert_allclose(ours, np.rot90(IMAGES[0], quarters), atol=1e-3)


def test_shear_moves_along_x_and_factors_go_with_their_axes():
    points = points_of(make_affine(factors=(2, 0.5), shear=0.4))
    from_centre = np.arange(SIDE) - CENTRE
    y = np.broadcast_to(0.5 * from_centre[:, None], (SIDE, SIDE))
    x = 2 * from_centre + 0.4 * y
    np.testing.assert_allclose(points, np.stack([x, y]) + CENTRE, atol=1e-5)


# ------------------------------------------------------------------------- sampling


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 30))
def test_sampling_anywhere_is_that_of_scipy(seed, spread):
    points = np.random.default_rng(seed).normal(CENTRE, spread, (2, SIDE, SIDE)).astype(np.float32)
    np.testing.assert_allclose(
        sampled(IMAGES[1], points), scipy_sample(IMAGES[1], points), atol=0.01
    )


def test_sampling_on_and_just_off_the_edges():
    at = np.array([-1e9, -1.5, -1, -0.75, 0, 12.5, 13, 13.25, 14, 14.5, 1e9], np.float32)
    points = np.stack(np.meshgrid(at, at))
    ours = sampled(np.ones((SIDE, SIDE), np.float32), points)
    inside = np.array([0, 0, 0, 0.25, 1, 1, 1, 0.75, 0, 0, 0])
    np.testing.assert_allclose(ours, np.outer(inside, inside), atol=1e-6)


def test_sampling_has_the_slopes_of_bilinear_interpolation():
    """At a point within a cell, the differences between its corners."""
    image, (column, row) = IMAGES[2], (4, 7)
    slope = jax.grad(lambda point: sample(image, point))(jnp.float32([column + 0.25, row + 0.5]))
    (a, b), (c, d) = image[row : row + 2, column : column + 2]
    expected = [((b - a) + (d - c)) / 2, (c - a) * 0.75 + (d - b) * 0.25]
    np.testing.assert_allclose(slope, expected, atol=1e-3)


def assert_near(values, expected, tolerance):
    assert np.abs(np.asarray(values) - expected).max() < tolerance


# ---------------------------------------------------------------------------- gamma


@pytest.mark.parametrize('white', [1.0, 255.0, 16.0, 0.3])
@pytest.mark.parametrize('exponent', [0.5, 1.0, 2.2])
def test_gamma_is_a_power_of_the_fraction_of_white(white, exponent):
    image = IMAGES[0] / 255 * white
    expected = (np.float64(image) / white) ** exponent * white
    ours = apply_gamma(image, white, exponent)
    np.testing.assert_allclose(ours, expected, rtol=2e-6)


def test_gamma_keeps_black_and_white_and_what_is_below_black():
    image = jnp.float32([0, 255, -3])
    np.testing.assert_array_equal(apply_gamma(image, 255.0, 0.4), image)


def test_gamma_has_finite_slopes_at_black():
    def brightness(image, exponent):
        return apply_gamma(image, 255.0, exponent).sum()

    for_image, for_exponent = jax.grad(brightness, (0, 1))(jnp.zeros((SIDE, SIDE)), 0.5)
    assert np.isfinite(for_image).all() and for_exponent == 0


# ----------------------------------------------------------------------- what is drawn


def drawn(strengths, num_keys=NUM_DRAWS):
    """The seven uniform numbers of each image, by the strength that bounds them."""
    distortion = distortions_of(keys_from(2, num_keys), strengths)
    columns = {
        'rotation': np.rad2deg(distortion.angle),
        'scale': np.log(distortion.factors),
        'shear': distortion.shear,
        'shift': distortion.shift,
        'gamma': np.log(distortion.exponent),
    }
    return {name: np.asarray(value).reshape(num_keys, -1) for name, value in columns.items()}


def test_draws_are_uniform_within_their_bounds_and_fill_them():
    columns = drawn(STRENGTHS)
    assert [values.shape[1] for values in columns.values()] == [1, 2, 1, 2, 1]
    error = NUM_DRAWS**-0.5
    for name, values in columns.items():
        values = values / getattr(STRENGTHS, name)
        assert values.min() >= -1 - 1e-5 and values.max() <= 1 + 1e-5, name
        assert values.min() < -0.99 and values.max() > 0.99, name
        assert_near(values.mean(axis=0), 0, 4 * error / 3**0.5)
        assert_near((values**2).mean(axis=0), 1 / 3, 4 * error * (1 / 5 - 1 / 9) ** 0.5)
        for column in values.T:
            assert stats.kstest(column, 'uniform', (-1, 2)).pvalue > 0.001, name


def test_draws_are_independent_of_each_other():
    columns = np.hstack(list(drawn(STRENGTHS).values()))
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert_near(correlations, 0, 5 * NUM_DRAWS**-0.5)


@pytest.mark.parametrize('name', ['rotation', 'scale', 'shear', 'shift', 'gamma'])
def test_a_distortion_that_is_off_changes_no_draw_of_the_others(name):
    all_on, one_off = drawn(STRENGTHS, 50), drawn(without(name), 50)
    assert not one_off.pop(name).any() and all_on.pop(name).all()
    for other, values in one_off.items():
        np.testing.assert_array_equal(values, all_on[other])


@pytest.mark.parametrize('name', ['rotation', 'scale', 'shear', 'shift', 'gamma'])
def test_twice_the_strength_is_twice_the_distortion(name):
    once, twice = alone(name), alone(name)._replace(**{name: 2 * getattr(STRENGTHS, name)})
    np.testing.assert_allclose(drawn(twice, 50)[name], 2 * drawn(once, 50)[name], rtol=1e-4)


# ------------------------------------------------------------------------ all together


def reference(keys, images, white, strengths):
    """The drawn distortions by scipy in float64."""
    distortions = jax.tree.map(np.float64, distortions_of(keys, strengths))
    x, y = np.meshgrid(*[np.arange(SIDE) - CENTRE] * 2)
    for number, image in enumerate(images):
        distortion = Distortion(*(part[number] for part in distortions))
        points = np.tensordot(matrix_of(distortion), [x, y], 1) + CENTRE
        points += distortion.shift[:, None, None]
        yield (scipy_sample(image, points) / white) ** distortion.exponent * white


@pytest.mark.parametrize('strengths', [STRENGTHS, *map(alone, STRENGTHS._fields)])
@pytest.mark.parametrize('white', [1.0, 255.0])
def test_what_was_drawn_is_what_is_done(strengths, white):
    keys, images = keys_from(3, 40), IMAGES / 255 * white
    ours = run(keys, images, white, strengths)
    expected = list(reference(keys, images, white, strengths))
    np.testing.assert_allclose(ours / white, np.array(expected) / white, atol=1e-4)
    assert all(np.abs(ours - images).max(axis=(1, 2)) > 1e-4 * white)


def test_nothing_is_compiled_where_everything_is_off():
    assert not is_on(Strengths())
    traced = jax.make_jaxpr(lambda *args: augment(*args, Strengths()))(
        jax.random.key(0), IMAGES[0], 255.0
    )
    assert not traced.eqns
    np.testing.assert_array_equal(run(keys_from(0, 40), IMAGES, 255.0, Strengths()), IMAGES)


def test_only_what_is_on_is_compiled():
    def operations(strengths):
        traced = jax.make_jaxpr(lambda *args: augment(*args, strengths))
        text = str(traced(jax.random.key(0), IMAGES[0], 255.0))
        return {name for name in ('gather[', 'pow') if f' {name}' in text}

    for name in ('rotation', 'scale', 'shear', 'shift'):
        assert is_on(alone(name)) and operations(alone(name)) == {'gather['}
    assert is_on(alone('gamma')) and operations(alone('gamma')) == {'pow'}


def test_a_config_group_serves_as_strengths():
    config = FrozenConfigDict(STRENGTHS._asdict())
    ours = jax.jit(lambda *args: augment_images(*args, config))
    keys = keys_from(0, 40)
    np.testing.assert_array_equal(ours(keys, IMAGES, 255.0), run(keys, IMAGES, 255.0, STRENGTHS))
    assert is_on(config) and not is_on(FrozenConfigDict(Strengths()._asdict()))


def test_an_image_depends_on_its_own_key_and_not_on_its_place():
    keys, order = keys_from(4, 40), np.random.default_rng(0).permutation(40)
    straight = np.asarray(run(keys, IMAGES, 255.0, STRENGTHS))
    shuffled = run(keys[order], IMAGES[order], 255.0, STRENGTHS)
    np.testing.assert_array_equal(shuffled, straight[order])
    few = run(keys[7:10], IMAGES[7:10], 255.0, STRENGTHS)
    np.testing.assert_allclose(few, straight[7:10], atol=0.01)


@pytest.mark.parametrize('name', Strengths._fields)
def test_every_key_draws_a_distortion_of_its_own(name):
    same = np.broadcast_to(IMAGES[0], IMAGES.shape)
    ours = np.asarray(run(keys_from(5, 40), same, 255.0, alone(name)))
    assert len(np.unique(ours.reshape(40, -1), axis=0)) == 40


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.integers(0, 2**31 - 1),
    st.sampled_from([1.0, 255.0, 0.3]),
    st.sampled_from([STRENGTHS, Strengths(180, 2.0, 2.0, 20.0, 2.0)]),
)
def test_images_stay_between_black_and_white(seed, white, strengths):
    images = IMAGES / IMAGES.max() * white
    ours = run(keys_from(seed, 40), images, white, strengths)
    assert ours.dtype == np.float32 and ours.shape == images.shape
    assert np.all(ours >= 0) and np.all(ours <= white * (1 + 1e-5))


def test_gradients_are_finite():
    """Also on black images, where the slope of a power may be infinite, and on white ones."""
    images = jnp.asarray(IMAGES).at[:5].set(0).at[5:10].set(255)

    def brightness(images):
        return augment_images(keys_from(6, 40), images, 255.0, STRENGTHS).sum()

    gradient = np.asarray(jax.jit(jax.grad(brightness))(images))
    assert np.isfinite(gradient).all() and gradient.any(axis=(1, 2)).all()


def test_runs_on_devices_augment_as_one_alone():
    layout = choose_layout(4, FrozenConfigDict({'devices': 2, 'per_batch': 2}), batch_size=100)

    def one_run(images, seed):
        return augment_images(keys_from(seed, 40), images, 255.0, STRENGTHS)

    options = {'xla_backend_optimization_level': 0}
    ours = over_runs(one_run, layout, 1, options)(IMAGES, place_runs(np.arange(4), layout))
    alone_on_one = [run(keys_from(seed, 40), IMAGES, 255.0, STRENGTHS) for seed in range(4)]
    np.testing.assert_allclose(ours, alone_on_one, atol=0.01)
