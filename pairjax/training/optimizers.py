"""The optax optimizer of one run: learning rate and weight decay traced, the rest static."""

from typing import Any

import jax
import optax

from pairjax.config import FIELDS
from pairjax.errors import UserError, unknown_name
from pairjax.trials import TracedHyperparameters

# By name, the fields that it reads beside the learning rate and its schedule.
OPTIMIZERS = {'adam': {'b2'}, 'adamw': {'b2', 'weight_decay'}, 'sgd': {'momentum'}}
SCHEDULES = ('constant', 'warmup_cosine')


def check_optimizer_config(optimizer: Any) -> None:
    """Raises UserError where config.optimizer has an unknown name or sets an unused field."""
    if optimizer.name not in OPTIMIZERS:
        raise unknown_name('optimizer.name', optimizer.name, OPTIMIZERS)
    if optimizer.schedule not in SCHEDULES:
        raise unknown_name('optimizer.schedule', optimizer.schedule, SCHEDULES)
    for field in ('weight_decay', 'b2', 'momentum'):
        value, default = optimizer[field], FIELDS[f'optimizer.{field}'].default
        if value != default and field not in OPTIMIZERS[optimizer.name]:
            users = ' or '.join(name for name, fields in OPTIMIZERS.items() if field in fields)
            raise UserError(
                f'optimizer.{field}={value} is not used by {optimizer.name}; set it to {default:g} '
                f'or take optimizer.name={users}'
            )
    if optimizer.schedule == 'constant' and optimizer.warmup != 0:
        raise UserError(
            f'optimizer.warmup={optimizer.warmup} is not used by a constant rate; set it to 0 or '
            'take optimizer.schedule=warmup_cosine'
        )


def make_tx(
    optimizer: Any, hyperparameters: TracedHyperparameters, num_steps: int
) -> optax.GradientTransformation:
    """The optimizer that config.optimizer describes.

    With adamw, weights decay, biases and the parameters of normalisation do not (I. Loshchilov and
    F. Hutter, "Decoupled Weight Decay Regularization", 2019). sgd is `torch.optim.SGD`: v becomes
    momentum v + gradient, and the step is -rate v.

    Args:
      optimizer: config.optimizer; its floats are traced where `hyperparameters` has them.
      hyperparameters: learning rate and weight decay are read.
      num_steps: of the whole run; a schedule ends there at 0.
    """
    rate = hyperparameters.learning_rate
    if optimizer.schedule == 'warmup_cosine':
        shape = optax.warmup_cosine_decay_schedule(
            0.0, 1.0, min(round(optimizer.warmup * num_steps), num_steps - 1), num_steps
        )

        def rate(step):
            return hyperparameters.learning_rate * shape(step)

    if optimizer.name == 'sgd':
        return optax.sgd(rate, momentum=optimizer.momentum or None)
    if optimizer.name == 'adam':
        return optax.adam(rate, b2=optimizer.b2)
    return optax.adamw(
        rate, b2=optimizer.b2, weight_decay=hyperparameters.weight_decay, mask=_is_weight
    )


def _is_weight(params: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, params)
