"""What a trained network says of two pictures: restore one trial's runs, ask them in batches."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from pairjax import __version__
from pairjax.config import upgrade, validate
from pairjax.errors import UserError
from pairjax.inference.restore import restore_program
from pairjax.reporting.progress import ProgressDisplay
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.plan import (
    checked_trials,
    group_trials,
    load_config_digits,
    runs_of,
    trials_in_range,
)
from pairjax.runtime.vectorize import compiler_options
from pairjax.system import cache_directory
from pairjax.training.evaluate import predict
from pairjax.training.state import RunState
from pairjax.trials import Trial, trial_name
from pairjax.workdir.workdir import read_config, read_summary

# How a relation of pairs.RELATIONS reads; one that is missing here is shown by its name.
RELATION_WORDS = {
    'less_equal': 'a <= b',
    'less': 'a < b',
    'equal': 'a = b',
    'same_parity': 'a and b are both even or both odd',
}


class Networks(NamedTuple):
    """Trained runs of one trial: one, or several that answer together.

    seeds: of the runs. epoch: after which they were saved. num_classes: of their digits.
    black, white: the values of such pixels in the images that they were trained on. state: host
    arrays with a leading axis over the seeds.
    """

    trial: Trial
    seeds: list[int]
    epoch: int
    num_classes: int
    black: float
    white: float
    state: RunState

    @property
    def question(self) -> str:
        """The relation in words, such as a <= b."""
        relation = self.trial.config.data.relation
        return RELATION_WORDS.get(relation, f'{relation}(a, b)')

    def __str__(self) -> str:
        seeds = f'seed{"s" if len(self.seeds) > 1 else ""} {", ".join(map(str, self.seeds))}'
        name = trial_name({'hyperparameters': self.trial.hyperparameters})
        return f'{name}, trial {self.trial.index}, {seeds}, after epoch {self.epoch}'


class Answers(NamedTuple):
    """What is said of n pairs; several networks' probabilities are averaged.

    holds: (n,) bool, the answer. probability: (n,) that the relation holds. digits_a, digits_b:
    (n, classes) probabilities, or None for a model without digit heads. The probabilities are
    the networks' own and not calibrated.
    """

    holds: np.ndarray
    probability: np.ndarray
    digits_a: np.ndarray | None
    digits_b: np.ndarray | None


def restore_networks(
    workdir: Path, trial: int | None = None, seed: int | None = None, ensemble: bool = False
) -> Networks:
    """Restores what answers: one seed of a trial, or all of its seeds that did not fail.

    Args:
      workdir: what launch/main.py made.
      trial: its number; by default the one that validation accuracy selects.
      seed: by default the first that did not fail.
      ensemble: all seeds that did not fail.

    Raises: UserError where there is no such trained run.
    """
    saved = read_config(workdir)
    config, data = validate(upgrade(saved['config'])), saved['data']
    trials, _ = trials_in_range(config, checked_trials(config), data['num_classes'])
    summary = _summary(workdir)
    index = _selected_trial(workdir, summary, len(trials)) if trial is None else trial
    if not 0 <= index < len(trials):
        raise UserError(f'--trial={index} does not exist; {workdir} has 0 to {len(trials) - 1}')
    programs = group_trials(trials)
    number = next(n for n, program in enumerate(programs) if trials[index] in program)
    runs = runs_of(programs[number], config)
    seeds = [seed for _, seed in runs]
    restored = restore_program(workdir, number, trials[index].structural_config, seeds, data)
    if restored is None:
        raise UserError(
            f'{workdir} holds no checkpoint of trial {index} yet; train first with launch/main.py'
        )
    epoch, state = restored
    places = {s: i for i, (t, s) in enumerate(runs) if t.index == index}
    failed = {s for s, i in places.items() if state.failed[i]}
    failed |= set(summary['trials'][index]['failed_seeds']) if summary else set()
    seeds = _chosen_seeds(workdir, list(places), failed, seed, ensemble)
    chosen = jax.tree.map(lambda leaf: leaf[[places[s] for s in seeds]], state)
    ends = _ends_of_grey(config.data)
    return Networks(trials[index], seeds, epoch, data['num_classes'], *ends, chosen)


def _summary(workdir: Path) -> dict[str, Any] | None:
    return read_summary(workdir) if (workdir / 'summary.json').exists() else None


def _selected_trial(workdir: Path, summary: dict[str, Any] | None, num_trials: int) -> int:
    if summary is not None:
        if summary['selected_trial'] is None:
            raise UserError(f'every run in {workdir} failed; there is no network to ask')
        return summary['selected_trial']
    if num_trials > 1:
        raise UserError(
            f'{workdir} has {num_trials} trials and is not finished, so that none is selected; '
            'name one with --trial'
        )
    return 0


def _chosen_seeds(
    workdir: Path, seeds: list[int], failed: set[int], seed: int | None, ensemble: bool
) -> list[int]:
    good = [s for s in seeds if s not in failed]
    if seed is None:
        if not good:
            raise UserError(f'every seed of that trial in {workdir} failed; name another --trial')
        return good if ensemble else good[:1]
    if ensemble:
        raise UserError(f'--ensemble asks all seeds; leave out --seed={seed}, or --ensemble')
    if seed not in seeds:
        raise UserError(f'--seed={seed} was not trained; {workdir} holds {seeds}')
    if seed in failed:
        raise UserError(f'--seed={seed} failed in training; {workdir} holds {good} that did not')
    return [seed]


def _ends_of_grey(data: Any) -> tuple[float, float]:
    """The values of black and white that a source's images have; only npz brings its own."""
    if data.source != 'npz':
        return 0.0, 255.0
    images = load_config_digits(data).train_images
    return float(images.min()), float(images.max())


class Predictor:
    """Asks networks about any number of pairs, in batches of one size, which compile once."""

    def __init__(self, networks: Networks, batch_size: int):
        """Takes the networks and how many pairs are asked at a time."""
        self.networks, self.batch_size = networks, batch_size
        ask_one = partial(predict, networks.trial.structural_config, networks.num_classes)

        def ask(state, images):
            output = jax.vmap(ask_one, in_axes=(0, None))(state, images)
            return jax.tree.map(lambda logits: jax.nn.softmax(logits).mean(axis=0), output)

        self._ask = jax.jit(ask, compiler_options=compiler_options(batch_size))
        self._state = jax.device_put(networks.state)

    def __call__(self, pictures: np.ndarray) -> Answers:
        """Answers for pictures (n, 2, 14, 14) from 0 (ground) to 255 (ink), n at least 1.

        Raises: UserError where the networks' outputs are not finite.
        """
        networks, num_pairs = self.networks, len(pictures)
        span = np.float32(networks.white - networks.black)
        images = np.float32(networks.black) + np.asarray(pictures, np.float32) * (span / 255)
        images = np.pad(images, ((0, -num_pairs % self.batch_size), (0, 0), (0, 0), (0, 0)))
        batches = images.reshape(-1, self.batch_size, *images.shape[1:])
        asked = [self._ask(self._state, batch) for batch in batches]
        output = jax.tree.map(lambda *parts: np.concatenate(parts)[:num_pairs], *asked)
        main = output.main_logits
        if not np.isfinite(main).all():
            raise UserError(f'{networks} gives answers that are not finite; name another --seed')
        return Answers(
            main[:, 1] > main[:, 0], main[:, 1], output.digit_logits_a, output.digit_logits_b
        )


def picture_words(inverted: bool, digits: np.ndarray | None) -> str:
    """How a picture was taken and what is read in it, from (1, classes) probabilities or None."""
    words = ['dark on light, taken as its negative'] if inverted else []
    if digits is not None:
        digit = digits[0].argmax()
        words.append(f'reads {digit} (probability {digits[0, digit]:.3f})')
    return ', '.join(words) or 'not inverted'


def kept_network(config: Any, display: ProgressDisplay) -> Path:
    """The workdir of a config's network in the cache directory, trained there where it is missing.

    It is named by the version and every field of the config, so that another network is never
    taken for it.

    Args:
      config: as configs/*.py make it.
      display: where it is said, and the progress shown.

    Raises: UserError where it cannot be trained; Interrupted, and the next call goes on.
    """
    fields = validate(config).to_dict()
    key = hashlib.sha256(json.dumps([__version__, fields]).encode()).hexdigest()[:16]
    workdir = cache_directory() / 'networks' / f'{config.name}-{key}'
    if not (workdir / 'summary.json').exists():
        display.on_message(
            f'no --workdir: {config.name} is trained once, with one seed, on the '
            f'{config.data.source} digits, and kept in {workdir}'
        )
        run_experiment(config, workdir, callbacks=[display])
    return workdir
