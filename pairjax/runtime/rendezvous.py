"""Where the processes of one launch meet: process 0 chooses a free port and tells the others.

A launch is one job step, or one mpirun.

jax derives the coordinator's port from the number of the job alone, so that two steps of a job meet
on one port and take each other's processes for their own. Here process 0 waits at one of a few
ports that follow from the identity of the launch, and tells the port of its coordinator to whoever
proves the same identity. Loads no jax.
"""

import errno
import hashlib
import json
import random
import socket
import sys
import time
from collections.abc import Collection

from pairjax.errors import UserError

# jax's own range for coordinators, above the ports that Linux gives to outgoing connections.
FIRST_PORT, LAST_PORT = 61440, 65535
# How many ports process 0 may listen on; it takes the first free one.
NUM_CANDIDATES = 16
# The timeout of jax's own initialization.
TIMEOUT_SECONDS = 300.0
# After this long, missing processes are named; waiting continues.
NOTICE_SECONDS = 2.0
ALONE = 'to run this process by itself, pass --num_processes=1'


def candidate_ports(identity: str) -> list[int]:
    """The ports on which process 0 of a launch can be asked, in order."""
    digest = hashlib.shake_256(identity.encode()).digest(4 * NUM_CANDIDATES)
    words = (digest[start : start + 4] for start in range(0, len(digest), 4))
    number = LAST_PORT + 1 - FIRST_PORT
    return [FIRST_PORT + int.from_bytes(word, 'little') % number for word in words]


def free_port() -> int:
    """A port on which nothing listens on this machine."""
    for port in random.SystemRandom().sample(range(FIRST_PORT, LAST_PORT + 1), 200):
        if is_free(port):
            return port
    raise UserError(
        f'none of 200 ports from {FIRST_PORT} to {LAST_PORT} is free on {socket.gethostname()}; '
        'name a --coordinator of another machine'
    )


def is_free(port: int) -> bool:
    """Whether nothing listens on that port of this machine."""
    try:
        _listen(port).close()
    except OSError:
        return False
    return True


def serve_coordinator_port(
    identity: str, num_processes: int, timeout: float = TIMEOUT_SECONDS
) -> int:
    """In process 0: chooses the coordinator's port, and returns it once all others know it.

    Args:
      identity: of the launch.
      num_processes: of the launch, with this one.
      timeout: seconds to wait for all.

    Raises: UserError naming the processes that did not come.
    """
    port, missing = free_port(), set(range(1, num_processes))
    started, noticed = time.monotonic(), False
    with _first_free(candidate_ports(identity)) as listener:
        while missing:
            waited = time.monotonic() - started
            if waited > timeout:
                raise UserError(
                    f'{_named(missing)} of {identity} did not come within {timeout:g} seconds; see '
                    f'that all of its {num_processes} run; {ALONE}'
                )
            if waited > NOTICE_SECONDS and not noticed:
                noticed = True
                _say(f'waiting for {_named(missing)} of {identity} ({num_processes} in all)')
            listener.settimeout(0.2)
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                missing.discard(_answer(connection, identity, num_processes, port))
    return port


def ask_coordinator_port(
    identity: str, process_id: int, host: str, timeout: float = TIMEOUT_SECONDS
) -> int:
    """In another process than 0: the port of the coordinator on the host of process 0.

    Raises: UserError where process 0 of this launch is not found.
    """
    started, noticed, error = time.monotonic(), False, None
    while (waited := time.monotonic() - started) < timeout:
        for port in candidate_ports(identity):
            try:
                with socket.create_connection((host, port), timeout=2.0) as connection:
                    _send(connection, {'identity': identity, 'process': process_id})
                    answer = _receive(connection)
                if answer.get('identity') == identity:
                    return int(answer['port'])
            except (OSError, ValueError, KeyError, TypeError) as raised:
                error = raised
        if waited > 5 * NOTICE_SECONDS and not noticed:
            noticed = True
            _say(f'process {process_id} waits for process 0 of {identity} on {host}')
        time.sleep(0.1)
    raise UserError(
        f'process 0 of {identity} is not found on {host} within {timeout:g} seconds ({error}); see '
        f'that it runs there, or name --coordinator, --num_processes and --process_id; {ALONE}'
    )


def _answer(connection: socket.socket, identity: str, num_processes: int, port: int) -> int | None:
    """Tells the port to a process of the same launch, and returns its number; else None."""
    connection.settimeout(2.0)
    try:
        asked = _receive(connection)
        process = asked.get('process')
        if asked.get('identity') == identity and process in range(1, num_processes):
            _send(connection, {'identity': identity, 'port': port})
            return process
    except (OSError, ValueError, TypeError, AttributeError):
        pass  # Not a process of this launch.
    return None


def _first_free(ports: Collection[int]) -> socket.socket:
    """Listens on the first of these ports that is free."""
    for port in ports:
        try:
            return _listen(port)
        except OSError as raised:
            error = raised
    raise UserError(
        f'none of the ports {", ".join(map(str, ports))} is free on {socket.gethostname()} '
        f'({error}); name --coordinator, --num_processes and --process_id'
    )


def _listen(port: int) -> socket.socket:
    """A socket that listens on the port; raises OSError where it is taken, by IPv4 or IPv6."""
    try:
        return socket.create_server(('', port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError) as error:
        # Without IPv6 in the kernel or in this container.
        if socket.has_dualstack_ipv6() and not _is_without_ipv6(error):
            raise
        return socket.create_server(('', port))


def _is_without_ipv6(error: Exception) -> bool:
    return getattr(error, 'errno', None) in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def _send(connection: socket.socket, message: dict) -> None:
    connection.sendall(json.dumps(message).encode() + b'\n')


def _receive(connection: socket.socket) -> dict:
    """One line of JSON, of at most 4 KiB."""
    line = b''
    while not line.endswith(b'\n'):
        part = connection.recv(4096)
        if not part or len(line) > 4096:
            raise ValueError('the connection ended')
        line += part
    return json.loads(line)


def _named(processes: Collection[int]) -> str:
    """Such as process 3, or processes 1 to 3, or processes 1, 2, 5, ..."""
    first, *others = ordered = sorted(processes)
    if not others:
        return f'process {first}'
    if ordered == list(range(first, ordered[-1] + 1)):
        return f'processes {first} to {ordered[-1]}'
    return f'processes {", ".join(map(str, ordered[:8]))}{", ..." if len(ordered) > 8 else ""}'


def _say(text: str) -> None:
    print(f'{text}; {ALONE}', file=sys.stderr, flush=True)
