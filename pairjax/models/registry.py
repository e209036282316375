"""The model registry: builds a model from config.model, checks its options, counts parameters."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from pairjax.errors import UserError, unknown_name
from pairjax.models.decision import HEADS
from pairjax.models.networks import (
    AuxNet1,
    AuxNet2,
    AuxNet3,
    BasicNet1,
    DeepModel,
    PairModel,
    PairNet,
    PairOutput,
    ShallowModel,
)

NORMALIZATIONS = ('none', 'batch')
MODELS: dict[str, type[PairModel]] = {
    cls.__name__: cls
    for cls in (BasicNet1, AuxNet1, AuxNet2, AuxNet3, ShallowModel, DeepModel, PairNet)
}


def check_model_config(config: Any) -> None:
    """Raises UserError if config.model or config.loss sets an option the model does not support."""
    model, name = config.model, config.model.name
    if name not in MODELS:
        raise unknown_name('model.name', name, MODELS)
    cls = MODELS[name]
    if len(model.widths) != len(cls.width_names):
        names = [', '.join(cls.width_names)] if cls.width_names else []
        raise UserError(
            f'model.widths={tuple(model.widths)} has {len(model.widths)} entries; '
            f'{name} takes {": ".join([str(len(cls.width_names)), *names])}'
        )
    if not cls.has_branches and not model.weight_sharing:
        raise UserError(
            f'model.weight_sharing=False does not apply to {name}, which has no second '
            'branch; set it to True'
        )
    if not cls.has_digit_heads and config.loss.aux_weight != 0:
        raise UserError(
            f'loss.aux_weight={config.loss.aux_weight} needs digit heads, which {name} '
            'does not have; set it to 0'
        )
    _check_options(model, cls)
    if model.head == 'argmax' and config.loss.main_weight != 0:
        raise UserError(
            f'loss.main_weight={config.loss.main_weight} cannot train model.head=argmax, whose '
            'output has no gradient; set it to 0 or use model.head=probability'
        )
    if not cls.has_dropout and model.dropout_rate != 0:
        raise UserError(
            f'model.dropout_rate={model.dropout_rate} does not apply to {name}, which '
            'has no dropout; set it to 0'
        )


def _check_options(model: Any, cls: type[PairModel]) -> None:
    """Checks the options of convolutions and digit heads; see `check_model_config`."""
    if model.normalization not in NORMALIZATIONS:
        raise unknown_name('model.normalization', model.normalization, NORMALIZATIONS)
    if model.head not in HEADS:
        raise unknown_name('model.head', model.head, HEADS)
    if model.normalization != 'none' and not cls.has_convolutions:
        raise UserError(
            f'model.normalization={model.normalization} does not apply to {model.name}, which has '
            "no convolutions; set it to 'none'"
        )
    if model.head != 'learned' and not cls.has_digit_heads:
        raise UserError(
            f'model.head={model.head} needs digit heads, which {model.name} does not have; set '
            "it to 'learned'"
        )


def build_model(model: Any, num_classes: int, rngs: nnx.Rngs) -> PairModel:
    """Builds the model that config.model describes, with parameters initialised from rngs."""
    return MODELS[model.name](model, num_classes, rngs)


class _NoKeys:
    """Replaces nnx.Rngs where only shapes matter, since drawing takes most of the time."""

    def params(self) -> None:
        return None


def abstract_model(model: Any, num_classes: int) -> PairModel:
    """The network that config.model describes with shapes and dtypes instead of parameters."""
    if MODELS[model.name].__module__ == PairModel.__module__:
        return build_model(model, num_classes, _NoKeys())
    # Layers of others draw with the keys that they are given.
    return nnx.eval_shape(lambda: build_model(model, num_classes, nnx.Rngs(params=0)))


def check_output(model: Any, num_classes: int) -> None:
    """Raises UserError where a class of others returns something else than its attributes say."""
    cls, batch = MODELS[model.name], 3
    if cls.__module__ == PairModel.__module__:
        return
    output = jax.eval_shape(
        lambda images: build_model(model, num_classes, nnx.Rngs(params=0))(images),
        jax.ShapeDtypeStruct((batch, 2, 14, 14), jnp.float32),
    )
    if not isinstance(output, PairOutput):
        raise UserError(f'model={model.name}: its __call__ must return a PairOutput')
    digits = (batch, num_classes) if cls.has_digit_heads else None
    main = (batch, 2) if model.head == 'learned' else None
    for name, shape in zip(PairOutput._fields, (main, digits, digits), strict=True):
        leaf = getattr(output, name)
        found = None if leaf is None else leaf.shape
        if found != shape and not (name == 'main_logits' and shape is None):
            raise UserError(
                f'model={model.name}: for {batch} pairs and {num_classes} classes its {name} must '
                f'have shape {shape}, not {found} (has_digit_heads={cls.has_digit_heads})'
            )


def count_params(model: Any, num_classes: int) -> int:
    """The number of parameters of all networks of a run; draws none of them."""
    params = nnx.state(abstract_model(model, num_classes), nnx.Param)
    return model.num_members * sum(leaf.size for leaf in jax.tree.leaves(params))
