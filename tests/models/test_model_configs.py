"""The networks as configs describe them: sizes, first values, and what is refused."""

import itertools
import math

import jax
import numpy as np
import pytest
from flax import nnx

from pairjax.config import default_config
from pairjax.errors import UserError
from pairjax.models.registry import MODELS, build_model, check_model_config, count_params


def model_config(name, widths, weight_sharing=True):
    model = default_config().model
    model.update({'name': name, 'widths': widths, 'weight_sharing': weight_sharing})
    return model


# ---------------------------------------------------------------- numbers of parameters


def conv(k, n, m):
    return k * k * n * m + m


def dense(*widths):
    return sum(n * m + m for n, m in zip(widths, widths[1:], strict=False))


def three_convs(channels, c1, c2, c3):
    return conv(3, channels, c1) + conv(3, c1, c2) + conv(2, c2, c3)


# (one encoder and digit head, what both images share) from the widths and the number of classes.
PARAMS_BY_HAND = {
    'BasicNet1': lambda c1, c2, c3, h, n: (0, three_convs(2, c1, c2, c3) + dense(c3, h, 2)),
    'AuxNet1': lambda c1, c2, c3, h, n: (
        three_convs(1, c1, c2, c3) + dense(c3, h, n),
        dense(2 * n, h, 2),
    ),
    'AuxNet2': lambda c1, c2, c3, h, n: (
        three_convs(1, c1, c2, c3) + dense(c3, h, n),
        dense(2 * c3, h, 2),
    ),
    'AuxNet3': lambda c1, c2, h1, h2, n: (
        conv(3, 1, c1) + conv(3, c1, c2) + dense(c2, h1, h2, n),
        dense(2 * c2, h1, h2, 2),
    ),
    'ShallowModel': lambda h, n: (0, dense(392, h, 2)),
    'DeepModel': lambda h, n: (
        conv(3, 1, 32) + conv(3, 32, 32) + conv(2, 32, 64) + dense(64, h, n),
        dense(2 * n, 2),
    ),
    'PairNet': lambda c1, c2, c3, c4, n: (
        conv(3, 1, c1) + conv(3, c1, c2) + conv(3, c2, c3) + conv(3, c3, c4) + dense(9 * c4, n),
        dense(2 * n, 2),
    ),
}


def params_by_hand(name, widths, weight_sharing=True, num_classes=10):
    branch, common = PARAMS_BY_HAND[name](*widths, num_classes)
    return branch * (1 if weight_sharing else 2) + common


@pytest.mark.parametrize('weight_sharing', [True, False])
@pytest.mark.parametrize('name', MODELS)
def test_parameter_counts_are_those_by_hand(name, weight_sharing):
    for widths, num_classes in (((3, 5, 7, 11), 10), ((16, 8, 4, 2), 26)):
        widths = widths[: len(MODELS[name].width_names)]
        if weight_sharing or MODELS[name].has_branches:
            found = count_params(model_config(name, widths, weight_sharing), num_classes)
            assert found == params_by_hand(name, widths, weight_sharing, num_classes)


@pytest.mark.parametrize(
    ('name', 'combinations'),
    [('BasicNet1', 24), ('AuxNet1', 31), ('AuxNet2', 31), ('AuxNet3', 23)],
)
def test_the_first_reports_numbers_of_width_combinations(name, combinations):
    grid = list(itertools.product((16, 32, 64, 128, 256, 512), repeat=4))
    by_hand = {widths: params_by_hand(name, widths) for widths in grid}
    inside = [widths for widths in grid if 65_000 < by_hand[widths] < 75_000]
    assert len(inside) == combinations
    # The library agrees where it decides: the nearest on both sides of both bounds.
    for bound in (65_000, 75_000):
        below = max((w for w in grid if by_hand[w] <= bound), key=by_hand.get)
        above = min((w for w in grid if by_hand[w] > bound), key=by_hand.get)
        for widths in (below, above):
            assert count_params(model_config(name, widths), 10) == by_hand[widths]


# ---------------------------------------------------------------- initialisation


@pytest.mark.parametrize(
    ('name', 'widths'),
    [('BasicNet1', (16, 16, 32, 64)), ('AuxNet3', (16, 16, 32, 64)), ('ShallowModel', (16,))],
)
def test_parameters_start_as_pytorchs_defaults(name, widths):
    config = model_config(name, widths, not MODELS[name].has_branches)

    @jax.jit
    def init(seed):
        return nnx.state(build_model(config, 10, nnx.Rngs(jax.random.key(seed))), nnx.Param)

    def in_units_of_bound(seed):
        def layers(params):
            if 'kernel' in params:
                kernel, bias = np.asarray(params['kernel']), np.asarray(params['bias'])
                bound = 1 / math.sqrt(np.prod(kernel.shape[:-1]))
                return [kernel.ravel() / bound, bias / bound]
            return [values for inner in params.values() for values in layers(inner or {})]

        return layers(nnx.to_pure_dict(init(seed)))

    for values in in_units_of_bound(0):
        assert np.abs(values).max() <= 1 + 1e-6
        # 5 standard errors of a uniform sample's mean and deviation.
        assert abs(values.mean()) < 5 * 0.577 / math.sqrt(values.size)
        error = 5 * 0.447 / math.sqrt(values.size)
        assert abs(math.sqrt((values**2).mean()) * math.sqrt(3) - 1) < error
    one, other = (np.concatenate(in_units_of_bound(seed)) for seed in (0, 1))
    assert one.size == params_by_hand(name, widths, not MODELS[name].has_branches)
    # Every value of every layer and seed is drawn by itself; a few of 2^23 float32 values coincide.
    assert len(np.unique(one)) > 0.998 * one.size
    assert np.isin(one, other).mean() < 0.004


# ---------------------------------------------------------------- configs that cannot be


@pytest.mark.parametrize(
    ('model', 'aux_weight', 'parts'),
    [
        ({'name': 'AuxNet'}, 2, ("model.name='AuxNet'", "did you mean 'AuxNet", 'ShallowModel')),
        ({'name': 'auxnet3'}, 2, ("did you mean 'AuxNet3'?",)),
        ({'widths': (1, 2, 3)}, 2, ('has 3 entries', 'AuxNet2 takes 4', 'conv3, hidden')),
        ({'name': 'AuxNet3', 'widths': ()}, 2, ('takes 4', 'conv2, hidden1, hidden2')),
        ({'name': 'DeepModel'}, 2, ('has 4 entries', 'takes 1: hidden')),
        ({'name': 'BasicNet1', 'weight_sharing': False}, 0, ('weight_sharing=False', 'BasicNet1')),
        ({'name': 'BasicNet1'}, 2.0, ('loss.aux_weight=2.0', 'digit heads', 'set it to 0')),
        (
            {'name': 'ShallowModel', 'widths': (9,), 'weight_sharing': False},
            0,
            ('weight_sharing=False does not apply to ShallowModel', 'set it to True'),
        ),
        ({'name': 'ShallowModel', 'widths': (9,)}, 0, ('dropout_rate=0.5 does not apply',)),
        ({'name': 'DeepModel', 'widths': (9,)}, 1, ('dropout_rate=0.5 does not apply to Deep',)),
    ],
)
def test_what_a_model_does_not_have_is_refused(model, aux_weight, parts):
    config = default_config()
    config.model.update(model)
    config.loss.aux_weight = aux_weight
    with pytest.raises(UserError) as caught:
        check_model_config(config)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.mark.parametrize('name', MODELS)
def test_what_a_model_has_is_accepted(name):
    cls, config = MODELS[name], default_config()
    for weight_sharing in {True, not cls.has_branches}:
        widths = (9,) * len(cls.width_names)
        config.model.update(name=name, widths=widths, weight_sharing=weight_sharing)
        config.loss.aux_weight = 2.0 if cls.has_digit_heads else 0.0
        config.model.dropout_rate = 0.5 if cls.has_dropout else 0.0
        check_model_config(config)
