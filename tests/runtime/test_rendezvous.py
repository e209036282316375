"""Processes of one start find each other, and those of two starts never meet."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from pairjax.errors import UserError
from pairjax.runtime import rendezvous


def meet(identities, num_processes, timeout=20.0):
    """All processes of some starts at once: for each start the port that each of its ends with."""

    def port(identity, process):
        if process == 0:
            return rendezvous.serve_coordinator_port(identity, num_processes, timeout)
        return rendezvous.ask_coordinator_port(identity, process, 'localhost', timeout)

    places = [(identity, process) for process in (2, 0, 1) for identity in identities]
    with ThreadPoolExecutor(len(places)) as executor:
        ports = list(executor.map(port, *zip(*places, strict=True)))
    return [
        {port for (identity, _), port in zip(places, ports, strict=True) if identity == one}
        for one in identities
    ]


def test_starts_that_share_every_port_do_not_meet(monkeypatch):
    """As steps of one job would, whose ports follow from the number of the job."""
    candidates = rendezvous.candidate_ports('one')
    monkeypatch.setattr(rendezvous, 'candidate_ports', lambda identity: candidates)
    found = meet(['one', 'two', 'three'], 3)
    assert all(len(ports) == 1 for ports in found)
    assert len(set.union(*found)) == 3


def test_ports_follow_from_the_identity_and_are_in_range():
    first, second = map(rendezvous.candidate_ports, ('SLURM step 7.0', 'SLURM step 7.1'))
    assert first == rendezvous.candidate_ports('SLURM step 7.0') and first != second
    assert len(set(first)) > 10
    assert all(rendezvous.FIRST_PORT <= port <= rendezvous.LAST_PORT for port in first + second)


def test_whoever_is_missing_is_named_at_once_and_in_the_end(monkeypatch, capsys):
    monkeypatch.setattr(rendezvous, 'NOTICE_SECONDS', 0.1)
    words = r'processes 1 to 3 of a step did not come within 0.5 seconds.*--num_processes=1'
    with pytest.raises(UserError, match=words):
        rendezvous.serve_coordinator_port('a step', 4, timeout=0.5)
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        'waiting for processes 1 to 3 of a step (4 in all); to run this process by itself, pass '
        '--num_processes=1'
    )


def test_without_process_0_there_is_a_sentence(monkeypatch):
    monkeypatch.setattr(rendezvous, 'NOTICE_SECONDS', 0.0)
    with pytest.raises(UserError, match='process 0 of nobody is not found on localhost'):
        rendezvous.ask_coordinator_port('nobody', 1, 'localhost', timeout=0.3)


@pytest.mark.parametrize(
    'said',
    [
        b'',
        b'GET / HTTP/1.1\r\n\r\n',
        json.dumps({'identity': 'other', 'process': 1}).encode() + b'\n',
        json.dumps({'identity': 'one', 'process': 7}).encode() + b'\n',
        b'[1]\n',
    ],
)
def test_strangers_are_told_nothing(said):
    with ThreadPoolExecutor(1) as executor:
        inviting = executor.submit(rendezvous.serve_coordinator_port, 'one', 2, 20.0)
        while True:
            try:
                port = rendezvous.candidate_ports('one')[0]
                with socket.create_connection(('localhost', port), 5) as stranger:
                    stranger.sendall(said)
                    stranger.shutdown(socket.SHUT_WR)
                    assert stranger.recv(1000) == b''
                break
            except ConnectionRefusedError:
                continue
        assert rendezvous.ask_coordinator_port('one', 1, 'localhost', 20.0) == inviting.result()


def test_a_port_in_use_is_not_free():
    with socket.socket() as listener:
        listener.bind(('localhost', 0))
        listener.listen()
        assert not rendezvous.is_free(listener.getsockname()[1])
    assert rendezvous.is_free(rendezvous.free_port())
