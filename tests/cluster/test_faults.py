"""A fault in each process at each exchange that the code has: all end, and say why."""

import itertools
import json
import os
import shutil
import subprocess
import sys

import pytest
from exchanges import tags
from processes import ROOT, assert_same_outcome, outcome_of

# By scenario, in the order in which a tag's first one is taken.
SCENARIOS = ('train', 'in parts', 'resume', 'finished', 'more seeds', 'failing', 'studies')
# Outside of this one there is nothing that could fail.
OUTERMOST = 'command'
# An experiment of several that cannot be begun is reported, and the next one runs.
SURVIVED = 'finished before', 'inside'
KINDS = 'before', 'inside'
# 'all': each exchange in each process, before and inside of it, and what is left is gone on with;
# 'some': each exchange once, and after every fourth.
FAULTS = os.environ.get('PAIRJAX_FAULTS', 'all')
MOST_SECONDS = float(os.environ.get('PAIRJAX_FAULT_SECONDS', '10'))


class ForkServer:
    """Runs cases of tests/cluster/fork_server.py."""

    def __init__(self, folder, digits):
        shutil.copy(digits, folder / 'digits.npz')
        env = os.environ | {
            'PYTHONPATH': f'{ROOT}:{ROOT}/tests',
            'JAX_COMPILATION_CACHE_DIR': str(folder / 'compiled'),
            'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
            'PYTHONWARNINGS': 'ignore',
        }
        self.folder, self.number = folder, 0
        self.process = subprocess.Popen(
            [sys.executable, 'tests/cluster/fork_server.py'],
            **{'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True},
            **{'cwd': ROOT, 'env': env},
        )

    def new_folder(self, copied=None):
        self.number += 1
        folder = self.folder / f'case {self.number}'
        if copied:
            shutil.copytree(copied, folder)
        return folder

    def run(self, scenario, folder, fault=None, count=2):
        case = {'scenario': scenario, 'folder': str(folder), 'fault': fault, 'count': count}
        self.process.stdin.write(json.dumps(case) + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def fault_at(tag, process, kind):
    return {'process': process, 'tag': tag, 'kind': kind}


@pytest.fixture(scope='module')
def fork_server(tmp_path_factory, small_digits_path):
    fork_server = ForkServer(tmp_path_factory.mktemp('faults'), small_digits_path)
    yield fork_server
    fork_server.process.terminate()
    fork_server.process.wait()


@pytest.fixture(scope='module')
def after_one_epoch(fork_server):
    """The folder of an experiment that ended in its second epoch."""
    folder = fork_server.new_folder()
    # The whole pool is evaluated after the second epoch, and before this is saved.
    ended = fork_server.run('train', folder, fault_at('which runs failed', 1, 'before'))
    assert [p['code'] for p in ended] == [1, 1]
    return folder


@pytest.fixture(scope='module')
def clean(fork_server, after_one_epoch):
    """By scenario: the folder it begins with, how processes end there, and the folder then."""
    found = {}
    for scenario in SCENARIOS:
        trained = found.get('train', (0, 0, None))[2]
        start = {'resume': after_one_epoch, 'finished': trained, 'more seeds': trained}
        start = start.get(scenario)
        folder = fork_server.new_folder(start)
        found[scenario] = start, fork_server.run(scenario, folder), folder
    return found


@pytest.fixture(scope='module')
def tried(clean):
    """By tag, the first scenario that comes there."""
    found = {}
    for scenario in SCENARIOS:
        for tag in clean[scenario][1][0]['tags']:
            found.setdefault(tag, scenario)
    return found


def test_processes_that_nothing_disturbs_end_well(clean):
    for scenario, (_, processes, _) in clean.items():
        codes = [process['code'] for process in processes]
        assert codes == [int(scenario == 'failing')] * 2, processes
        assert processes[0]['tags'] == processes[1]['tags']


def test_a_fault_is_tried_at_every_exchange_of_the_code(tried):
    assert sorted(tags().keys() - tried.keys()) == []


def faults_at(tag, position):
    """The (process, kind) to try at a tag; those of neighbouring tags differ."""
    kinds = [kind for kind in KINDS if (tag, kind) != (OUTERMOST, 'before')]
    if FAULTS == 'all':
        return list(itertools.product((0, 1), kinds))
    return [(position % 2, kinds[position // 2 % len(kinds)])]


def problems_with(ended, fault):
    """What is wrong with how processes ended after a fault, in words."""
    for number, process in enumerate(ended):
        dead = fault['kind'] == 'killed' and number == fault['process']
        errors = [x for x in process['err'].splitlines() if x.startswith('error: ')]
        if process['seconds'] is None:
            yield 'the fault did not happen'
        elif process['seconds'] > MOST_SECONDS:
            yield f'process {number} ended after {process["seconds"]:.1f} s'
        elif dead:
            continue
        elif process['code'] != 1 or len(errors) != 1:
            yield f'process {number} ended with {process["code"]}: {process["err"][-1500:]}'
        elif 'Traceback' in process['err']:
            yield f'process {number}: {process["err"][-1500:]}'
        elif fault['kind'] != 'killed' and 'injected fault' not in errors[0]:
            yield f'process {number} says {errors[0]}'


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('scenario', SCENARIOS)
def test_a_fault_in_one_process_ends_all_with_one_sentence(
    fork_server, clean, tried, scenario, kind
):
    start, _, whole = clean[scenario]
    found, slowest = [], 0.0
    outcome = outcome_of(whole / 'run') if scenario in ('train', 'resume') else None
    for position, (tag, first) in enumerate(tried.items()):
        chosen = faults_at(tag, position) if first == scenario else []
        for process in [process for process, own in chosen if own == kind]:
            fault, folder = fault_at(tag, process, kind), fork_server.new_folder(start)
            ended = fork_server.run(scenario, folder, fault)
            if (tag, kind) == SURVIVED:
                assert [p['code'] for p in ended] == [0, 0]
                continue
            found += [(tag, process, problem) for problem in problems_with(ended, fault)]
            slowest = max([slowest, *(p['seconds'] or 0 for p in ended)])
            if outcome is not None and (FAULTS == 'all' or position % 4 == 0):
                (again,) = fork_server.run('train', folder, count=1)
                assert again['code'] == 0, (fault, again)
                assert_same_outcome(folder / 'run', outcome)
    print(f'{scenario}, {kind}: the last process ended {slowest:.1f} s after the fault')
    assert not found, '\n'.join(map(str, found))


@pytest.mark.parametrize('process', [0, 1])
@pytest.mark.parametrize('tag', ['config and data', 'epoch', 'save'])
def test_a_process_that_is_killed_ends_the_others(fork_server, clean, tag, process):
    fault, folder = fault_at(tag, process, 'killed'), fork_server.new_folder()
    ended = fork_server.run('train', folder, fault)
    assert not list(problems_with(ended, fault))
    (again,) = fork_server.run('train', folder, count=1)
    assert again['code'] == 0
    assert_same_outcome(folder / 'run', outcome_of(clean['train'][2] / 'run'))
