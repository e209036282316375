"""Joins the processes of one experiment, found by flags or by the scheduler that started them.

Importing this module defines the flags and does not load jax.
"""

import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from pairjax.errors import UserError

COORDINATOR = flags.DEFINE_string(
    'coordinator', None, 'HOST:PORT of process 0, for several processes without a known scheduler'
)
NUM_PROCESSES = flags.DEFINE_integer(
    'num_processes', None, 'how many processes share the runs', lower_bound=1
)
PROCESS_ID = flags.DEFINE_integer(
    'process_id', None, 'which of them this one is, from 0', lower_bound=0
)


def connect() -> None:
    """Initialises jax.distributed where there are several processes; call before any array is made.

    Raises: UserError where the flags contradict each other or a process cannot be reached.
    """
    arguments = from_flags(COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value)
    found = None
    if arguments is None:
        found = scheduler(os.environ, has_tpu())
        arguments = from_scheduler(found, os.environ)
    if arguments is None or NUM_PROCESSES.value == 1:
        return
    import jax

    # Its handler of SIGTERM would come before ours, which finishes and saves the epoch.
    jax.config.update('jax_enable_preemption_service', False)
    try:
        jax.distributed.initialize(**arguments)
    except Exception as error:  # Each scheduler fails in a way of its own.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = f'{found} was found' if found else f'--coordinator={COORDINATOR.value}'
        raise UserError(
            f'{where}, but the processes do not find each other ({reason}); see that all of them '
            'run, or name --coordinator, --num_processes and --process_id (1 and 0 for a process '
            'alone)'
        ) from error


def from_flags(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> dict[str, Any] | None:
    """Arguments of jax.distributed.initialize, or None where no flag is set.

    Raises: UserError where a flag is missing or out of range.
    """
    values = {
        '--coordinator': coordinator,
        '--num_processes': num_processes,
        '--process_id': process_id,
    }
    missing = [name for name, value in values.items() if value is None]
    if len(missing) == 3:
        return None
    if missing:
        raise UserError(
            f'{" and ".join(missing)} missing; name all of {", ".join(values)}, or none of them '
            'for one process'
        )
    if not re.fullmatch(r'.+:\d+', coordinator):
        raise UserError(f'--coordinator={coordinator} is not HOST:PORT, such as node1:12345')
    if process_id >= num_processes:
        raise UserError(
            f'--process_id={process_id} does not exist; with --num_processes={num_processes} they '
            f'are 0 to {num_processes - 1}'
        )
    return {
        'coordinator_address': coordinator,
        'num_processes': num_processes,
        'process_id': process_id,
        'cluster_detection_method': 'deactivate',
    }


def scheduler(environment: Mapping[str, str], tpu: bool) -> str | None:
    """The scheduler that started this process as one of several, or None.

    Only what is set for each process counts: a shell within an allocation is one process.

    Args:
      environment: of this process.
      tpu: whether it has a TPU.
    """
    if int(environment.get('OMPI_COMM_WORLD_SIZE', 1)) > 1:
        return 'Open MPI'
    if int(environment.get('SLURM_STEP_NUM_TASKS', 1)) > 1:
        return 'SLURM'
    if tpu:
        hosts = environment.get('TPU_PROCESS_ADDRESSES') or environment.get('TPU_WORKER_HOSTNAMES')
        slices = int(environment.get('MEGASCALE_NUM_SLICES', 1))
        # Without such a list, Compute Engine's metadata has it, unless there is no such server.
        several = ',' in hosts if hosts else 'TPU_SKIP_MDS_QUERY' not in environment
        return 'Cloud TPU' if several or slices > 1 else None
    if {'KUBERNETES_SERVICE_HOST', 'JOB_COMPLETION_INDEX'} <= environment.keys():
        return 'Kubernetes'
    return None


def from_scheduler(found: str | None, environment: Mapping[str, str]) -> dict[str, Any] | None:
    """Arguments of jax.distributed.initialize under a scheduler, None without one."""
    if found == 'Open MPI' and 'OMPI_MCA_orte_hnp_uri' not in environment:
        # From Open MPI 5 on, only MPI itself knows where process 0 is.
        return {'cluster_detection_method': 'mpi4py'}
    return None if found is None else {}


def has_tpu() -> bool:
    """Whether this machine has TPU chips and libtpu."""
    if importlib.util.find_spec('libtpu') is None:
        return False
    return any(any(Path('/dev').glob(name)) for name in ('accel[0-9]*', 'vfio/[0-9]*'))
