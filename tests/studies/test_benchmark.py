"""What the benchmark counts and reports; speeds themselves are not tested."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from pairjax.config import default_config
from pairjax.errors import UserError
from pairjax.models import flops
from pairjax.models.registry import build_model
from pairjax.runtime.plan import make_plan
from pairjax.studies.benchmark import benchmark, machine, peers, report
from pairjax.training.train_step import init_state, standardize
from pairjax.trials import traced_hyperparameters

ROOT = Path(__file__).resolve().parents[2]


def model_config(name, widths, weight_sharing=True, dropout_rate=0.0):
    model = default_config().model
    fields = {'name': name, 'widths': widths, 'weight_sharing': weight_sharing}
    model.update({**fields, 'dropout_rate': dropout_rate})
    return model


@pytest.fixture
def quick_config(small_config):
    """The small config with a network that compiles in a second."""
    small_config.model.name, small_config.model.widths = 'ShallowModel', (8,)
    small_config.model.dropout_rate = small_config.loss.aux_weight = 0.0
    return small_config


def abstract_model(*args):
    return nnx.eval_shape(lambda: build_model(model_config(*args), 10, nnx.Rngs(0)))


def needs_torch():
    return pytest.importorskip('torch', reason='PyTorch, an optional extra, is not installed')


@pytest.mark.parametrize('weight_sharing', [True, False])
def test_flops_of_auxnet2_by_hand(weight_sharing):
    layers = flops.layer_flops(abstract_model('AuxNet2', (32, 32, 64, 256), weight_sharing))
    images = 2
    assert layers == [
        2 * images * 12 * 12 * 3 * 3 * 1 * 32,
        2 * images * 6 * 6 * 3 * 3 * 32 * 32,
        2 * images * 3 * 3 * 2 * 2 * 32 * 64,  # of 4 x 4 outputs the pool reads 3 x 3
        2 * images * 64 * 256,
        2 * images * 256 * 10,
        2 * 128 * 256,
        2 * 256 * 2,
    ]


def test_flops_of_shallow_model_by_hand():
    layers = flops.layer_flops(abstract_model('ShallowModel', (500,)))
    assert layers == [2 * 392 * 500, 2 * 500 * 2]


def test_flops_of_a_run_are_those_of_the_first_report():
    train, evaluation = flops.epoch_flops(default_config(), 10)
    assert train == 1000 * (3 * 1_930_240 - 165_888)
    assert evaluation == 2500 * 1_930_240
    assert 25 * train == pytest.approx(140e9, rel=0.01)
    assert 25 * evaluation * 2000 / 2500 == pytest.approx(97e9, rel=0.01)


def test_speed_from_hand_made_seconds():
    config = default_config()
    config.train.num_epochs, config.train.evaluate_every = 4, 2
    seconds = {'pairjax': [1.0, 2.0, 9.0], 'pairjax_training': [1.0, 1.0, 1.0]}
    speed = benchmark.speed(config, 10, seconds, peak=1e11)
    train, evaluation = flops.epoch_flops(config, 10)
    assert speed['seconds_per_run'] == 2.0
    assert speed['pairs_per_second'] == (4 * 1000 + 2 * 2500) / 2
    assert speed['gflops_per_second'] == pytest.approx((4 * train + 2 * evaluation) / 2e9)
    assert speed['training_share_of_peak'] == pytest.approx(4 * train / 1e11)


def test_ratios_are_taken_pair_by_pair():
    ratio = benchmark.peer_ratio([4.0, 9.0, 2.0], [2.0, 3.0, 2.0])
    assert ratio == {'min': 1.0, 'median': 2.0, 'max': 3.0, 'values': [2.0, 3.0, 1.0]}


def test_rows_of_a_small_benchmark(quick_config, tmp_path, monkeypatch):
    monkeypatch.setitem(machine.MATMUL_SIDE, 'cpu', 64)
    quick_config.train.evaluate_every = 2
    quick_config.runs.devices = 2
    notes = []
    try:
        options = benchmark.Options((1, 3), num_epochs=1, repeats=2, torch=False)
        result = benchmark.run_benchmark(quick_config, options, notes.append)
    finally:
        jax.config.update('jax_enable_compilation_cache', True)
    assert json.loads(json.dumps(result, allow_nan=False))['num_epochs_timed'] == 2
    assert result['machine']['num_devices'] == 2
    assert [row['num_seeds'] for row in result['rows']] == [1, 3]
    assert len(notes) == 2 * 2
    for row in result['rows']:
        assert {name: len(values) for name, values in row['seconds'].items()} == {
            'pairjax': 2,
            'pairjax_training': 2,
        }
        assert row['ratios'] == {}
        for name, value in row.items():
            if isinstance(value, float):
                assert 0 < value < float('inf'), name
        assert row['peak_memory_bytes'] > 50e6
    assert report.benchmark_table(result).row_count == 2
    assert 'over 2 epochs' in report.explain(result)


def test_cold_commands_are_timed(quick_config, tmp_path):
    quick_config.train.num_epochs = 1
    options = benchmark.Options((2,), 1, 1, torch=False, cold_script=ROOT / 'launch' / 'main.py')
    try:
        result = benchmark.run_benchmark(quick_config, options, print)
    finally:
        jax.config.update('jax_enable_compilation_cache', True)
    (row,) = result['rows']
    assert row['seconds']['pairjax'][0] > 1
    assert report.benchmark_table(result).row_count == 1
    assert 'whole commands' in report.explain(result)
    with pytest.raises(UserError, match=r'failed: .*missing\.py'):
        benchmark.cold_seconds(make_plan(quick_config).config, tmp_path / 'missing.py')


def test_a_missing_output_directory_is_one_sentence():
    flags = ['--config=configs/auxnet2.py', '--output=missing/benchmark.json']
    command = [sys.executable, 'launch/benchmark.py', *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith('error: --output=missing/benchmark.json: the directory')
    assert done.stderr.count('\n') == 1


@pytest.mark.parametrize('texts', [['0'], ['1', 'ten'], ['-2'], ['']])
def test_wrong_seed_counts_are_named(texts):
    with pytest.raises(UserError, match='--num_seeds='):
        benchmark.parse_seed_counts(texts)


def test_seed_counts_are_sorted_and_unique():
    assert benchmark.parse_seed_counts(['10', '2', ' 10']) == [2, 10]


def test_a_missing_torch_is_an_error_only_with_the_flag(monkeypatch):
    monkeypatch.setattr(benchmark.importlib.util, 'find_spec', lambda name: None)
    assert benchmark.use_torch(None) is False
    assert benchmark.use_torch(False) is False
    with pytest.raises(UserError, match='not installed'):
        benchmark.use_torch(True)


def test_a_sweep_is_refused(small_config):
    small_config.sweep.product = (('optimizer.learning_rate', (1e-3, 1e-2)),)
    with pytest.raises(UserError, match='one trial'):
        benchmark.run_benchmark(small_config, benchmark.Options((1,), 1, 1, False), print)


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('model.name', 'PairNet'),
        ('model.normalization', 'batch'),
        ('optimizer.name', 'adamw'),
        ('optimizer.schedule', 'warmup_cosine'),
        ('augment.rotation', 5.0),
        ('loss.label_smoothing', 0.1),
    ],
)
def test_what_the_peers_lack_is_refused(small_config, field, value):
    small_config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=field):
        benchmark.run_benchmark(small_config, benchmark.Options((1,), 1, 1, False), print)


def test_peers_get_the_pairs_of_the_run(quick_config):
    plan = make_plan(quick_config)
    init = jax.jit(functools.partial(init_state, plan.config))
    state = init(plan.pools, np.int32(1), traced_hyperparameters(plan.config))
    for name, (images, classes, targets) in peers.drawn_pairs(plan, [1])[1].items():
        indices = getattr(state.pairs, name)
        np.testing.assert_allclose(
            images, standardize(state, plan.pools.images[indices]), atol=1e-5
        )
        np.testing.assert_array_equal(classes, plan.pools.labels[indices])
        np.testing.assert_array_equal(targets, classes[:, 0] <= classes[:, 1])


def branch_modules(branches):
    """The submodules of a flax `Branches`, or the module itself."""
    if not hasattr(branches, 'module'):
        return [branches]
    return [m for m in (branches.module, branches.second_module) if m is not None]


def copy_parameters(model, network, torch):
    """Puts the parameters of a flax model into its PyTorch counterpart."""
    parts = [getattr(model, n, None) for n in ('encoder', 'digit_head', 'main_head')]
    modules = [m for part in parts if part is not None for m in branch_modules(part)]
    layers = [layer for m in modules for layer in getattr(m, 'blocks', None) or m.layers]
    targets = [m for m in network.modules() if hasattr(m, 'weight')]
    with torch.no_grad():
        for layer, target in zip(layers, targets, strict=True):
            kernel = np.asarray(layer.kernel[...])
            axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
            target.weight.copy_(torch.tensor(kernel.transpose(axes)))
            target.bias.copy_(torch.tensor(np.asarray(layer.bias[...])))


@pytest.mark.parametrize(
    ('name', 'weight_sharing'),
    [*((name, True) for name in benchmark.PAPER_MODELS), ('AuxNet2', False)],
)
def test_torch_network_is_the_same_function(name, weight_sharing):
    torch = needs_torch()
    from pairjax.studies.benchmark.torch_peers import TorchNetwork

    widths = {'ShallowModel': (6,), 'DeepModel': (6,)}.get(name, (3, 4, 5, 6))
    config = model_config(name, widths, weight_sharing)
    model = build_model(config, 10, nnx.Rngs(0))
    images = np.random.default_rng(0).standard_normal((4, 2, 14, 14), np.float32)
    expected = jax.jit(lambda model, images: model(images))(model, images)
    for concatenate in (False, True):
        network = TorchNetwork(config.to_dict(), peers.layer_sizes(config, 10), concatenate)
        copy_parameters(model, network, torch)
        main, digits = network(torch.tensor(images))
        np.testing.assert_allclose(main.detach(), expected.main_logits, atol=1e-4)
        if expected.digit_logits_a is None:
            assert digits is None
        else:
            np.testing.assert_allclose(digits[0].detach(), expected.digit_logits_a, atol=1e-4)
            np.testing.assert_allclose(digits[1].detach(), expected.digit_logits_b, atol=1e-4)


def test_peer_processes_learn(small_config):
    needs_torch()
    small_config.num_seeds, small_config.runs.devices = 3, 1
    small_config.model.dropout_rate = 0.0
    small_config.model.widths = (16, 16, 32, 64)
    plan = make_plan(small_config)
    both = machine.Machine.of(plan.config)
    with peers.PeerProcesses(both) as processes:
        for peer in peers.PEERS:
            jobs, times = peers.peer_jobs(plan, both, peer, 40, most_runs=2)
            seconds, accuracies = processes.train(jobs)
            assert times == 1.5
            assert seconds > 0
            assert len(accuracies) == 2
            assert np.mean(accuracies) > 0.6, peer
