"""Predictions for pairs of images: which runs of a workdir predict, and in batches."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from pairjax import __version__
from pairjax.analysis.results import ExperimentResult, read_experiment
from pairjax.config import validate
from pairjax.errors import UserError
from pairjax.inference.restore import RestoredRuns, restore_trial
from pairjax.reporting.progress import ProgressDisplay
from pairjax.runtime.experiment import run_experiment
from pairjax.runtime.plan import load_config_digits, read_plan
from pairjax.runtime.vectorize import compiler_options
from pairjax.system import cache_directory
from pairjax.training.evaluate import predict


class Predictions(NamedTuple):
    """Predictions for n pairs; an ensemble's probabilities are averaged. None is calibrated.

    Attributes:
      holds: (n,) bool, whether the relation is predicted to hold.
      probability: (n,) that it holds.
      digits_a, digits_b: (n, classes) probabilities; None for a model without digit heads.
    """

    holds: np.ndarray
    probability: np.ndarray
    digits_a: np.ndarray | None
    digits_b: np.ndarray | None


def restore_runs(
    workdir: Path, trial: int | None = None, seed: int | None = None, ensemble: bool = False
) -> RestoredRuns:
    """Restores one seed of a trial, or all of its seeds that did not fail.

    Args:
      workdir: what launch/main.py made.
      trial: its number; by default the one that validation accuracy selects.
      seed: by default the first that did not fail.
      ensemble: all seeds that did not fail.

    Raises: UserError where there is no such trained run.
    """
    plan = read_plan(workdir)
    num_trials = len(plan.trials)
    finished = read_experiment(workdir) if (workdir / 'summary.json').exists() else None
    index = _selected_trial(workdir, finished, num_trials) if trial is None else trial
    if not 0 <= index < num_trials:
        raise UserError(f'--trial={index} does not exist; {workdir} has 0 to {num_trials - 1}')
    restored = restore_trial(plan, workdir, index)
    failed = {s for s, bad in zip(restored.seeds, restored.state.failed, strict=True) if bad}
    failed |= set(finished.trials[index].failed_seeds) if finished else set()
    seeds = _selected_seeds(workdir, restored.seeds, failed, seed, ensemble)
    return restored.select(lambda _, seed: seed in seeds)


def _selected_trial(workdir: Path, finished: ExperimentResult | None, num_trials: int) -> int:
    if finished is not None:
        if finished.selected is None:
            raise UserError(f'every run in {workdir} failed; no network can predict')
        return finished.selected
    if num_trials > 1:
        raise UserError(
            f'{workdir} has {num_trials} trials and its training is not finished, so none is '
            'selected; name one with --trial'
        )
    return 0


def _selected_seeds(
    workdir: Path, seeds: list[int], failed: set[int], seed: int | None, ensemble: bool
) -> list[int]:
    good = [s for s in seeds if s not in failed]
    if seed is None:
        if not good:
            raise UserError(f'every seed of that trial in {workdir} failed; name another --trial')
        return good if ensemble else good[:1]
    if ensemble:
        raise UserError(f'--ensemble takes all seeds; leave out --seed={seed}, or --ensemble')
    if seed not in seeds:
        raise UserError(f'--seed={seed} was not trained; {workdir} has the seeds {seeds}')
    if seed in failed:
        raise UserError(f'--seed={seed} failed in training; of {workdir} {good} did not')
    return [seed]


def _pixel_range(restored: RestoredRuns) -> tuple[float, float]:
    """The values of black and white in the images that networks were trained on."""
    described, data = restored.plan.data, restored.config.data
    if 'black' in described and 'white' in described:
        return described['black'], described['white']
    # Version 0.3.0 did not write them, and only npz had another scale than bytes.
    return load_config_digits(data).pixel_range if data.source == 'npz' else (0.0, 255.0)


class Predictor:
    """Predicts for any number of pairs, in batches of one size, which compile once."""

    def __init__(self, restored: RestoredRuns, batch_size: int):
        """Takes runs of one trial, an ensemble if several, and the number of pairs in a batch.

        Raises: UserError where the range of pixel values is that of images that are gone.
        """
        self.restored, self.batch_size = restored, batch_size
        self.class_names = restored.class_names
        self._black, self._white = _pixel_range(restored)
        predict_one = partial(predict, restored.config, restored.plan.data['num_classes'])

        def predict_mean(state, images):
            output = jax.vmap(predict_one, in_axes=(0, None))(state, images)
            return jax.tree.map(lambda logits: jax.nn.softmax(logits).mean(axis=0), output)

        self._predict = jax.jit(predict_mean, compiler_options=compiler_options(batch_size))
        self._state = jax.device_put(restored.state)

    def __call__(self, pixels: np.ndarray) -> Predictions:
        """Predictions for pixels (n, 2, 14, 14) from 0 (background) to 255 (ink), n at least 1.

        Raises: UserError where the networks' outputs are not finite.
        """
        num_pairs, span = len(pixels), np.float32(self._white - self._black)
        images = np.float32(self._black) + np.asarray(pixels, np.float32) * (span / 255)
        images = np.pad(images, ((0, -num_pairs % self.batch_size), (0, 0), (0, 0), (0, 0)))
        batches = images.reshape(-1, self.batch_size, *images.shape[1:])
        outputs = [self._predict(self._state, batch) for batch in batches]
        output = jax.tree.map(lambda *parts: np.concatenate(parts)[:num_pairs], *outputs)
        main = output.main_logits  # Probabilities by now.
        if not np.isfinite(main).all():
            raise UserError(f'{self.restored} predicts NaN or infinity; name another --seed')
        return Predictions(
            main[:, 1] > main[:, 0], main[:, 1], output.digit_logits_a, output.digit_logits_b
        )


def default_network(config: Any, display: ProgressDisplay) -> Path:
    """The workdir of a config's network in the cache directory; trains it where it is missing.

    The version and every field of the config are in its name, so that another network is never
    taken for it.

    Args:
      config: as configs/*.py make it.
      display: shows a note and the progress of training.

    Raises: UserError where it cannot be trained; Interrupted, after which the next call resumes.
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
