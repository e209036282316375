"""The networks of both reports.

Every model is called on images (batch, 2, 14, 14), already standardised, and
returns a `PairOutput`. To add one: a class with the attributes of `PairModel`
and a line in `MODELS`.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from pairjax.errors import UserError, unknown_name
from pairjax.layers import Branches, ConvReluPool, Dropout, Encoder, Head


class PairOutput(NamedTuple):
    """What a model says of a batch of pairs.

    main_logits: (batch, 2), does the relation hold. digit_logits_a and
    digit_logits_b: (batch, classes), or None for a model without digit heads.
    """

    main_logits: jax.Array
    digit_logits_a: jax.Array | None = None
    digit_logits_b: jax.Array | None = None


class PairModel(nnx.Module):
    """What every model declares: its widths by name and which switches apply to it."""

    width_names: ClassVar[tuple[str, ...]]
    has_branches: ClassVar[bool] = True
    has_digit_heads: ClassVar[bool] = True
    has_dropout: ClassVar[bool] = True

    def __init__(
        self, widths: Sequence[int], num_classes: int, weight_sharing: bool, rngs: nnx.Rngs
    ):
        raise NotImplementedError

    def __call__(self, images: jax.Array, dropout: Dropout | None = None) -> PairOutput:
        """Images (batch, 2, 14, 14) float32; dropout None outside training."""
        raise NotImplementedError


def three_block_encoder(channels: int, widths: Sequence[int], rngs: nnx.Rngs) -> Encoder:
    """The first report's encoder of BasicNet1, AuxNet1 and AuxNet2: 14x14 -> widths[2]."""
    c1, c2, c3 = widths
    return Encoder(
        [
            ConvReluPool(channels, c1, kernel_size=3, pool=2, rngs=rngs),
            ConvReluPool(c1, c2, kernel_size=3, padding=1, pool=2, rngs=rngs),
            ConvReluPool(c2, c3, kernel_size=2, padding=1, pool=3, rngs=rngs),
        ]
    )


class BasicNet1(PairModel):
    """First report: both images as two channels of one, no digit heads."""

    width_names = ('conv1', 'conv2', 'conv3', 'hidden')
    has_branches = False
    has_digit_heads = False

    def __init__(self, widths, num_classes, weight_sharing, rngs):
        *channels, hidden = widths
        self.encoder = three_block_encoder(2, channels, rngs)
        self.main_head = Head((channels[-1], hidden, 2), rngs)

    def __call__(self, images, dropout=None):
        return PairOutput(self.main_head(self.encoder(images), dropout))


class AuxNet1(PairModel):
    """First report: digit heads, and a main head that sees only the two digits' logits."""

    width_names = ('conv1', 'conv2', 'conv3', 'hidden')

    def __init__(self, widths, num_classes, weight_sharing, rngs):
        *channels, hidden = widths
        self.encoder = Branches(lambda: three_block_encoder(1, channels, rngs), weight_sharing)
        self.digit_head = Branches(
            lambda: Head((channels[-1], hidden, num_classes), rngs), weight_sharing
        )
        self.main_head = Head((2 * num_classes, hidden, 2), rngs)

    def __call__(self, images, dropout=None):
        features = self.encoder(images[:, :1], images[:, 1:])
        digits = self.digit_head(*features, dropout)
        return PairOutput(self.main_head(jnp.concatenate(digits, axis=1), dropout), *digits)


class AuxNet2(PairModel):
    """First report: digit heads and a main head side by side on the feature vectors."""

    width_names = ('conv1', 'conv2', 'conv3', 'hidden')

    def __init__(self, widths, num_classes, weight_sharing, rngs):
        *channels, hidden = widths
        self.encoder = Branches(lambda: three_block_encoder(1, channels, rngs), weight_sharing)
        self.digit_head = Branches(
            lambda: Head((channels[-1], hidden, num_classes), rngs), weight_sharing
        )
        self.main_head = Head((2 * channels[-1], hidden, 2), rngs)

    def __call__(self, images, dropout=None):
        features = self.encoder(images[:, :1], images[:, 1:])
        digits = self.digit_head(*features, dropout)
        return PairOutput(self.main_head(jnp.concatenate(features, axis=1), dropout), *digits)


class AuxNet3(PairModel):
    """First report: AuxNet2 with two convolutions and heads one layer deeper."""

    width_names = ('conv1', 'conv2', 'hidden1', 'hidden2')

    def __init__(self, widths, num_classes, weight_sharing, rngs):
        c1, c2, *hidden = widths

        def make_encoder():
            return Encoder(
                [
                    ConvReluPool(1, c1, kernel_size=3, pool=2, rngs=rngs),
                    ConvReluPool(c1, c2, kernel_size=3, padding=1, pool=6, rngs=rngs),
                ]
            )

        self.encoder = Branches(make_encoder, weight_sharing)
        self.digit_head = Branches(lambda: Head((c2, *hidden, num_classes), rngs), weight_sharing)
        self.main_head = Head((2 * c2, *hidden, 2), rngs)

    def __call__(self, images, dropout=None):
        features = self.encoder(images[:, :1], images[:, 1:])
        digits = self.digit_head(*features, dropout)
        return PairOutput(self.main_head(jnp.concatenate(features, axis=1), dropout), *digits)


class ShallowModel(PairModel):
    """Second report: one hidden layer on the 392 pixels of both images."""

    width_names = ('hidden',)
    has_branches = False
    has_digit_heads = False
    has_dropout = False

    def __init__(self, widths, num_classes, weight_sharing, rngs):
        self.main_head = Head((2 * 14 * 14, *widths, 2), rngs)

    def __call__(self, images, dropout=None):
        return PairOutput(self.main_head(images.reshape(len(images), -1)))


class DeepModel(PairModel):
    """Second report: a digit classifier a branch, then one layer on the two digits' logits."""

    width_names = ('hidden',)
    has_dropout = False

    def __init__(self, widths, num_classes, weight_sharing, rngs):
        def make_encoder():
            return Encoder(
                [
                    ConvReluPool(1, 32, kernel_size=3, pool=2, rngs=rngs),
                    ConvReluPool(32, 32, kernel_size=3, pool=2, rngs=rngs),
                    ConvReluPool(32, 64, kernel_size=2, rngs=rngs),
                ]
            )

        self.encoder = Branches(make_encoder, weight_sharing)
        self.digit_head = Branches(lambda: Head((64, *widths, num_classes), rngs), weight_sharing)
        self.main_head = Head((2 * num_classes, 2), rngs)

    def __call__(self, images, dropout=None):
        digits = self.digit_head(*self.encoder(images[:, :1], images[:, 1:]))
        return PairOutput(self.main_head(jax.nn.relu(jnp.concatenate(digits, axis=1))), *digits)


MODELS: dict[str, type[PairModel]] = {
    cls.__name__: cls for cls in (BasicNet1, AuxNet1, AuxNet2, AuxNet3, ShallowModel, DeepModel)
}


def check_model_config(config: Any) -> None:
    """Raises UserError where config.model or config.loss asks for what the model does not have."""
    model, name = config.model, config.model.name
    if name not in MODELS:
        raise unknown_name('model.name', name, MODELS)
    cls = MODELS[name]
    if len(model.widths) != len(cls.width_names):
        raise UserError(
            f'model.widths={tuple(model.widths)} has {len(model.widths)} entries; '
            f'{name} takes {len(cls.width_names)}: {", ".join(cls.width_names)}'
        )
    if not cls.has_branches and not model.weight_sharing:
        raise UserError(
            f'model.weight_sharing=False does not apply to {name}, which has no second '
            'branch; leave it True'
        )
    if not cls.has_digit_heads and config.loss.aux_weight != 0:
        raise UserError(
            f'loss.aux_weight={config.loss.aux_weight} needs digit heads, which {name} '
            'does not have; set it to 0'
        )
    if not cls.has_dropout and model.dropout_rate != 0:
        raise UserError(
            f'model.dropout_rate={model.dropout_rate} does not apply to {name}, which '
            'has no dropout; set it to 0'
        )


def build_model(model: Any, num_classes: int, rngs: nnx.Rngs) -> PairModel:
    """The network that config.model describes, initialised from rngs."""
    return MODELS[model.name](tuple(model.widths), num_classes, model.weight_sharing, rngs)


class _OneKey:
    """Stands in for nnx.Rngs where only shapes matter: counting draws takes most of the time."""

    def params(self) -> jax.Array:
        return jax.random.key(0)


def count_params(model: Any, num_classes: int) -> int:
    """How many parameters the network that config.model describes has; allocates nothing."""

    def params():
        return nnx.state(build_model(model, num_classes, _OneKey()), nnx.Param)

    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(params)))
