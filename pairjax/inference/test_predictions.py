"""Asks the trained networks of a workdir about their own test pairs."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pairjax.analysis.error_analysis import Answers, DigitPredictions
from pairjax.config import upgrade, validate
from pairjax.data.pairs import Pools, make_pools, pair_targets
from pairjax.errors import UserError
from pairjax.inference.evaluate_workdir import ask_runs, own_digits
from pairjax.inference.restore import restore_program
from pairjax.runtime.plan import checked_trials, group_trials, runs_of, trials_in_range
from pairjax.training import evaluate
from pairjax.training.state import RunState
from pairjax.workdir.workdir import checkpoint_directory, read_config


def ask_trial(workdir: Path, index: int, seeds: Sequence[int]) -> Answers:
    """Restores runs of one trial and asks them about the test pairs that they drew.

    Args:
      workdir: what launch/main.py made.
      index: of the trial.
      seeds: of the runs, which must not have failed.

    Raises: UserError where digits or checkpoints are gone, damaged or others; nothing is fetched.
    """
    saved = read_config(workdir)
    config = validate({**upgrade(saved['config']), 'data.download': False})
    trained_on = saved['data']
    digits = own_digits(config, trained_on)
    trials, _ = trials_in_range(config, checked_trials(config), trained_on['num_classes'])
    number, program = next(
        (number, program)
        for number, program in enumerate(group_trials(trials))
        if any(trial.index == index for trial in program)
    )
    runs, structure = runs_of(program, config), trials[index].structural_config
    restored = restore_program(workdir, number, structure, [seed for _, seed in runs], trained_on)
    if restored is None:
        raise UserError(f'{checkpoint_directory(workdir, number)} holds no checkpoint')
    epoch, state = restored
    # Other trials of the program are left on the host.
    wanted = [i for i, (trial, seed) in enumerate(runs) if trial.index == index and seed in seeds]
    state = jax.tree.map(lambda leaf: leaf[wanted], state)
    question = partial(_ask_about_test_pairs, structure)
    reply = ask_runs(question, make_pools(digits), state, len(wanted), config.runs.per_batch)
    return Answers(
        seeds=[runs[i][1] for i in wanted],
        epoch=epoch,
        relation=structure.data.relation,
        num_classes=digits.num_classes,
        images=digits.test_images,
        pairs=state.pairs.test - len(digits.train_labels),
        classes=reply.classes,
        targets=reply.targets,
        log_odds=reply.log_odds,
        readings=reply.readings,
    )


class _Reply(NamedTuple):
    classes: jax.Array
    targets: jax.Array
    log_odds: jax.Array
    readings: DigitPredictions | None


def _ask_about_test_pairs(config: Any, pools: Pools, state: RunState) -> _Reply:
    def ask(indices):
        classes = pools.labels[indices]
        output = evaluate.predict(config, pools.num_classes, state, pools.images[indices])
        logits = output.main_logits
        targets = pair_targets(config.data.relation, classes) == 1
        return _Reply(classes, targets, logits[:, 1] - logits[:, 0], _read(output, classes))

    # In batches as evaluation has them: the memory of one, and the same answers.
    pairs, size = state.pairs.test, evaluate.EVALUATION_BATCH_SIZE
    padded = jnp.pad(pairs, ((0, -len(pairs) % size), (0, 0)))
    reply = jax.lax.map(ask, padded.reshape(-1, size, 2))
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[: len(pairs)], reply)


def _read(output: Any, classes: jax.Array) -> DigitPredictions | None:
    if output.digit_logits_a is None:
        return None
    logits = jnp.stack([output.digit_logits_a, output.digit_logits_b], axis=1)
    probabilities, read = jax.nn.softmax(logits), logits.argmax(axis=2)

    def probability_of(which):
        return jnp.take_along_axis(probabilities, which[..., None], axis=2)[..., 0]

    return DigitPredictions(read, probability_of(read), probability_of(classes))
