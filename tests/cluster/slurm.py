"""A real Slurm of two nodes on one machine, in a folder of its own. Needs root and its daemons."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

NODES = '127.0.0.1', '127.0.0.2'
PROGRAMS = 'srun', 'sbatch', 'scancel', 'slurmctld', 'slurmd', 'munged'
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=10
MinJobAge=600
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=8 State=UNKNOWN
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=8 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=60 State=UP OverSubscribe=YES
"""


def why_not():
    """Why there can be no Slurm here; empty where there can."""
    path = f'{os.environ.get("PATH", "")}:/usr/sbin:/sbin'
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f'{", ".join(missing)} missing: apt-get install slurm-wlm munge'
    return '' if os.geteuid() == 0 else 'only root can start the daemons'


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(('127.0.0.1', 0))
        return [one.getsockname()[1] for one in sockets]


class Slurm:
    """Starts the daemons, and stops them by their process ids.

    Attributes:
      env: with which commands find it.
      slurmd: the process of each node's daemon.
    """

    def __init__(self, folder):
        self.folder, self.env, self.slurmd = folder, slurm_env(folder), {}
        self._daemons = []

    def start(self):
        munge = self.folder / 'munge'
        munge.mkdir(mode=0o711)
        self.folder.chmod(0o755)
        (munge / 'key').write_bytes(os.urandom(1024))
        (munge / 'key').chmod(0o600)
        names = {'key-file': 'key', 'socket': 'socket', 'pid-file': 'pid', 'log-file': 'log'}
        files = [f'--{option}={munge / name}' for option, name in names.items()]
        self._daemon('munged', '--foreground', '--force', *files, f'--seed-file={munge / "seed"}')
        wait_until((munge / 'socket').exists, 'munged')
        (self.folder / 'slurm.conf').write_text(
            CONFIGURATION.format(
                host=socket.gethostname(), folder=self.folder, ports=free_ports(3), nodes=NODES
            )
        )
        self._daemon('slurmctld', '-D', '-i')
        for node in NODES:
            self.start_node(node)
        wait_until(self.is_up, 'two nodes')

    def start_node(self, node):
        self.slurmd[node] = self._daemon('slurmd', '-D', '-N', node)

    def _daemon(self, *command):
        with (self.folder / f'{command[0]}.out').open('ab') as out:
            process = subprocess.Popen(
                command, env=self.env, stdout=out, stderr=out, start_new_session=True
            )
        self._daemons.append(process)
        return process

    def is_up(self):
        return self.run('sinfo', '-h', '-o', '%D %T').stdout.split() == ['2', 'idle']

    def run(self, *command, timeout=300):
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=timeout
        )

    def state(self, job):
        """Such as RUNNING; empty where Slurm does not know the job."""
        return self._about(job, 'JobState')

    def errors(self, job):
        """What the job wrote to its file of errors."""
        path = Path(self._about(job, 'StdErr'))
        return path.read_text() if path.is_file() else ''

    def _about(self, job, key):
        words = self.run('scontrol', '-o', 'show', 'job', str(job)).stdout.split()
        return next((w.partition('=')[2] for w in words if w.startswith(f'{key}=')), '')

    def stop(self):
        self.run('scancel', '--full', '-u', 'root')
        for process in reversed(self._daemons):
            process.terminate()
        for process in self._daemons:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # Where a node's daemon was killed, its steps' are left.
        for pid in leftover_processes(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def leftover_processes(folder):
    """The processes that this Slurm's daemons left behind, by their environment."""
    mark = f'SLURM_CONF={folder}/slurm.conf'.encode()
    for directory in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):
            if mark in (directory / 'environ').read_bytes() and int(directory.name) != os.getpid():
                yield int(directory.name)


def slurm_env(folder):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(('SLURM_', 'OMPI_', 'PMI'))}
    path = f'{kept.get("PATH", "")}:/usr/sbin:/sbin'
    return kept | {'SLURM_CONF': f'{folder}/slurm.conf', 'PATH': path}


def wait_until(condition, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f'{what} took more than {seconds} seconds'
        time.sleep(0.1)
