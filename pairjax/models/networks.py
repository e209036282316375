"""The models of the two EPFL papers, and PairNet.

Every model takes standardised images (batch, 2, 14, 14) and returns a
`PairOutput`. To add one, write a subclass of `PairModel` and list it in
`MODELS` of registry.py.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from pairjax.models.layers import Branches, ConvReluPool, Dropout, Encoder, Head


class PairOutput(NamedTuple):
    """A model's logits for a batch of pairs, float32.

    main_logits: (batch, 2), class 1 where the relation holds; None without a main head.
    digit_logits_a, digit_logits_b: (batch, classes), of the first and the second image of each
    pair; None without digit heads.
    """

    main_logits: jax.Array | None
    digit_logits_a: jax.Array | None = None
    digit_logits_b: jax.Array | None = None


class PairModel(nnx.Module):
    """Base class of all models; class attributes name the widths and say which options apply."""

    width_names: ClassVar[tuple[str, ...]] = ()
    has_convolutions: ClassVar[bool] = True
    has_branches: ClassVar[bool] = True
    has_digit_heads: ClassVar[bool] = True
    has_dropout: ClassVar[bool] = True

    def __init__(self, model: Any, num_classes: int, rngs: nnx.Rngs):
        """Takes config.model, the number of digit classes and the rngs of the parameters."""
        raise NotImplementedError

    def __call__(self, images: jax.Array, dropout: Dropout | None = None) -> PairOutput:
        """Takes standardised images (batch, 2, 14, 14) float32, and dropout in training only."""
        raise NotImplementedError


class Convolution(NamedTuple):
    """Arguments of one `ConvReluPool`: output channels, and kernel, padding and pool sizes."""

    channels: int
    kernel_size: int
    padding: int = 0
    pool: int = 1


def make_encoder(
    model: Any, channels: int, convolutions: Sequence[Convolution], rngs: nnx.Rngs
) -> Encoder:
    """Builds an encoder, with batch normalisation if config.model asks for it.

    Args:
      model: config.model, of which only `normalization` is used.
      channels: number of image channels.
      convolutions: the blocks, first to last.
      rngs: random streams for the initial parameters.
    """
    batch_norm = model.normalization == 'batch'
    inputs = [channels, *(block.channels for block in convolutions)]
    return Encoder(
        [
            ConvReluPool(num_inputs, **block._asdict(), batch_norm=batch_norm, rngs=rngs)
            for num_inputs, block in zip(inputs, convolutions, strict=False)
        ]
    )


def three_blocks(widths: Sequence[int]) -> list[Convolution]:
    """The encoder of BasicNet1, AuxNet1 and AuxNet2: (14, 14) images -> (widths[2],) features."""
    c1, c2, c3 = widths
    return [Convolution(c1, 3, 0, 2), Convolution(c2, 3, 1, 2), Convolution(c3, 2, 1, 3)]


class BasicNet1(PairModel):
    """Paper 1: the two images as the two channels of one CNN, no digit heads."""

    width_names = ('conv1', 'conv2', 'conv3', 'hidden')
    has_branches = False
    has_digit_heads = False

    def __init__(self, model, num_classes, rngs):
        *channels, hidden = model.widths
        self.encoder = make_encoder(model, 2, three_blocks(channels), rngs)
        self.main_head = Head((channels[-1], hidden, 2), rngs)

    def __call__(self, images, dropout=None):
        return PairOutput(self.main_head(self.encoder(images), dropout))


class TwoBranchModel(PairModel):
    """An encoder and a digit head per image, with shared weights or not, and a main head.

    A subclass defines the layers of a branch in `branch_layers`. The main head takes both feature
    vectors or, with `reads_digits`, the logits of both digit heads.
    """

    reads_digits: ClassVar[bool] = False
    # Whether the main head has hidden layers, of the same widths as the digit heads.
    has_hidden_main_layers: ClassVar[bool] = True

    def branch_layers(self, widths: Sequence[int]) -> tuple[list[Convolution], Sequence[int], int]:
        """Returns encoder blocks, hidden widths of the heads, and the number of features."""
        raise NotImplementedError

    def __init__(self, model, num_classes, rngs):
        convolutions, hidden, num_features = self.branch_layers(model.widths)
        self.encoder = Branches(
            lambda: make_encoder(model, 1, convolutions, rngs), model.weight_sharing
        )
        self.digit_head = Branches(
            lambda: Head((num_features, *hidden, num_classes), rngs), model.weight_sharing
        )
        num_inputs = 2 * (num_classes if self.reads_digits else num_features)
        main_hidden = hidden if self.has_hidden_main_layers else ()
        # The other values of config.model.head decide from the digit logits, without parameters.
        learned = model.head == 'learned'
        self.main_head = Head((num_inputs, *main_hidden, 2), rngs) if learned else None

    def __call__(self, images, dropout=None):
        features = self.encoder(images[:, :1], images[:, 1:])
        digits = self.digit_head(*features, dropout)
        if self.main_head is None:
            return PairOutput(None, *digits)
        inputs = jnp.concatenate(digits if self.reads_digits else features, axis=1)
        return PairOutput(self.main_head(inputs, dropout), *digits)


class AuxNet2(TwoBranchModel):
    """Paper 1: digit heads and a main head, all on the feature vectors."""

    width_names = ('conv1', 'conv2', 'conv3', 'hidden')

    def branch_layers(self, widths):
        *channels, hidden = widths
        return three_blocks(channels), (hidden,), channels[-1]


class AuxNet1(AuxNet2):
    """Paper 1: AuxNet2 with the main head on the digit logits instead of the features."""

    reads_digits = True


class AuxNet3(TwoBranchModel):
    """Paper 1: AuxNet2 with two convolutions and one more hidden layer in each head."""

    width_names = ('conv1', 'conv2', 'hidden1', 'hidden2')

    def branch_layers(self, widths):
        c1, c2, *hidden = widths
        return [Convolution(c1, 3, 0, 2), Convolution(c2, 3, 1, 6)], hidden, c2


class ShallowModel(PairModel):
    """Paper 2: one hidden layer on the 392 pixels of both images."""

    width_names = ('hidden',)
    has_convolutions = False
    has_branches = False
    has_digit_heads = False
    has_dropout = False

    def __init__(self, model, num_classes, rngs):
        self.main_head = Head((2 * 14 * 14, *model.widths, 2), rngs)

    def __call__(self, images, dropout=None):
        return PairOutput(self.main_head(images.reshape(len(images), -1)))


class DeepModel(TwoBranchModel):
    """Paper 2: a digit classifier per branch, then ReLU and one dense layer on both logits."""

    width_names = ('hidden',)
    has_dropout = False
    reads_digits = True
    has_hidden_main_layers = False

    def branch_layers(self, widths):
        return [Convolution(32, 3, 0, 2), Convolution(32, 3, 0, 2), Convolution(64, 2)], widths, 64

    def __call__(self, images, dropout=None):
        digits = self.digit_head(*self.encoder(images[:, :1], images[:, 1:]))
        if self.main_head is None:
            return PairOutput(None, *digits)
        return PairOutput(self.main_head(jax.nn.relu(jnp.concatenate(digits, axis=1))), *digits)


class PairNet(TwoBranchModel):
    """Digit classifiers of four 3x3 convolutions and one dense layer, on 3x3 feature maps."""

    width_names = ('conv1', 'conv2', 'conv3', 'conv4')
    reads_digits = True

    def branch_layers(self, widths):
        c1, c2, c3, c4 = widths
        convolutions = [
            Convolution(c1, 3, 0, 2),
            Convolution(c2, 3, 1),
            Convolution(c3, 3, 1),
            Convolution(c4, 3, 1, 2),
        ]
        return convolutions, (), 9 * c4
