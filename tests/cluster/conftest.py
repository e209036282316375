"""What tests with a real scheduler share. `make cluster` runs them; `make test` leaves them out."""

import os
import shutil
import sys

import pytest
import slurm as slurm_daemons
from processes import ROOT


class Experiment:
    """Commands that train tests/cluster/small_config.py and share what they compile."""

    def __init__(self, folder, digits):
        self.folder = folder
        self.digits = shutil.copy(digits, folder / 'digits.npz')
        self.env = {
            'PYTHONPATH': str(ROOT),
            'JAX_COMPILATION_CACHE_DIR': str(folder / 'compiled'),
            'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
            'PAIRJAX_CACHE_DIR': os.environ['PAIRJAX_CACHE_DIR'],
        }

    def command(self, workdir, *flags):
        return [
            *(sys.executable, 'launch/main.py', '--config=tests/cluster/small_config.py'),
            *(f'--config.data.dir={self.digits}', f'--workdir={workdir}', *flags),
        ]


@pytest.fixture(scope='session')
def experiment(tmp_path_factory, small_digits_path):
    return Experiment(tmp_path_factory.mktemp('experiment'), small_digits_path)


@pytest.fixture(scope='session')
def slurm(tmp_path_factory):
    reason = slurm_daemons.why_not()
    if reason:
        pytest.skip(reason)
    daemons = slurm_daemons.Slurm(tmp_path_factory.mktemp('slurm'))
    try:
        daemons.start()
        yield daemons
    finally:
        daemons.stop()
