"""Decides a pair from the logits of its two digits, without parameters.

The two classes determine whether the relation holds, so a network that is trained on the digits
alone can decide pairs: the reports' auxiliary loss in its pure form.
"""

from typing import Any

import jax
import jax.numpy as jnp

from pairjax.data.pairs import relation_table
from pairjax.models.networks import PairOutput

HEADS = ('learned', 'argmax', 'probability')


def compare_digits(
    head: str, relation: str, digit_logits_a: jax.Array, digit_logits_b: jax.Array
) -> jax.Array:
    """Main logits (batch, 2), of "does not hold" and "holds", from digit logits.

    'probability': log(1 - P) and log P with P = sum of p_a(i) p_b(j) over the (i, j) for which the
    relation holds, exact if the two digits are independent. 'argmax': the same two logits, ordered
    by the relation between the likeliest digits; it has no useful gradient.

    Args:
      head: 'argmax' or 'probability'.
      relation: a name in `pairjax.data.pairs.RELATIONS`.
      digit_logits_a, digit_logits_b: of the two images, (batch, classes).
    """
    table = jnp.asarray(relation_table(relation, digit_logits_a.shape[1]))
    log_a, log_b = jax.nn.log_softmax(digit_logits_a), jax.nn.log_softmax(digit_logits_b)
    both = log_a[:, :, None] + log_b[:, None, :]
    # A sum of logarithms stays exact where P itself would round to 0 or 1.
    logits = [jax.nn.logsumexp(both, axis=(1, 2), where=t) for t in (~table, table)]
    logits = jnp.stack(logits, axis=1)
    if head == 'probability':
        return logits
    holds = table[digit_logits_a.argmax(axis=1), digit_logits_b.argmax(axis=1)]
    low, high = logits.min(axis=1), logits.max(axis=1)
    return jnp.where(holds[:, None], jnp.stack([low, high], 1), jnp.stack([high, low], 1))


def with_main_logits(config: Any, output: PairOutput) -> PairOutput:
    """A model's output, with main logits computed from the digits unless model.head is learned."""
    if config.model.head == 'learned':
        return output
    digits = output.digit_logits_a, output.digit_logits_b
    return output._replace(
        main_logits=compare_digits(config.model.head, config.data.relation, *digits)
    )
