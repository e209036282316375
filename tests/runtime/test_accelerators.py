"""What is said of an accelerator that jax does not use."""

import jax
import pytest

from pairjax.runtime.accelerators import unused_accelerator

NVRM = 'NVRM version: NVIDIA UNIX {}x86_64 Kernel Module  {}  Release Build\nGCC version: 12.2.0\n'


def machine(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ('files', 'extra'),
    [
        ({'dev/nvidia0': ''}, 'cuda13'),
        ({'dev/nvidiactl': ''}, 'cuda13'),
        ({'dev/dxg': ''}, 'cuda13'),
        ({'dev/nvidia0': '', 'proc/driver/nvidia/version': NVRM.format('', '580.65.06')}, 'cuda13'),
        (
            {'dev/nvidia0': '', 'proc/driver/nvidia/version': NVRM.format('Open ', '570.124.06')},
            'cuda12',
        ),
        ({'sys/bus/pci/devices/0000:00:04.0/vendor': '0x1ae0\n', 'dev/accel0': ''}, 'tpu'),
        ({'sys/bus/pci/devices/0000:00:04.0/vendor': '0x1ae0\n', 'dev/vfio/0': ''}, 'tpu'),
    ],
)
def test_what_to_install_is_named(tmp_path, files, extra):
    text = unused_accelerator('cpu', {}, machine(tmp_path, files))
    assert f'pip install "jax[{extra}]=={jax.__version__}"' in text
    assert ('NVIDIA' in text) == (extra != 'tpu')
    # Not where it is used, nor where somebody chose.
    assert unused_accelerator('gpu', {}, tmp_path) == ''
    assert unused_accelerator('cpu', {'JAX_PLATFORMS': 'cpu'}, tmp_path) == ''


@pytest.mark.parametrize(
    'files',
    [
        {},
        # A network card of Google's, on its virtual machines.
        {'sys/bus/pci/devices/0000:00:05.0/vendor': '0x1ae0\n'},
        {'sys/bus/pci/devices/0000:00:05.0/vendor': '0x8086\n', 'dev/vfio/0': ''},
    ],
)
def test_nothing_is_said_of_other_machines(tmp_path, files):
    assert unused_accelerator('cpu', {}, machine(tmp_path, files)) == ''
