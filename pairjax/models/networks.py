"""The networks of both reports, and PairNet.

Every model is called on images (batch, 2, 14, 14), already standardised, and
returns a `PairOutput`. To add one: a class with the attributes of `PairModel`
and a line in `MODELS` of registry.py.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from pairjax.models.layers import Branches, ConvReluPool, Dropout, Encoder, Head


class PairOutput(NamedTuple):
    """What a model says of a batch of pairs.

    main_logits: (batch, 2), does the relation hold; None from a model without a main head.
    digit_logits_a and digit_logits_b: (batch, classes), or None for a model without digit heads.
    """

    main_logits: jax.Array | None
    digit_logits_a: jax.Array | None = None
    digit_logits_b: jax.Array | None = None


class PairModel(nnx.Module):
    """What every model declares: its widths by name and which switches apply to it."""

    width_names: ClassVar[tuple[str, ...]]
    has_convolutions: ClassVar[bool] = True
    has_branches: ClassVar[bool] = True
    has_digit_heads: ClassVar[bool] = True
    has_dropout: ClassVar[bool] = True

    def __init__(self, model: Any, num_classes: int, rngs: nnx.Rngs):
        """Takes config.model and how many classes a digit head tells apart."""
        raise NotImplementedError

    def __call__(self, images: jax.Array, dropout: Dropout | None = None) -> PairOutput:
        """Images (batch, 2, 14, 14) float32; dropout None outside training."""
        raise NotImplementedError


class Convolution(NamedTuple):
    """One block of an encoder: output channels, side of the kernel, zero padding, pool."""

    channels: int
    kernel_size: int
    padding: int = 0
    pool: int = 1


def make_encoder(
    model: Any, channels: int, convolutions: Sequence[Convolution], rngs: nnx.Rngs
) -> Encoder:
    """An encoder of blocks with the options of config.model.

    Args:
      model: config.model; its normalization is read.
      channels: of the images.
      convolutions: from images to features.
    """
    batch_norm = model.normalization == 'batch'
    inputs = [channels, *(block.channels for block in convolutions)]
    return Encoder(
        [
            ConvReluPool(num_inputs, **block._asdict(), batch_norm=batch_norm, rngs=rngs)
            for num_inputs, block in zip(inputs, convolutions, strict=False)
        ]
    )


def make_main_head(model: Any, widths: Sequence[int], rngs: nnx.Rngs) -> Head | None:
    """The head that learns to compare; None where config.model.head compares without parameters."""
    return Head(widths, rngs) if model.head == 'learned' else None


def three_blocks(widths: Sequence[int]) -> list[Convolution]:
    """The first report's encoder of BasicNet1, AuxNet1 and AuxNet2: 14x14 -> widths[2]."""
    c1, c2, c3 = widths
    return [Convolution(c1, 3, 0, 2), Convolution(c2, 3, 1, 2), Convolution(c3, 2, 1, 3)]


class BasicNet1(PairModel):
    """First report: both images as two channels of one, no digit heads."""

    width_names = ('conv1', 'conv2', 'conv3', 'hidden')
    has_branches = False
    has_digit_heads = False

    def __init__(self, model, num_classes, rngs):
        *channels, hidden = model.widths
        self.encoder = make_encoder(model, 2, three_blocks(channels), rngs)
        self.main_head = Head((channels[-1], hidden, 2), rngs)

    def __call__(self, images, dropout=None):
        return PairOutput(self.main_head(self.encoder(images), dropout))


class TwoBranches(PairModel):
    """An encoder and a digit head for each image, shared or not, and what compares them.

    A model with its main head on the two feature vectors; one that has it on the two digits'
    logits sets `reads_digits`.
    """

    reads_digits: ClassVar[bool] = False

    def make_branches(
        self,
        model: Any,
        num_classes: int,
        convolutions: Sequence[Convolution],
        hidden: Sequence[int],
        num_features: int,
        rngs: nnx.Rngs,
    ) -> None:
        """Makes encoder and digit_head; `hidden` are the widths between features and classes."""
        self.encoder = Branches(
            lambda: make_encoder(model, 1, convolutions, rngs), model.weight_sharing
        )
        self.digit_head = Branches(
            lambda: Head((num_features, *hidden, num_classes), rngs), model.weight_sharing
        )

    def __call__(self, images, dropout=None):
        features = self.encoder(images[:, :1], images[:, 1:])
        digits = self.digit_head(*features, dropout)
        if self.main_head is None:
            return PairOutput(None, *digits)
        read = jnp.concatenate(digits if self.reads_digits else features, axis=1)
        return PairOutput(self.main_head(read, dropout), *digits)


class AuxNet1(TwoBranches):
    """First report: digit heads, and a main head that sees only the two digits' logits."""

    width_names = ('conv1', 'conv2', 'conv3', 'hidden')
    reads_digits = True

    def __init__(self, model, num_classes, rngs):
        *channels, hidden = model.widths
        self.make_branches(
            model, num_classes, three_blocks(channels), (hidden,), channels[-1], rngs
        )
        self.main_head = make_main_head(model, (2 * num_classes, hidden, 2), rngs)


class AuxNet2(TwoBranches):
    """First report: digit heads and a main head side by side on the feature vectors."""

    width_names = ('conv1', 'conv2', 'conv3', 'hidden')

    def __init__(self, model, num_classes, rngs):
        *channels, hidden = model.widths
        self.make_branches(
            model, num_classes, three_blocks(channels), (hidden,), channels[-1], rngs
        )
        self.main_head = make_main_head(model, (2 * channels[-1], hidden, 2), rngs)


class AuxNet3(TwoBranches):
    """First report: AuxNet2 with two convolutions and heads one layer deeper."""

    width_names = ('conv1', 'conv2', 'hidden1', 'hidden2')

    def __init__(self, model, num_classes, rngs):
        c1, c2, *hidden = model.widths
        convolutions = [Convolution(c1, 3, 0, 2), Convolution(c2, 3, 1, 6)]
        self.make_branches(model, num_classes, convolutions, hidden, c2, rngs)
        self.main_head = make_main_head(model, (2 * c2, *hidden, 2), rngs)


class ShallowModel(PairModel):
    """Second report: one hidden layer on the 392 pixels of both images."""

    width_names = ('hidden',)
    has_convolutions = False
    has_branches = False
    has_digit_heads = False
    has_dropout = False

    def __init__(self, model, num_classes, rngs):
        self.main_head = Head((2 * 14 * 14, *model.widths, 2), rngs)

    def __call__(self, images, dropout=None):
        return PairOutput(self.main_head(images.reshape(len(images), -1)))


class DeepModel(TwoBranches):
    """Second report: a digit classifier a branch, then one layer on the two digits' logits."""

    width_names = ('hidden',)
    has_dropout = False

    def __init__(self, model, num_classes, rngs):
        convolutions = [Convolution(32, 3, 0, 2), Convolution(32, 3, 0, 2), Convolution(64, 2)]
        self.make_branches(model, num_classes, convolutions, model.widths, 64, rngs)
        self.main_head = make_main_head(model, (2 * num_classes, 2), rngs)

    def __call__(self, images, dropout=None):
        digits = self.digit_head(*self.encoder(images[:, :1], images[:, 1:]))
        if self.main_head is None:
            return PairOutput(None, *digits)
        return PairOutput(self.main_head(jax.nn.relu(jnp.concatenate(digits, axis=1))), *digits)


class PairNet(TwoBranches):
    """A digit classifier of four convolutions that keeps where things are: 3x3 features.

    The first and the last pool: convolutions see images 14, 6, 6 and 6 wide.
    """

    width_names = ('conv1', 'conv2', 'conv3', 'conv4')
    reads_digits = True

    def __init__(self, model, num_classes, rngs):
        c1, c2, c3, c4 = model.widths
        convolutions = [
            Convolution(c1, 3, 0, 2),
            Convolution(c2, 3, 1),
            Convolution(c3, 3, 1),
            Convolution(c4, 3, 1, 2),
        ]
        self.make_branches(model, num_classes, convolutions, (), 9 * c4, rngs)
        self.main_head = make_main_head(model, (2 * num_classes, 2), rngs)
