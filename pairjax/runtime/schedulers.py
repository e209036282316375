"""Which scheduler or launcher started this process as one of several, by its environment.

Loads no jax.
"""

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pairjax.errors import UserError, shown

# Launchers of which jax knows too little: name, and the variables with the number of processes and
# with this one's. jax asks MPI itself where mpi4py is installed.
FLUX = 'Flux', 'FLUX_JOB_SIZE', 'FLUX_TASK_RANK'
PALS = 'PALS', 'PMI_SIZE', 'PALS_RANKID'
MPICH = 'MPICH or Intel MPI', 'PMI_SIZE', 'PMI_RANK'


class Started(NamedTuple):
    """How this process was started as one of several.

    Attributes:
      by: the scheduler or launcher.
      num_processes, process_id: None where jax finds them.
      host: of process 0, None where jax finds it.
      by_mpi: whether MPI has to be asked for all of these.
      identity: what all processes of this launch and no others have in common, such as a job step;
        empty where nothing is known.
    """

    by: str
    num_processes: int | None = None
    process_id: int | None = None
    host: str | None = None
    identity: str = ''
    by_mpi: bool = False


def find_start(environment: Mapping[str, str], tpu: bool) -> Started | None:
    """The launch of which this process is one of several; None where it is alone.

    Only what is set for each process counts: a shell within an allocation is one process. The
    launcher nearest to the process counts: mpirun within a job step, not the step.

    Args:
      environment: of this process; a variable that is empty counts as unset.
      tpu: whether this machine has a TPU.

    Raises: UserError where a variable makes no sense, or jax cannot join the processes.
    """
    env = {name: value for name, value in environment.items() if value}
    if 'OMPI_COMM_WORLD_SIZE' in env:
        return _open_mpi(env) if _count(env, 'OMPI_COMM_WORLD_SIZE') > 1 else None
    for name, size, rank in (FLUX, PALS):
        if rank in env:  # Where the number is unknown, several.
            return _mpi(name, size, rank) if _count(env, size, 2) > 1 else None
    step = _count(env, 'SLURM_STEP_NUM_TASKS')
    # srun's own PMI counts the step's tasks. MPICH's mpiexec starts a helper a node as a step.
    by_srun = step > 1 and env.get('PMI_RANK', env.get('SLURM_PROCID')) == env.get('SLURM_PROCID')
    if by_srun and _count(env, 'PMI_SIZE', step) == step:
        return _slurm(env)
    if 'PMI_RANK' in env and _count(env, 'PMI_SIZE') > 1:
        return _mpi(*MPICH)
    if tpu:
        hosts = env.get('TPU_PROCESS_ADDRESSES') or env.get('TPU_WORKER_HOSTNAMES')
        # Without such a list, Compute Engine's metadata has it, unless there is no such server.
        several = ',' in hosts if hosts else 'TPU_SKIP_MDS_QUERY' not in env
        several = several or _count(env, 'MEGASCALE_NUM_SLICES') > 1
        return Started('Cloud TPU') if several else None
    if {'KUBERNETES_SERVICE_HOST', 'JOB_COMPLETION_INDEX'} <= env.keys():
        return Started('Kubernetes')
    return None


def launcher_command(environment: Mapping[str, str]) -> list[str]:
    """The words before `python` with which the processes of this start are started again.

    Options other than the numbers of nodes and tasks cannot be known.
    """
    env = {name: value for name, value in environment.items() if value}
    if _count(env, 'OMPI_COMM_WORLD_SIZE') > 1:
        return ['mpirun', '-n', env['OMPI_COMM_WORLD_SIZE']]
    if 'SLURM_STEP_NUM_TASKS' in env and (
        _count(env, 'SLURM_STEP_NUM_TASKS') > 1 or _parent_is('slurmstepd')
    ):
        nodes = env.get('SLURM_STEP_NUM_NODES', '1')
        return ['srun', f'--nodes={nodes}', f'--ntasks={env["SLURM_STEP_NUM_TASKS"]}']
    return []


def first_host(nodes: str) -> str:
    """The first host of a Slurm node list such as node[001-015,020],other."""
    match = re.match(r'([^\[,]*)(?:\[([^\],-]+)[^\]]*\]([^,\[]*))?', nodes)
    prefix, number, suffix = match.groups(default='')
    return f'{prefix}{number}{suffix}'


def has_tpu() -> bool:
    """Whether this machine has TPU chips and libtpu."""
    return importlib.util.find_spec('libtpu') is not None and has_accelerator_devices()


def has_accelerator_devices(root: Path = Path('/')) -> bool:
    """Whether there are device files as the drivers of TPUs make them, of others' too."""
    return any(any(root.glob(name)) for name in ('dev/accel[0-9]*', 'dev/vfio/[0-9]*'))


def _open_mpi(env: Mapping[str, str]) -> Started:
    uri = env.get('OMPI_MCA_orte_hnp_uri')
    if uri is None:
        # From Open MPI 5 on, only MPI itself knows where process 0 is.
        return _mpi('Open MPI', 'OMPI_COMM_WORLD_SIZE', 'OMPI_COMM_WORLD_RANK')
    # Such as 1531576320.0;tcp://10.96.0.1,10.148.0.1:34911 or 1531576320.0;tcp6://[fe80::1]:43370
    match = re.search(r'tcp://([^,:]+)|tcp6://\[([^,\]]+)', uri)
    if match is None:
        raise UserError(
            f'Open MPI was found, but OMPI_MCA_orte_hnp_uri={shown(uri)} names no address; name '
            '--coordinator, --num_processes and --process_id'
        )
    # The number of the mpirun and its address; no two that run have both in common.
    return Started(
        'Open MPI',
        _count(env, 'OMPI_COMM_WORLD_SIZE'),
        _count(env, 'OMPI_COMM_WORLD_RANK', 0),
        match[1] or match[2],
        f'mpirun {uri}',
    )


def _slurm(env: Mapping[str, str]) -> Started:
    needed = ('SLURM_JOB_ID', 'SLURM_STEP_ID', 'SLURM_PROCID', 'SLURM_STEP_NODELIST')
    missing = [name for name in needed if name not in env]
    if missing:
        raise UserError(
            f'SLURM was found, but {" and ".join(missing)} not set; start with srun, name '
            '--coordinator, --num_processes and --process_id, or, to run this process by itself, '
            'pass --num_processes=1'
        )
    # A job of an array has a number of its own; a job that is started again keeps its number.
    restart = f', start {env["SLURM_RESTART_COUNT"]}' if 'SLURM_RESTART_COUNT' in env else ''
    cluster = f' of {env["SLURM_CLUSTER_NAME"]}' if 'SLURM_CLUSTER_NAME' in env else ''
    return Started(
        'SLURM',
        _count(env, 'SLURM_STEP_NUM_TASKS'),
        _count(env, 'SLURM_PROCID', 0),
        first_host(env['SLURM_STEP_NODELIST']),
        f'SLURM step {env["SLURM_JOB_ID"]}.{env["SLURM_STEP_ID"]}{cluster}{restart}',
    )


def _mpi(name: str, size: str, rank: str) -> Started:
    if importlib.util.find_spec('mpi4py') is None:
        raise UserError(
            f'{name} started several processes ({rank} is set), but only MPI knows where process 0 '
            f'is: pip install mpi4py, or name --coordinator=HOST:PORT --num_processes=${size} '
            f'--process_id=${rank} for each, where HOST is that of process 0; to run this process '
            'by itself, pass --num_processes=1'
        )
    return Started(name, by_mpi=True)


def _count(env: Mapping[str, str], name: str, default: int = 1) -> int:
    """The whole number in a variable.

    Raises: UserError where it holds anything else.
    """
    text = env.get(name, str(default))
    if not text.strip().isdecimal():
        raise UserError(
            f'{name}={shown(text)} in the environment is no number of processes; unset it or, to '
            'run this process by itself, pass --num_processes=1'
        )
    return int(text)


def _parent_is(name: str) -> bool:
    """Whether the process that started this one has that name, where the system says so."""
    try:
        parent = Path('/proc/self/stat').read_text().rpartition(')')[2].split()[1]
        return Path(f'/proc/{parent}/comm').read_text().strip() == name
    except (OSError, IndexError):
        return False
