"""What environment variables of schedulers and launchers say of a process."""

import importlib.util

import pytest

from pairjax.errors import UserError
from pairjax.runtime import schedulers
from pairjax.runtime.schedulers import Started, find_start, first_host, launcher_command

SLURM = {
    'SLURM_JOB_ID': '7',
    'SLURM_STEP_ID': '1',
    'SLURM_NTASKS': '2',
    'SLURM_STEP_NUM_TASKS': '2',
    'SLURM_STEP_NUM_NODES': '2',
    'SLURM_PROCID': '1',
    'SLURM_STEP_NODELIST': 'n[1-2]',
}
URI = '1531576320.0;tcp://10.96.0.1,10.148.0.1:34911'
OPEN_MPI = {'OMPI_COMM_WORLD_SIZE': '4', 'OMPI_COMM_WORLD_RANK': '3', 'OMPI_MCA_orte_hnp_uri': URI}
POD = {'KUBERNETES_SERVICE_HOST': '10.0.0.1'}
IN_STEP = Started('SLURM', 2, 1, 'n1', 'SLURM step 7.1')
BY_MPIRUN = Started('Open MPI', 4, 3, '10.96.0.1', f'mpirun {URI}')


@pytest.mark.parametrize(
    ('environment', 'tpu', 'found'),
    [
        ({}, False, None),
        (SLURM, False, IN_STEP),
        (SLURM | {'SLURM_STEP_NUM_TASKS': '1'}, False, None),
        # A variable that is set and empty, as in a container or after a wrong unset.
        (SLURM | {'SLURM_STEP_NUM_TASKS': ''}, False, None),
        (SLURM | {'SLURM_RESTART_COUNT': '1'}, False, 'SLURM step 7.1, start 1'),
        (SLURM | {'SLURM_CLUSTER_NAME': 'c'}, False, 'SLURM step 7.1 of c'),
        # srun's own PMI says the same as srun.
        (SLURM | {'PMI_SIZE': '2', 'PMI_RANK': '1'}, False, IN_STEP),
        # A batch script's own shell, in an allocation for two tasks.
        ({'SLURM_JOB_ID': '7', 'SLURM_NTASKS': '2', 'SLURM_PROCID': '0'}, False, None),
        (OPEN_MPI, False, BY_MPIRUN),
        # mpirun starts its helpers as a step, and Slurm's variables are those of the helpers.
        (SLURM | OPEN_MPI, False, BY_MPIRUN),
        (SLURM | OPEN_MPI | {'OMPI_COMM_WORLD_SIZE': '1'}, False, None),
        (SLURM | {'FLUX_JOB_SIZE': '1', 'FLUX_TASK_RANK': '0'}, False, None),
        ({'PMI_SIZE': '1', 'PMI_RANK': '0'}, False, None),
        ({'PMI_SIZE': '1', 'PALS_RANKID': '0'}, False, None),
        (POD, False, None),
        (POD | {'JOB_COMPLETION_INDEX': '0'}, False, Started('Kubernetes')),
        ({}, True, Started('Cloud TPU')),
        ({'TPU_WORKER_HOSTNAMES': 'a,b'}, True, Started('Cloud TPU')),
        ({'TPU_WORKER_HOSTNAMES': 'a,b'}, False, None),
        ({'TPU_WORKER_HOSTNAMES': 'localhost'}, True, None),
        ({'TPU_WORKER_HOSTNAMES': 'a', 'MEGASCALE_NUM_SLICES': '2'}, True, Started('Cloud TPU')),
        ({'TPU_SKIP_MDS_QUERY': '1'}, True, None),
    ],
)
def test_a_scheduler_counts_where_it_started_several_processes(environment, tpu, found):
    start = find_start(environment, tpu)
    assert (start.identity if isinstance(found, str) else start) == found


BY_MPI = [
    ({'PMI_SIZE': '2', 'PMI_RANK': '0'}, 'MPICH or Intel MPI', 'PMI_SIZE', 'PMI_RANK'),
    # MPICH's mpiexec in a Slurm job starts a helper a node as a step.
    (SLURM | {'PMI_SIZE': '8', 'PMI_RANK': '1'}, 'MPICH or Intel MPI', 'PMI_SIZE', 'PMI_RANK'),
    ({'PALS_RANKID': '0'}, 'PALS', 'PMI_SIZE', 'PALS_RANKID'),
    (
        SLURM | {'FLUX_JOB_SIZE': '3', 'FLUX_TASK_RANK': '2'},
        *('Flux', 'FLUX_JOB_SIZE', 'FLUX_TASK_RANK'),
    ),
    # From version 5 on.
    (
        {'OMPI_COMM_WORLD_SIZE': '4', 'OMPI_COMM_WORLD_RANK': '0'},
        *('Open MPI', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_RANK'),
    ),
]


@pytest.mark.parametrize(('environment', 'name', 'size', 'rank'), BY_MPI)
def test_a_launcher_that_only_mpi_knows_needs_mpi4py_or_flags(
    environment, name, size, rank, monkeypatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(schedulers.importlib.util, 'find_spec', lambda module: module == 'mpi4py')
    assert find_start(environment, False) == Started(name, by_mpi=True)
    monkeypatch.setattr(schedulers.importlib.util, 'find_spec', lambda module: None)
    words = rf'{name} started several.*pip install mpi4py.*\${size} --process_id=\${rank} '
    with pytest.raises(UserError, match=words):
        find_start(environment, False)
    assert find('pairjax')


@pytest.mark.parametrize(
    ('environment', 'words'),
    [
        (SLURM | {'SLURM_STEP_NUM_TASKS': 'two'}, "SLURM_STEP_NUM_TASKS='two' in the environment"),
        (SLURM | {'SLURM_STEP_NODELIST': ''}, 'SLURM_STEP_NODELIST not set'),
        (OPEN_MPI | {'OMPI_MCA_orte_hnp_uri': 'x'}, "OMPI_MCA_orte_hnp_uri='x' names no address"),
    ],
)
def test_variables_that_make_no_sense_are_named(environment, words):
    with pytest.raises(UserError, match=words):
        find_start(environment, False)


@pytest.mark.parametrize(
    ('nodes', 'host'),
    [
        ('n1', 'n1'),
        ('n1,n2', 'n1'),
        ('n[1-2]', 'n1'),
        ('rack3-node[001-015,020],other', 'rack3-node001'),
        ('node[007,009]', 'node007'),
        ('n[1-2]-ib', 'n1-ib'),
        ('n-1.cluster.org,n2', 'n-1.cluster.org'),
    ],
)
def test_the_first_host_of_a_node_list(nodes, host):
    assert first_host(nodes) == host


def test_how_the_processes_were_started():
    assert launcher_command(SLURM) == ['srun', '--nodes=2', '--ntasks=2']
    assert launcher_command(SLURM | OPEN_MPI) == ['mpirun', '-n', '4']
    assert launcher_command({'SLURM_JOB_ID': '7', 'SLURM_NTASKS': '2'}) == []
