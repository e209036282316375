"""Cores and memory: what a process may use, and that it needs no more for more runs."""

import math
import os
import subprocess

import jax
import numpy as np
import pytest
from conftest import make_small_config

from pairjax import system
from pairjax.runtime.plan import make_plan
from pairjax.runtime.sharding import choose_layout, replicate, stack_runs
from pairjax.runtime.vectorize import compile_programs
from pairjax.system import compiled_programs_directory, machine_bytes, num_cores
from pairjax.trials import traced_hyperparameters


def programs_of(plan, num_runs):
    """The programs of that many runs on one device, and how many bytes their states have."""
    config = plan.config
    layout = choose_layout(num_runs, config.runs, config.train.batch_size)
    pools = replicate(plan.pools, layout)
    seeds = stack_runs([np.int32(seed) for seed in range(num_runs)], layout)
    hyper = stack_runs([traced_hyperparameters(config)] * num_runs, layout)
    programs = compile_programs(config, layout, pools, seeds, hyper)
    leaves = jax.tree.leaves(programs.init.out_info)
    return programs, sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)


@pytest.fixture(scope='module')
def few_and_many(small_digits_path):
    config = make_small_config(small_digits_path)
    config.runs.devices, config.train.batch_size = 1, 10
    plan = make_plan(config)
    return programs_of(plan, 10), programs_of(plan, 100)


@pytest.mark.parametrize('name', ['init', 'train_epoch', 'evaluate'])
def test_what_a_program_needs_beside_the_states_is_the_same_for_few_and_many(few_and_many, name):
    (few, few_bytes), (many, many_bytes) = few_and_many
    temporary = [getattr(p, name).memory_analysis().temp_size_in_bytes for p in (few, many)]
    assert temporary[1] - temporary[0] < 0.1 * (many_bytes - few_bytes)


def test_training_reuses_the_memory_of_the_states(few_and_many):
    _, (many, many_bytes) = few_and_many
    assert many.train_epoch.memory_analysis().alias_size_in_bytes >= many_bytes


def make_root(path, own, files):
    """A file system with these lines of /proc/self/cgroup and files below /sys/fs/cgroup."""
    (path / 'proc/self').mkdir(parents=True)
    (path / 'proc/self/cgroup').write_text(own)
    for name, text in files.items():
        file = path / 'sys/fs/cgroup' / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


V1 = '5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n0::/\n'
GIB = 2**30


@pytest.mark.parametrize(
    ('own', 'files', 'cores'),
    [
        ('', {}, 64),
        ('0::/\n', {'cpu.max': 'max 100000\n'}, 64),
        ('0::/\n', {'cpu.max': '200000 100000\n'}, 2),
        ('0::/\n', {'cpu.max': '150000 100000\n'}, 2),
        ('0::/\n', {'cpu.max': '10000 100000\n'}, 1),
        # The limit of a group around this process, such as that of a job around a step.
        ('0::/job/step\n', {'job/cpu.max': '300000 100000\n', 'job/step/cpu.max': 'max 1\n'}, 3),
        ('0::/job\n', {'cpu.max': '', 'job/cpu.max': '9900000 100000\n'}, 64),
        # A container sees its own group as the top, under the path that the host knows.
        (V1, {'cpu/cpu.cfs_quota_us': '400000\n', 'cpu/cpu.cfs_period_us': '100000\n'}, 4),
        (
            V1,
            {
                'cpu,cpuacct/docker/a/cpu.cfs_quota_us': '50000\n',
                'cpu,cpuacct/docker/a/cpu.cfs_period_us': '10000\n',
            },
            5,
        ),
        (V1, {'cpu/cpu.cfs_quota_us': '-1\n', 'cpu/cpu.cfs_period_us': '100000\n'}, 64),
    ],
)
def test_a_cpu_quota_counts(own, files, cores, tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda _: range(64), raising=False)
    if not own:
        assert num_cores(tmp_path) == cores  # no Linux
    assert num_cores(make_root(tmp_path, own, files)) == cores


@pytest.mark.parametrize(
    ('own', 'files', 'limit'),
    [
        ('0::/\n', {'memory.max': 'max\n'}, math.inf),
        ('0::/\n', {'memory.max': f'{GIB}\n'}, GIB),
        ('0::/a/b\n', {'a/memory.max': f'{GIB}\n', 'a/b/memory.max': f'{2 * GIB}\n'}, GIB),
        (V1, {'memory/memory.limit_in_bytes': f'{GIB}\n'}, GIB),
        (V1, {'memory/docker/a/memory.limit_in_bytes': '9223372036854771712\n'}, math.inf),
    ],
)
def test_a_memory_limit_counts(own, files, limit, tmp_path):
    assert machine_bytes(make_root(tmp_path, own, files)) == min(
        limit, machine_bytes(tmp_path / 'x')
    )


def test_on_macos_performance_cores_count(monkeypatch):
    calls = []

    def run(command, **_):
        calls.append(command)
        return subprocess.CompletedProcess(command, 0, stdout='6\n')

    monkeypatch.setattr(system.sys, 'platform', 'darwin')
    monkeypatch.setattr(system.subprocess, 'run', run)
    assert num_cores() == 6
    assert calls == [['sysctl', '-n', 'hw.perflevel0.logicalcpu']]


def test_processors_that_share_a_home_share_no_compiled_programs(tmp_path):
    """Nor does a process on another core of the same kind have a directory of its own."""
    lines = {
        'old': 'processor\t: 0\nflags\t\t: fpu sse2\n\nprocessor\t: 1\nflags\t\t: fpu sse2\n',
        'same, slower': 'processor\t: 0\ncpu MHz\t: 800.0\nflags\t\t: fpu sse2\n',
        'new': 'processor\t: 0\nflags\t\t: fpu sse2 avx512f\n',
        'arm': 'processor\t: 0\nFeatures\t: fp asimd\n',
    }
    found = {}
    for name, text in lines.items():
        (tmp_path / name / 'proc').mkdir(parents=True)
        (tmp_path / name / 'proc/cpuinfo').write_text(text)
        found[name] = compiled_programs_directory(tmp_path / name)
    assert found['old'] == found['same, slower']
    assert len(set(found.values())) == 3
    assert len({path.parent for path in found.values()}) == 1
