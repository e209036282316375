"""Trained networks as files: NAME.safetensors has the arrays, NAME.json beside it the config.

The arrays of seed 3 are `seed_3.params.*` and `seed_3.batch_stats.*`, named as in the Flax state,
and the float32 scalars `seed_3.mean` and `seed_3.std` that standardise its images.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors
from flax import nnx
from safetensors.numpy import save

from pairjax import __version__
from pairjax.config import upgrade, validate
from pairjax.errors import UserError, describe_error, shown
from pairjax.inference.restore import RestoredRuns
from pairjax.models.registry import abstract_model
from pairjax.runtime.plan import Plan, plan_without_images
from pairjax.system import NAME_WRITABLE_FILE, replacing, writing
from pairjax.training.state import RunState, TrainState, Variables
from pairjax.workdir.schema import COUNT, DATA, SIZE, check_shape
from pairjax.workdir.workdir import read_json

SUFFIX = '.safetensors'
FORMAT = 1
# Of the JSON file. `card` is free text for people.
_SCHEMA = {
    'format': SIZE,
    'config': {'name': str},
    'data': DATA,
    'trial': COUNT,
    'seeds': [COUNT],
    'epoch': COUNT,
    'pixel_range': [float],
    'card?': {},
}
_DIGEST = 'digest'


def write_network(restored: RestoredRuns, path: Path, card: dict[str, Any] | None = None) -> None:
    """Writes runs of one trial as two files, each atomically; existing ones are replaced.

    Args:
      restored: the runs.
      path: of the .safetensors file; the .json file is beside it.
      card: what people should know of the network, for the JSON file.

    Raises: UserError where the name is not that of such a file or it cannot be written.
    """
    if path.suffix != SUFFIX:
        raise UserError(f'{path} must be the name of a file that ends in {SUFFIX}')
    trial, seeds = restored.runs[0][0], restored.seeds
    config = trial.config.to_dict()
    config['data']['dir'] = ''  # Where the images were on this machine.
    content = {
        'format': FORMAT,
        'pairjax': __version__,
        'config': config,
        'data': dict(restored.plan.data),
        'trial': trial.index,
        'seeds': seeds,
        'epoch': restored.epoch,
        'pixel_range': list(restored.pixel_range),
        **({'card': card} if card else {}),
    }
    arrays = _named(restored.state.learned.variables, restored.state.mean, restored.state.std)
    # safetensors writes an array's buffer as it lies and reads it as C order.
    tensors = {
        f'seed_{seed}.{name}': np.array(array[place], order='C')
        for place, seed in enumerate(seeds)
        for name, array in arrays.items()
    }
    text = json.dumps(content, indent=1, allow_nan=False) + '\n'
    data = save(tensors, {_DIGEST: _digest(tensors)})
    for file, written in ((path.with_suffix('.json'), text.encode()), (path, data)):
        with writing(file, NAME_WRITABLE_FILE), replacing(file) as out:
            out.write(written)


def read_network(path: Path, seed: int | None = None) -> RestoredRuns:
    """Reads what `write_network` wrote, without pairs and optimizer state.

    Arrays that another program wrote under the same names and shapes are taken as they are.

    Args:
      path: of the .safetensors file.
      seed: the one to read; all by default.

    Raises: UserError where a file is missing, damaged, or does not fit the other one.
    """
    content = _read_content(path)
    config = validate(upgrade(content['config']))
    plan = plan_without_images(config, content['data'])
    trial = plan.trials[0]._replace(index=content['trial'])
    plan = plan._replace(trials=[trial], programs=[[trial]])
    seeds = content['seeds']
    if seed is not None:
        if seed not in seeds:
            raise UserError(f'seed={shown(seed)} is not in {path}, which has the seeds {seeds}')
        seeds = [seed]
    state = _stack(_read_arrays(path), path, plan, seeds)
    num_runs = len(seeds)
    run_state = RunState(
        seed=np.array(seeds, np.int32),
        epoch=np.full(num_runs, content['epoch'], np.int32),
        pairs=None,
        mean=state['mean'],
        std=state['std'],
        learned=TrainState(Variables(state['params'], state['batch_stats']), None),
        failed=np.zeros(num_runs, bool),
    )
    runs = [(trial, seed) for seed in seeds]
    black, white = content['pixel_range']
    return RestoredRuns(path, plan, runs, content['epoch'], run_state, (black, white))


def _read_content(path: Path) -> dict[str, Any]:
    """The JSON file beside a network, checked."""
    beside = path.with_suffix('.json')
    for file in (path, beside):
        if not file.is_file():
            raise UserError(
                f'{file} is missing; a saved network is a {SUFFIX} file with a .json file of the '
                'same name beside it'
            )
    content = read_json(beside, 'save the network again')
    if isinstance(content.get('format'), int) and content['format'] > FORMAT:
        raise UserError(
            f'{beside} has format {shown(content["format"])}, but pairjax {__version__} reads '
            f'formats up to {FORMAT}; install a newer pairjax'
        )
    check_shape(content, _SCHEMA, beside)
    if not content['seeds'] or len(content['pixel_range']) != 2:
        raise UserError(f'{beside} needs at least one seed and two pixel values; save it again')
    return content


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of a .safetensors file, compared with its digest if it has one."""
    try:
        with safetensors.safe_open(path, 'np') as file:
            digest = (file.metadata() or {}).get(_DIGEST)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # Of Rust, and of types that NumPy lacks.
        raise UserError(
            f'{path} cannot be read ({describe_error(error)}); save the network again'
        ) from None
    if digest is not None and digest != _digest(arrays):
        raise UserError(f'{path} is damaged, its arrays do not match their digest; save it again')
    return arrays


def _stack(
    arrays: dict[str, np.ndarray], path: Path, plan: Plan, seeds: list[int]
) -> dict[str, Any]:
    """The arrays of these seeds, float32, stacked into the tree of the plan's model."""
    expected = _expected(plan)
    leaves = []
    for key, leaf in expected.items():
        found = []
        for seed in seeds:
            name = f'seed_{seed}.{key}'
            array = arrays.get(name)
            if array is None or array.shape != leaf.shape or array.dtype.kind != 'f':
                text = 'missing' if array is None else f'{array.dtype} {array.shape}'
                raise UserError(
                    f'{path} does not fit the config beside it: {name} is {text} and should be '
                    f'{leaf.dtype} {leaf.shape}'
                )
            if not np.isfinite(array).all():
                raise UserError(f'{path} holds NaN or infinity in {name}; save another network')
            found.append(array.astype(np.float32))
        leaves.append(np.stack(found))
    return jax.tree.unflatten(jax.tree.structure(_tree(plan)), leaves)


def _tree(plan: Plan) -> dict[str, Any]:
    """Shapes and dtypes of one run's arrays."""
    config = plan.config.model
    model = abstract_model(config, plan.data['num_classes'])
    members = (config.num_members,) if config.num_members > 1 else ()
    variables = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((*members, *leaf.shape), leaf.dtype),
        {'params': nnx.state(model, nnx.Param), 'batch_stats': nnx.state(model, nnx.BatchStat)},
    )
    scalar = jax.ShapeDtypeStruct((), np.float32)
    return {**variables, 'mean': scalar, 'std': scalar}


def _expected(plan: Plan) -> dict[str, Any]:
    return _flat(_tree(plan))


def _named(variables: Variables, mean: Any, std: Any) -> dict[str, np.ndarray]:
    tree = {**variables._asdict(), 'mean': mean, 'std': std}
    return {name: np.asarray(leaf) for name, leaf in _flat(tree).items()}


def _flat(tree: Any) -> dict[str, Any]:
    """Leaves by their path, joined with dots, in the order of the tree."""
    paths, _ = jax.tree.flatten_with_path(tree)
    names = (jax.tree_util.keystr(path, simple=True, separator='.') for path, _ in paths)
    # Flax has the array of a parameter in its attribute `value`.
    return {name.removesuffix('.value'): leaf for name, (_, leaf) in zip(names, paths, strict=True)}


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f'{name} {array.dtype} {array.shape}'.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
