"""Says so where a machine has an accelerator that jax does not use."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import jax

from pairjax.runtime.schedulers import has_accelerator_devices

# As jax itself looks for them (jax/_src/hardware_utils.py in 0.10.2 and 0.12.0); /dev/dxg is WSL's.
_NVIDIA = 'dev/nvidia0', 'dev/nvidiactl', 'dev/dxg'
_GOOGLE_PCI_VENDOR = '0x1ae0'
# Of the Linux driver, https://docs.jax.dev/en/latest/installation.html
_FIRST_DRIVER_OF_CUDA_13 = 580


def unused_accelerator(
    platform: str, environment: Mapping[str, str] = os.environ, root: Path = Path('/')
) -> str:
    """What to install so that jax uses the NVIDIA card or the TPU of this machine.

    Args:
      platform: what jax computes on, such as `jax.default_backend()`.
      environment: where JAX_PLATFORMS is set, somebody chose, and nothing is said.
      root: of the file system, for tests.

    Returns: one sentence, empty where there is nothing to say.
    """
    if platform != 'cpu' or environment.get('JAX_PLATFORMS'):
        return ''
    if any((root / name).exists() for name in _NVIDIA):
        found, extra = 'an NVIDIA card', f'cuda{_cuda_version(root)}'
    elif _has_tpu_chips(root):
        found, extra = 'TPU chips', 'tpu'
    else:
        return ''
    return (
        f'this machine has {found}, but jax computes on its CPU; '
        f'pip install "jax[{extra}]=={jax.__version__}" mends that, JAX_PLATFORMS=cpu this message'
    )


def _cuda_version(root: Path) -> int:
    """The newest one that jax offers and the driver knows; the newest where there is no telling."""
    try:
        text = (root / 'proc/driver/nvidia/version').read_text()
    except OSError:
        return 13
    match = re.search(r'^NVRM version:.*?\s(\d{3,4})\.\d+', text, re.MULTILINE)
    return 12 if match and int(match[1]) < _FIRST_DRIVER_OF_CUDA_13 else 13


def _has_tpu_chips(root: Path) -> bool:
    for path in (root / 'sys/bus/pci/devices').glob('*/vendor'):
        try:
            if path.read_text().strip() == _GOOGLE_PCI_VENDOR:
                # Google's network cards have the same vendor; accelerators a driver of their own.
                return has_accelerator_devices(root)
        except OSError:
            continue
    return False
