"""`load`: a trained network that predicts for arrays, and its parameters."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from pairjax.analysis.results import ExperimentResult
from pairjax.data.resize import MIN_SOURCE_SIDE, shrink
from pairjax.errors import UserError, shown
from pairjax.inference.networks import find_networks
from pairjax.inference.predictor import Predictions, Predictor
from pairjax.inference.restore import RestoredRuns
from pairjax.inference.saved_network import write_network
from pairjax.models.networks import PairOutput
from pairjax.training.evaluate import predict as predict_run

BATCH_SIZE = 250


class TrainedNetwork:
    """Trained runs of one trial: one seed, or several whose probabilities are averaged.

    Attributes:
      restored: the runs, with their config and plan.
    """

    def __init__(self, restored: RestoredRuns):
        """Takes runs of one trial."""
        self.restored, self._predictors = restored, {}

    def __repr__(self) -> str:
        return f'<TrainedNetwork: {self.restored}>'

    @property
    def params(self) -> Any:
        """Flax state of the parameters; with several seeds, with a leading axis over them."""
        params = self.restored.state.learned.variables.params
        return params if len(self.restored.runs) > 1 else jax.tree.map(lambda x: x[0], params)

    def apply(self, params: Any, images: jax.Array) -> PairOutput:
        """Logits for raw images (batch, 2, 14, 14); a pure function, for jit, grad and vmap.

        Args:
          params: of one seed, as `params` has them.
          images: pixels on the scale of the images that the network was trained on.
        """
        state = jax.tree.map(lambda x: x[0], self.restored.state)
        learned = state.learned._replace(variables=state.learned.variables._replace(params=params))
        num_classes = self.restored.plan.data['num_classes']
        run = partial(predict_run, self.restored.config, num_classes)
        return run(state.replace(learned=learned), images)

    def save(self, path: Path | str) -> None:
        """Writes the network as NAME.safetensors and, beside it, its config as NAME.json.

        `pairjax.load(path)` reads both; docs/pretrained.md says what is in them.

        Raises: UserError where the name does not end in .safetensors or cannot be written.
        """
        if not isinstance(path, str | Path):
            raise UserError(f'save: path={shown(path)} must be the name of a .safetensors file')
        write_network(self.restored, Path(path))

    def predict(self, images_a: Any, images_b: Any) -> Predictions:
        """Answers, probabilities and digits for n pairs.

        Args:
          images_a, images_b: (n, H, W), or (H, W) for one; 0 is background and 255 ink, as in
            MNIST. They are made square and averaged down to 14x14; to find a digit on a page, use
            launch/predict.py.

        Raises: UserError where arrays are no images, differ in number, or hold other values.
        """
        return self.predict_with_seeds(images_a, images_b)[0]

    def predict_with_seeds(
        self, images_a: Any, images_b: Any
    ) -> tuple[Predictions, list[Predictions]]:
        """`predict`, and what each seed alone predicts, in the order of `restored.seeds`."""
        a, b = (_as_pixels(x, name) for x, name in ((images_a, 'images_a'), (images_b, 'images_b')))
        if len(a) != len(b):
            raise UserError(f'images_a has {len(a)} images and images_b {len(b)}; give pairs')
        size = min(BATCH_SIZE, len(a))
        if size not in self._predictors:
            self._predictors[size] = Predictor(self.restored, size)
        return self._predictors[size].with_seeds(np.stack([a, b], axis=1))


def _as_pixels(images: Any, name: str) -> np.ndarray:
    """Checked images as (n, 14, 14) float32 from 0 to 255."""
    try:
        array = np.asarray(images)
    except ValueError as error:  # Images of several sizes.
        raise UserError(f'{name} must be one array (n, H, W): {error}') from error
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or not array.size or max(array.shape[1:]) < MIN_SOURCE_SIDE:
        raise UserError(
            f'{name} has shape {array.shape}; expected (n, H, W), H or W at least {MIN_SOURCE_SIDE}'
        )
    if array.dtype.kind not in 'uif':
        raise UserError(f'{name} has type {array.dtype}; expected integers or floats')
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high) and low >= 0 and high <= 255):
        raise UserError(
            f'{name} holds values from {shown(low.item())} to {shown(high.item())}; expected 0 '
            '(background) to 255 (ink)'
        )
    height, width = array.shape[1:]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    around = ((0, 0), (top, side - height - top), (left, side - width - left))
    return np.asarray(shrink(np.pad(array, around)), np.float32)


def load(
    source: Any,
    trial: int | None = None,
    seed: int | None = None,
    ensemble: bool = False,
) -> TrainedNetwork:
    """Restores a trained network.

    Args:
      source: 'pairnet', which comes with the package; a file that `TrainedNetwork.save` wrote;
        results of `pairjax.run`; or the path of what launch/main.py made.
      trial: its number in a workdir; by default the one that validation accuracy selects.
      seed: by default the first that did not fail; of a saved file all that are in it.
      ensemble: all seeds that did not fail, their probabilities averaged.

    Raises: UserError where there is no such trained network.
    """
    for name, value in (('trial', trial), ('seed', seed)):
        if value is not None and (isinstance(value, bool) or not hasattr(value, '__index__')):
            raise UserError(f'load: {name}={shown(value)} must be a whole number')
    experiment = getattr(source, 'experiment', None)
    if isinstance(experiment, ExperimentResult):
        source = _workdir_with(experiment, seed, ensemble)
        trial = experiment.selected if trial is None else trial
    if not isinstance(source, str | Path) or not str(source):
        raise UserError(
            f"load: {shown(source)} must be 'pairnet', results of pairjax.run, a workdir or a "
            'saved .safetensors file'
        )
    return TrainedNetwork(find_networks(source, trial, seed, ensemble))


def _workdir_with(experiment: ExperimentResult, seed: int | None, ensemble: bool) -> Path:
    """The workdir of results that holds the seed; their seeds may be in several."""
    if len(experiment.pooled) and ensemble:
        raise UserError(
            'the seeds of an ensemble must be in one workdir, and these are in several: load one '
            'of them by its path'
        )
    holders = [path for path, seeds in experiment.workdirs.items() if seed is None or seed in seeds]
    return next(iter(holders), experiment.workdir)
