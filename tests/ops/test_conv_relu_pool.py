"""The fast convolutions against `lax`, and the pool's tie rule against loops."""

import functools

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax

from pairjax.ops.conv_relu_pool import (
    Geometry,
    choose_algorithm,
    conv_relu_pool,
    conv_relu_pool_by,
    conv_relu_pool_reference,
)

TOLERANCE = {'winograd': 3e-5, 'rowwise': 3e-6, 'wide': 3e-6}

# (geometry, C_in, C_out) of every kind of convolution in the seven networks.
LAYERS = {
    'BasicNet1 first': (Geometry(14, 14, 3, 0, 2), 2, 16),
    'AuxNet, DeepModel first': (Geometry(14, 14, 3, 0, 2), 1, 32),
    'BasicNet1, AuxNet second': (Geometry(6, 6, 3, 1, 2), 32, 32),
    'BasicNet1, AuxNet third': (Geometry(3, 3, 2, 1, 3), 32, 64),
    'AuxNet3 second': (Geometry(6, 6, 3, 1, 6), 16, 64),
    'DeepModel second': (Geometry(6, 6, 3, 0, 2), 32, 32),
    'DeepModel third': (Geometry(2, 2, 2, 0, 1), 32, 64),
    'widest': (Geometry(3, 3, 2, 1, 3), 256, 128),
}


@st.composite
def geometries(draw):
    size, padding = draw(st.sampled_from([2, 3])), draw(st.sampled_from([0, 1]))
    pool = draw(st.sampled_from([1, 2, 3, 6]))
    height, width = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    geometry = Geometry(height, width, size, padding, pool)
    assume(geometry.rows > 0 and geometry.columns > 0)
    return geometry


def algorithms_for(geometry):
    one_tile = geometry.pool * max(geometry.rows, geometry.columns) <= 6
    return ('winograd', 'rowwise', 'wide') if one_tile else ('rowwise', 'wide')


def random_operands(geometry, channels_in, channels_out, batch, runs=()):
    """Inputs, kernel and bias, scaled as in the networks."""
    rng = np.random.default_rng(0)
    bound = 1 / np.sqrt(geometry.size**2 * channels_in)
    images = (geometry.height, geometry.width, channels_in, batch)
    kernels = (geometry.size, geometry.size, channels_in, channels_out)
    inputs = rng.standard_normal((*runs, *images))
    kernel = rng.uniform(-bound, bound, (*runs, *kernels))
    bias = rng.uniform(-bound, bound, (*runs, channels_out))
    return [array.astype(np.float32) for array in (inputs, kernel, bias)]


def windows(inputs, kernel, bias, geometry):
    """Outputs before pooling, (rows, columns, pool * pool, C_out, N)."""
    outputs = lax.conv_general_dilated(
        inputs,
        kernel,
        (1, 1),
        [(geometry.padding,) * 2] * 2,
        dimension_numbers=('HWCN', 'HWIO', 'HWCN'),
    )
    rows, columns, pool = geometry.rows, geometry.columns, geometry.pool
    outputs = np.array(outputs[: rows * pool, : columns * pool] + bias[:, None])
    outputs = outputs.reshape(rows, pool, columns, pool, *outputs.shape[2:])
    return outputs.swapaxes(1, 2).reshape(rows, columns, pool * pool, *outputs.shape[4:])


def clear_cotangent(operands, geometry):
    """A random cotangent, 0 where rounding could turn a tie or cross the edge of ReLU."""
    places = np.sort(windows(*operands, geometry), axis=2)
    clear = np.abs(places[:, :, -1]) > 1e-4
    if geometry.pool > 1:
        clear &= places[:, :, -1] - places[:, :, -2] > 1e-4
    return np.where(clear, np.random.default_rng(1).standard_normal(clear.shape), 0).astype('f4')


def value_and_gradients(function, inputs, kernel, bias, cotangent):
    result, pull_back = jax.vjp(function, inputs, kernel, bias)
    inputs, kernel, bias = pull_back(cotangent)
    return {'value': result, 'inputs': inputs, 'kernel': kernel, 'bias': bias}


def evaluate(function, *operands):
    """Compiled with the operands as arguments: as constants they would be folded slowly."""
    lowered = jax.jit(functools.partial(value_and_gradients, function)).lower(*operands)
    return lowered.compile(compiler_options={'xla_backend_optimization_level': 0})(*operands)


def by(algorithm, geometry):
    return lambda *operands: conv_relu_pool_by(*operands, geometry, algorithm)


def with_geometry(function, geometry):
    return functools.partial(function, padding=geometry.padding, pool=geometry.pool)


def assert_agree(actual, expected, tolerance):
    for name, array in expected.items():
        assert actual[name].shape == array.shape and actual[name].dtype == array.dtype, name
        error = np.abs(actual[name] - array).max() / (np.abs(array).max() + 1e-6)
        assert error < tolerance, (name, error)


@pytest.mark.parametrize('layer', LAYERS)
def test_every_layer_of_the_networks_agrees_with_lax(layer):
    geometry, channels_in, channels_out = LAYERS[layer]
    operands = random_operands(geometry, channels_in, channels_out, batch=20)
    cotangent = clear_cotangent(operands, geometry)
    reference = with_geometry(conv_relu_pool_reference, geometry)
    expected = evaluate(reference, *operands, cotangent)
    for algorithm in algorithms_for(geometry):
        actual = evaluate(by(algorithm, geometry), *operands, cotangent)
        assert_agree(actual, expected, TOLERANCE[algorithm])


@settings(max_examples=6, deadline=None, derandomize=True)
@given(geometries(), st.integers(1, 5), st.integers(1, 5), st.integers(1, 20))
def test_any_shape_agrees_with_lax(geometry, channels_in, channels_out, batch):
    operands = random_operands(geometry, channels_in, channels_out, batch)
    cotangent = clear_cotangent(operands, geometry)
    reference = with_geometry(conv_relu_pool_reference, geometry)
    expected = evaluate(reference, *operands, cotangent)
    chosen = evaluate(with_geometry(conv_relu_pool, geometry), *operands, cotangent)
    assert_agree(chosen, expected, TOLERANCE['winograd'])
    for algorithm in algorithms_for(geometry):
        actual = evaluate(by(algorithm, geometry), *operands, cotangent)
        assert_agree(actual, expected, TOLERANCE[algorithm])


@settings(max_examples=2, deadline=None, derandomize=True)
@given(geometries(), st.integers(1, 4), st.sampled_from([2, 17]))
def test_vmap_over_runs_with_their_own_kernels(geometry, channels_in, batch):
    operands = random_operands(geometry, channels_in, 3, batch, runs=(3,))
    cotangent = np.stack([clear_cotangent(run, geometry) for run in zip(*operands, strict=True)])
    reference = jax.vmap(with_geometry(conv_relu_pool_reference, geometry))
    expected = evaluate(reference, *operands, cotangent)
    for algorithm in algorithms_for(geometry):
        actual = evaluate(jax.vmap(by(algorithm, geometry)), *operands, cotangent)
        assert_agree(actual, expected, TOLERANCE[algorithm])


def first_maximum_gradients(inputs, kernel, bias, cotangent, geometry):
    """Gradients by loops: each window's goes to its first maximum in row-major order."""
    places = windows(inputs, kernel, bias, geometry)
    padded = np.pad(inputs, [(geometry.padding,) * 2] * 2 + [(0, 0)] * 2)
    padded_gradient, kernel_gradient = np.zeros_like(padded), np.zeros_like(kernel)
    bias_gradient = np.zeros_like(bias)
    size, pool = geometry.size, geometry.pool
    for row, column, channel, n in np.ndindex(cotangent.shape):
        values = places[row, column, :, channel, n]
        down, right = divmod(int(np.argmax(values)), pool)
        if values.max() > 0:
            top, left = row * pool + down, column * pool + right
            part = (slice(top, top + size), slice(left, left + size), slice(None), n)
            amount = cotangent[row, column, channel, n]
            padded_gradient[part] += amount * kernel[..., channel]
            kernel_gradient[..., channel] += amount * padded[part]
            bias_gradient[channel] += amount
    rows = slice(geometry.padding, geometry.padding + geometry.height)
    columns = slice(geometry.padding, geometry.padding + geometry.width)
    input_gradient = padded_gradient[rows, columns]
    return {'inputs': input_gradient, 'kernel': kernel_gradient, 'bias': bias_gradient}


@pytest.mark.parametrize('fill', ['constant', 'black and white'])
@pytest.mark.parametrize('layer', [(14, 14, 3, 0, 2), (6, 6, 3, 1, 2), (3, 3, 2, 1, 3)], ids=str)
def test_the_first_of_tied_places_gets_the_gradient(layer, fill):
    """Small integers: sums are exact, so that ties are exact too."""
    geometry = Geometry(*layer)
    rng = np.random.default_rng(2)
    images = (geometry.height, geometry.width, 2, 3)
    inputs = np.ones(images) if fill == 'constant' else rng.integers(0, 2, images)
    kernel = rng.integers(-1, 3, (geometry.size, geometry.size, 2, 4))
    cotangent = rng.integers(1, 9, (geometry.rows, geometry.columns, 4, 3))
    operands = [np.float32(x) for x in (inputs, kernel, [0, 1, -2, 0], cotangent)]
    expected = first_maximum_gradients(*operands, geometry)
    for algorithm in ('rowwise', 'wide'):
        assert_agree(evaluate(by(algorithm, geometry), *operands), expected, 1e-6)
    reference = with_geometry(conv_relu_pool_reference, geometry)
    assert_agree(evaluate(reference, *operands), expected, 1e-6)


def test_black_images_tie_in_every_algorithm_and_relu_cuts_at_zero():
    geometry = Geometry(6, 6, 3, 1, 2)
    _, kernel, _ = random_operands(geometry, 2, 3, 4)
    inputs = np.zeros((6, 6, 2, 4), np.float32)
    bias = np.float32([0.5, 0, -0.5])
    cotangent = np.ones((3, 3, 3, 4), np.float32)
    expected = first_maximum_gradients(inputs, kernel, bias, cotangent, geometry)
    np.testing.assert_array_equal(expected['bias'], [36, 0, 0])
    for algorithm in algorithms_for(geometry):
        actual = evaluate(by(algorithm, geometry), inputs, kernel, bias, cotangent)
        assert_agree(actual, expected, TOLERANCE[algorithm])


@pytest.mark.parametrize('algorithm', ['winograd', 'rowwise', 'wide'])
def test_an_unused_gradient_of_the_inputs_costs_nothing(algorithm):
    geometry = Geometry(6, 6, 3, 1, 2)
    operands = random_operands(geometry, 8, 8, 32)

    def flops(arguments):
        def loss(*operands):
            return conv_relu_pool_by(*operands, geometry, algorithm).sum()

        compiled = jax.jit(jax.grad(loss, arguments)).lower(*operands).compile()
        return compiled.cost_analysis()['flops']

    assert flops((1, 2)) < 0.8 * flops((0, 1, 2))


def test_the_choice_follows_shape_and_backend():
    first, second, _ = (LAYERS[name][0] for name in list(LAYERS)[1:4])
    assert choose_algorithm(first, 1, 200, 'cpu') == 'rowwise'
    assert choose_algorithm(first, 1, 10, 'cpu') == 'wide'
    assert choose_algorithm(second, 32, 200, 'cpu') == 'winograd'
    assert choose_algorithm(first, 32, 200, 'cpu') == 'rowwise'
    assert choose_algorithm(second, 32, 2, 'cpu') == 'wide'
    assert choose_algorithm(second, 32, 200, 'gpu') == 'wide'
    assert choose_algorithm(second, 32, 200, 'tpu') == 'lax'
