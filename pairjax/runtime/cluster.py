"""Joins the processes of one experiment, found by flags or by the scheduler that started them.

Importing this module defines the flags and does not load jax.
"""

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from absl import flags

from pairjax.errors import UserError
from pairjax.runtime import rendezvous
from pairjax.runtime.schedulers import Started, find_start, has_tpu

COORDINATOR = flags.DEFINE_string(
    'coordinator', None, 'HOST:PORT of process 0, for several processes without a known scheduler'
)
NUM_PROCESSES = flags.DEFINE_integer(
    'num_processes', None, 'processes that share the runs; 1 runs this one by itself', lower_bound=1
)
PROCESS_ID = flags.DEFINE_integer(
    'process_id', None, 'which of them this one is, from 0', lower_bound=0
)
# Processes end together; who waits for longer at the end waits for one that has died.
SHUTDOWN_SECONDS = 10


class _State:
    connected = False


def connect() -> None:
    """Initialises jax.distributed where there are several processes; call before any array is made.

    Raises: UserError where the flags contradict each other or a process cannot be reached.
    """
    arguments = from_flags(COORDINATOR.value, NUM_PROCESSES.value, PROCESS_ID.value)
    start = None
    if NUM_PROCESSES.value == 1:
        return
    if arguments is None:
        start = find_start(os.environ, has_tpu())
        if start is None:
            return
        arguments = from_start(start)
    elif arguments['process_id'] == 0:
        check_coordinator_port(COORDINATOR.value)
    import jax

    from pairjax.runtime import multihost

    # Its handler of SIGTERM would come before ours, which finishes and saves the epoch.
    jax.config.update('jax_enable_preemption_service', False)
    notice = threading.Timer(rendezvous.NOTICE_SECONDS, _say_waiting, [arguments])
    notice.daemon = True
    notice.start()
    try:
        jax.distributed.initialize(**arguments, shutdown_timeout_seconds=SHUTDOWN_SECONDS)
    except Exception as error:  # Each scheduler fails in a way of its own.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        where = f'{start.by} was found' if start else f'--coordinator={COORDINATOR.value}'
        raise UserError(
            f'{where}, but the processes do not find each other ({reason}); see that all of them '
            'run, or name --coordinator, --num_processes and --process_id (to run this process by '
            'itself, --num_processes=1)'
        ) from error
    finally:
        notice.cancel()
    multihost.set_identity(start.identity if start else '')
    _State.connected = True


def run_together(main: Callable[[], None]) -> None:
    """Runs `main`, which may connect; if it raises in one process, raises in all."""
    failure = None
    try:
        main()
    except Exception as error:
        failure = error
    if _State.connected:
        from pairjax.runtime import multihost

        if not isinstance(failure, multihost.ProcessesApart):
            multihost.raise_on_all('command', lambda: _raise(failure))
    _raise(failure)


def end_at_once(code: int) -> None:
    """Ends this process, with the others, but without waiting for a compiler at work."""
    if _State.connected:
        import jax

        jax.distributed.shutdown()
    _exit(code)


def end_without_others(code: int) -> None:
    """Ends this process where another one has died, for which jax would wait until a timeout."""
    import jax

    if jax.process_index() == 0:
        # jax ends the others as soon as this process has ended: they shall say why first.
        time.sleep(1.0)
    _exit(code)


def _exit(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _raise(error: Exception | None) -> None:
    if error is not None:
        raise error


def from_flags(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> dict[str, Any] | None:
    """Arguments of jax.distributed.initialize, or None where no flag is set or one process alone.

    Raises: UserError where a flag is missing or out of range.
    """
    values = {
        '--coordinator': coordinator,
        '--num_processes': num_processes,
        '--process_id': process_id,
    }
    missing = [name for name, value in values.items() if value is None]
    if len(missing) == 3 or (num_processes == 1 and not process_id):
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


def from_mpi() -> dict[str, Any]:
    """Arguments of jax.distributed.initialize for processes whose launcher MPI alone knows."""
    import numpy as np
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    address = np.zeros(300, np.uint8)
    if world.rank == 0:
        text = f'{socket.gethostname()}:{rendezvous.free_port()}'.encode()
        address[: len(text)] = np.frombuffer(text, np.uint8)
    world.Bcast(address)
    return {
        'coordinator_address': address.tobytes().rstrip(b'\0').decode(),
        'num_processes': world.size,
        'process_id': world.rank,
        # It then finds which of a node's devices are this process's.
        'cluster_detection_method': 'mpi4py',
    }


def from_start(start: Started) -> dict[str, Any]:
    """Arguments of jax.distributed.initialize for a launch; waits until its processes have met.

    Raises: UserError where they do not find each other.
    """
    chosen = any(name in os.environ for name in ('JAX_COORDINATOR_ADDRESS', 'JAX_COORDINATOR_PORT'))
    if start.by_mpi:
        return from_mpi()
    if start.host is None or chosen:
        return {}  # jax asks the scheduler itself.
    if start.process_id == 0:
        port = rendezvous.serve_coordinator_port(start.identity, start.num_processes)
    else:
        port = rendezvous.ask_coordinator_port(start.identity, start.process_id, start.host)
    host = f'[{start.host}]' if ':' in start.host else start.host
    # Which of a node's devices are this process's, jax finds by the scheduler.
    return {
        'coordinator_address': f'{host}:{port}',
        'num_processes': start.num_processes,
        'process_id': start.process_id,
    }


def check_coordinator_port(coordinator: str) -> None:
    """Raises UserError where another program listens there, which jax would share the port with."""
    port = int(coordinator.rpartition(':')[2])
    if not rendezvous.is_free(port):
        raise UserError(
            f'--coordinator={coordinator}: port {port} of this machine, which is that of process '
            '0, is in use; name another port, the same for all processes'
        )


def _say_waiting(arguments: dict[str, Any]) -> None:
    if arguments.get('process_id') == 0:
        others = arguments['num_processes'] - 1
        place = arguments['coordinator_address']
        plural = 'es' * (others > 1)
        print(
            f'waiting for {others} other process{plural} at {place}; {rendezvous.ALONE}',
            file=sys.stderr,
            flush=True,
        )
