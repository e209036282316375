"""Commands in processes of their own that need not import jax again: forked from one that has.

For tests of what a command does once it runs; how long it takes to start, what it imports, and
limits that only a new program meets are tested with real ones.
"""

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_CONTEXT = multiprocessing.get_context('forkserver')
# None of these starts a thread or a backend of jax.
_PRELOADED = 'runtime.experiment', 'reporting.console', 'inference.evaluate_workdir'
_CONTEXT.set_forkserver_preload([f'pairjax.{name}' for name in _PRELOADED])


def _live(arguments, env, out, err):
    """A process of the command, from its start to its end."""
    os.environ.clear()
    os.environ.update(env)
    for number, connection in ((1, out), (2, err)):
        os.dup2(connection.fileno(), number)
    # Those of the server know another file.
    sys.stdout = os.fdopen(1, 'w', closefd=False)
    sys.stderr = os.fdopen(2, 'w', 1, closefd=False)
    os.chdir(ROOT)
    import jax

    # What jax reads when it is imported.
    if 'JAX_COMPILATION_CACHE_DIR' in env:
        jax.config.update('jax_compilation_cache_dir', env['JAX_COMPILATION_CACHE_DIR'])
        seconds = float(env.get('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '1'))
        jax.config.update('jax_persistent_cache_min_compile_time_secs', seconds)
    sys.argv = list(arguments)
    try:
        runpy.run_path(arguments[0], run_name='__main__')
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()


class ForkedCommand:
    """`python ARGUMENTS` in the root of the repository, with what tests use of subprocess.Popen.

    Attributes:
      args: the command, as Popen has it.
      pid: of the process.
      returncode: None until `poll`, `wait` or `communicate` has seen its end.
      stdout: text that can be read line by line, and so stderr.
    """

    def __init__(self, command, env):
        self.args = list(command)
        readers, writers = zip(*(_CONTEXT.Pipe(duplex=False) for _ in range(2)), strict=True)
        self._process = _CONTEXT.Process(target=_live, args=(self.args[1:], dict(env), *writers))
        self._process.start()
        self.stdout, self.stderr = (os.fdopen(os.dup(r.fileno()), 'r') for r in readers)
        for connection in (*readers, *writers):
            connection.close()
        self.pid = self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self._process.exitcode

    def send_signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout=None):
        """What it wrote until its end: out, err."""
        found, deadline = {}, timeout and time.monotonic() + timeout
        streams = {'out': self.stdout, 'err': self.stderr}

        def read(name):
            found[name] = streams[name].read()

        open_ones = [name for name, stream in streams.items() if not stream.closed]
        readers = [threading.Thread(target=read, args=(name,)) for name in open_ones]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(deadline and max(0, deadline - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout)
        for stream in streams.values():
            stream.close()
        self.wait(deadline and max(1, deadline - time.monotonic()))
        return found.get('out', ''), found.get('err', '')


def run_command(command, env=None, timeout=300):
    """As subprocess.run(capture_output=True, text=True)."""
    process = ForkedCommand(command, env or os.environ)
    try:
        out, err = process.communicate(timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(command, process.returncode, out, err)
