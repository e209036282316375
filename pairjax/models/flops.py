"""Floating-point operations of a network."""

from typing import Any

from pairjax.models.layers import Branches, Encoder, Head
from pairjax.models.networks import PairModel
from pairjax.models.registry import abstract_model


def layer_flops(model: PairModel) -> list[int]:
    """FLOPs (two per multiply-add) of every layer for one pair, from the first layer on.

    Convolutions count as direct ones, without outputs outside all pooling windows. Layers are in
    the attributes encoder, digit_head and main_head; those that each image passes count twice.
    """
    parts = [getattr(model, name, None) for name in ('encoder', 'digit_head', 'main_head')]
    return [flops for part in parts if part is not None for flops in _part_flops(part)]


def _part_flops(part: Branches | Encoder | Head) -> list[int]:
    if isinstance(part, Branches):
        return [2 * flops for flops in _part_flops(part.module)]
    if isinstance(part, Head):
        return [2 * layer.in_features * layer.out_features for layer in part.layers]
    side, flops = 14, []
    for block in part.blocks:
        size, _, num_inputs, num_outputs = block.kernel.shape
        pooled = (side + 2 * block.padding - size + 1) // block.pool
        flops.append(2 * (pooled * block.pool) ** 2 * size**2 * num_inputs * num_outputs)
        side = pooled
    return flops


def epoch_flops(config: Any, num_classes: int) -> tuple[int, int]:
    """FLOPs of one run: for an epoch of training, and for an evaluation of all sets.

    A training step is three passes (forward, and the gradients of weights and of inputs), less
    the unneeded gradient of the images; an evaluation is one. Only convolutions and dense layers
    count.
    """
    layers = layer_flops(abstract_model(config.model, num_classes))
    data = config.data
    num_evaluated = data.num_train_pairs + data.num_validation_pairs + data.num_test_pairs
    return data.num_train_pairs * (3 * sum(layers) - layers[0]), num_evaluated * sum(layers)
