"""Checkpoints of stacked runs: bitwise, in a fresh process, and after an interruption."""

import os
import shutil
import subprocess
import sys
import tracemalloc
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from orbax.checkpoint import v1 as ocp

from pairjax.config import default_config
from pairjax.data.pairs import Pools
from pairjax.errors import UserError
from pairjax.training import train_step
from pairjax.trials import traced_hyperparameters
from pairjax.workdir import checkpoints as checkpoints_module
from pairjax.workdir.checkpoints import Checkpoints, _flatten

TESTS = Path(__file__).resolve().parent
NUM_RUNS = 2
# Restores what the parent saved, hands it back as plain bytes, and dies in the middle of a save
# of its own: at the renaming that would have made it good.
CHILD = """
import os, sys
import test_checkpoints as t
checkpoints = t.Checkpoints(sys.argv[1], max_to_keep=2)
state = checkpoints.restore(t.abstract_state())
with open(sys.argv[2], 'wb') as file:
    file.write(t.bytes_of(state))
os.rename = os.replace = lambda *a, **k: os._exit(9)
checkpoints.save(2, t.random_state(2), {})
"""


def abstract_state():
    """The shapes of a tiny AuxNet2's stacked RunState: nnx and optax trees, ints and bools."""
    config = default_config()
    config.model.widths = (2, 3, 2, 4)
    config.data.num_train_pairs = config.data.num_validation_pairs = config.data.num_test_pairs = 3
    pools = Pools(
        jax.ShapeDtypeStruct((50, 14, 14), jnp.float32),
        jax.ShapeDtypeStruct((50,), jnp.int32),
        30,
        10,
    )
    hyper = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((NUM_RUNS,), x.dtype), traced_hyperparameters(config)
    )
    init = jax.vmap(partial(train_step.init_state, config), in_axes=(None, 0, 0))
    return jax.eval_shape(init, pools, jax.ShapeDtypeStruct((NUM_RUNS,), jnp.int32), hyper)


def random_state(seed):
    """A state of random bits, so that also -0, not-a-number and denormal numbers occur."""
    rng = np.random.default_rng(seed)

    def fill(leaf):
        if leaf.dtype == bool:
            return np.array([True, False])
        return rng.integers(0, 256, (*leaf.shape, leaf.dtype.itemsize), np.uint8).view(leaf.dtype)[
            ..., 0
        ]

    return jax.tree.map(fill, abstract_state())


def bytes_of(state):
    """Everything that makes a state what it is: names, shapes, types and bits."""
    parts = []
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        parts += [f'{jax.tree_util.keystr(path)} {leaf.shape} {leaf.dtype} '.encode()]
        parts += [np.asarray(leaf).tobytes()]
    return b''.join(parts)


def saved(directory, epochs=(1,), max_to_keep=1):
    """The directory, with random_state(epoch) saved for each epoch."""
    checkpoints = Checkpoints(directory, max_to_keep)
    for epoch in epochs:
        checkpoints.save(epoch, random_state(epoch), {'seeds': [0, 1], 'epoch': epoch})
    return directory


def save_as_version_1(directory, epoch, state, **others):
    """As earlier versions of pairjax did in one process."""
    with ocp.training.Checkpointer(directory) as checkpointer:
        arrays = {**_flatten(state), **others}
        checkpointer.save(epoch, arrays, custom_metadata={'description': '{}'})


def restored(directory, expected=None):
    checkpoints = Checkpoints(directory, max_to_keep=9)
    return checkpoints.restore(expected or abstract_state())


def refusal_of(directory, expected=None):
    with pytest.raises(UserError) as caught:
        restored(directory, expected)
    assert '\n' not in str(caught.value)
    assert str(directory) in str(caught.value)
    return str(caught.value)


def test_the_state_that_is_tested_has_what_a_run_has():
    kinds = {leaf.dtype.name for leaf in jax.tree.leaves(abstract_state())}
    assert kinds == {'float32', 'int32', 'bool'}
    assert len(jax.tree.leaves(abstract_state())) > 20


def test_a_state_comes_back_bitwise_as_host_arrays(tmp_path):
    state = restored(saved(tmp_path))
    assert bytes_of(state) == bytes_of(random_state(1))
    assert jax.tree.structure(state) == jax.tree.structure(abstract_state())
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(state))


def test_nothing_is_saved_at_first(tmp_path):
    checkpoints = Checkpoints(tmp_path / 'new')
    assert checkpoints.latest_epoch is None


@pytest.mark.parametrize(('keep', 'left'), [(1, ['11']), (2, ['11', '9']), (5, ['11', '2', '9'])])
def test_the_newest_are_kept(tmp_path, keep, left):
    directory = saved(tmp_path, epochs=(2, 9, 11), max_to_keep=keep)
    # By number: as text, 9 would come after 11.
    assert sorted(path.name for path in directory.iterdir()) == left
    checkpoints = Checkpoints(directory, keep)
    assert checkpoints.latest_epoch == 11
    assert bytes_of(checkpoints.restore(abstract_state())) == bytes_of(random_state(11))


def test_saving_an_epoch_again_replaces_it(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(3, random_state(1), {})
    checkpoints.save(3, random_state(2), {})
    assert bytes_of(checkpoints.restore(abstract_state())) == bytes_of(random_state(2))


def test_whoever_finds_a_checkpoint_alone_reads_what_it_is_of(tmp_path):
    saved(tmp_path)
    metadata = ocp.metadata(tmp_path / '1').custom_metadata
    assert metadata == {'description': '{"seeds": [0, 1], "epoch": 1}'}


# ------------------------------------------------------------ processes that come and go


@pytest.fixture(scope='module')
def interrupted(tmp_path_factory):
    """A directory in which another process died while saving epoch 2, and what that one read."""
    directory = saved(tmp_path_factory.mktemp('checkpoints'))
    answer = tmp_path_factory.mktemp('answer') / 'bytes'
    process = subprocess.run(
        [sys.executable, '-c', CHILD, directory, answer],
        env=os.environ | {'PYTHONPATH': os.pathsep.join([str(TESTS), str(TESTS.parents[1])])},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 9, process.stderr
    return directory, answer


def test_a_fresh_process_restores_the_same_bits(interrupted):
    assert interrupted[1].read_bytes() == bytes_of(random_state(1))


def test_a_save_that_was_interrupted_leaves_the_earlier_state(interrupted, tmp_path):
    directory = tmp_path / 'copy'
    shutil.copytree(interrupted[0], directory)
    assert len(list(directory.iterdir())) == 2  # Epoch 1, and something half done.
    checkpoints = Checkpoints(directory, max_to_keep=2)
    assert checkpoints.latest_epoch == 1
    assert bytes_of(checkpoints.restore(abstract_state())) == bytes_of(random_state(1))
    checkpoints.save(2, random_state(2), {})
    assert checkpoints.latest_epoch == 2
    assert bytes_of(checkpoints.restore(abstract_state())) == bytes_of(random_state(2))
    assert sorted(path.name for path in directory.iterdir()) == ['1', '2']


# --------------------------------------------------------------------- what does not fit


def change(state, leaf):
    """The state with another leaf in place of the epoch."""
    return state.replace(epoch=leaf)


def test_another_shape_is_named_with_its_leaf(tmp_path):
    other = change(abstract_state(), jax.ShapeDtypeStruct((3,), jnp.int32))
    message = refusal_of(saved(tmp_path), other)
    assert 'epoch is int32[2] in the checkpoint but int32[3] in the model' in message


def test_another_type_is_named_with_its_leaf(tmp_path):
    other = change(abstract_state(), jax.ShapeDtypeStruct((2,), jnp.float32))
    message = refusal_of(saved(tmp_path), other)
    assert 'epoch is int32[2] in the checkpoint but float32[2] in the model' in message


def test_a_leaf_that_is_missing_or_too_many_is_named(tmp_path):
    more = change(abstract_state(), {'more': jax.ShapeDtypeStruct((2,), jnp.int32)})
    message = refusal_of(saved(tmp_path), more)
    assert 'epoch is int32[2] in the checkpoint but absent in the model' in message
    without = change(abstract_state(), None)
    assert 'epoch is int32[2] in the checkpoint but absent in the model' in refusal_of(
        tmp_path, without
    )
    checkpoints = Checkpoints(tmp_path / 'less')
    checkpoints.save(1, change(random_state(1), None), {})
    assert 'epoch is absent in the checkpoint but int32[2] in' in refusal_of(tmp_path / 'less')


def test_arrays_of_earlier_versions_are_restored_under_their_names_now(tmp_path):
    state = random_state(1)
    arrays = _flatten(state)
    arrays['deviation'] = arrays.pop('std')
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, arrays, {})
    assert bytes_of(checkpoints.restore(abstract_state())) == bytes_of(state)


def test_widths_of_another_model_are_refused_by_the_parameters_path(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    state = random_state(1)
    path, leaf = jax.tree_util.tree_leaves_with_path(state.learned.variables.params)[0]
    wider = np.zeros((*leaf.shape[:-1], leaf.shape[-1] + 1), leaf.dtype)
    leaves, structure = jax.tree.flatten(state.learned.variables.params)
    wider_params = structure.unflatten([wider, *leaves[1:]])
    variables = state.learned.variables._replace(params=wider_params)
    learned = state.learned._replace(variables=variables)
    checkpoints.save(1, state.replace(learned=learned), {})
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    assert f'learned/variables/params/{name} is float32{list(wider.shape)} in' in refusal_of(
        tmp_path
    )


def test_a_large_state_is_not_held_twice(tmp_path):
    arrays = np.random.default_rng(0).standard_normal((8, 2_000_000), np.float32)
    state = {f'part {i}': row for i, row in enumerate(arrays)}
    tracemalloc.start()
    try:
        Checkpoints(tmp_path).save(1, state, {})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Orbax copies host arrays first where nothing keeps it from that.
    assert peak < arrays.nbytes / 4
    # TensorStore, whose memory is not traced, keeps the contents of a file until it is full.
    sizes = [path.stat().st_size for path in tmp_path.rglob('*') if path.is_file()]
    assert sum(sizes) > arrays.nbytes / 2 and max(sizes) < 2 * checkpoints_module.FILE_SIZE
    loaded = restored(tmp_path, state)
    assert all(np.array_equal(loaded[name], row) for name, row in state.items())


@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.parametrize('which', ['manifest.ocdbt', '_METADATA', 'd/*'])
def test_a_damaged_file_is_one_sentence_and_an_earlier_epoch_can_be_gone_back_to(tmp_path, which):
    saved(tmp_path, epochs=(1, 2), max_to_keep=2)
    found = [path for path in (tmp_path / '2').rglob(which) if path.is_file()]
    assert found
    for path in found:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = refusal_of(tmp_path)
    assert f'{tmp_path}/2 cannot be read' in message and 'delete it' in message
    # The cause, not the list of things that Orbax tried.
    assert 'incompatible handler' not in message
    shutil.rmtree(tmp_path / '2')  # As the message says.
    assert bytes_of(restored(tmp_path)) == bytes_of(random_state(1))


@pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning')
def test_no_changed_bit_goes_unnoticed(tmp_path):
    saved(tmp_path)
    rng = np.random.default_rng(0)
    for path in sorted(path for path in (tmp_path / '1').rglob('*') if path.is_file()):
        whole = path.read_bytes()
        # The merged tree of arrays carries checksums; other files have bytes that nobody reads.
        always = path.parent.name == 'd' and path.parents[1].name == 'state'
        always = always or path == tmp_path / '1' / 'state' / 'manifest.ocdbt'
        for position in rng.integers(0, len(whole), 4):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << rng.integers(8)
            path.write_bytes(damaged)
            try:
                assert bytes_of(restored(tmp_path)) == bytes_of(random_state(1))
                assert not always, f'bit of byte {position} of {path} went unnoticed'
            except UserError as error:
                assert str(tmp_path) in str(error) and 'cannot be read' in str(error)
        path.write_bytes(whole)


def test_what_earlier_versions_saved_is_read(tmp_path):
    """They saved with Orbax's version 1, and at first without a digest."""
    save_as_version_1(tmp_path, 1, random_state(1))
    assert 'digest' not in ocp.load(tmp_path / '1')
    assert bytes_of(restored(tmp_path)) == bytes_of(random_state(1))
    digest = checkpoints_module._digest(_flatten(random_state(2)))
    save_as_version_1(tmp_path, 2, random_state(2), digest=digest)
    assert bytes_of(restored(tmp_path)) == bytes_of(random_state(2))
    wrong = checkpoints_module._digest(_flatten(random_state(4)))
    save_as_version_1(tmp_path, 3, random_state(3), digest=wrong)
    assert 'do not match their digest' in refusal_of(tmp_path)


def test_what_is_saved_can_be_read_by_earlier_versions(tmp_path):
    saved(tmp_path)
    with ocp.training.Checkpointer(tmp_path) as checkpointer:
        assert checkpointer.latest.step == 1
        arrays = checkpointer.load()
    for name, leaf in _flatten(random_state(1)).items():
        assert np.asarray(arrays[name]).tobytes() == leaf.tobytes()


def test_a_directory_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(UserError, match='file/below cannot be written'):
        Checkpoints(tmp_path / 'file' / 'below')

    def full(*arguments, **keywords):  # As Orbax does it: closing fails too, and hides the cause.
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(checkpoints_module.orbax.Checkpointer, 'save', full)
    monkeypatch.setattr(checkpoints_module.orbax.Checkpointer, 'close', full)
    with pytest.raises(UserError, match=r'/1 cannot .* space'):
        Checkpoints(tmp_path).save(1, random_state(1), {})
