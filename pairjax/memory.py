"""How much memory there is, to refuse at once what can never fit. No jax in here."""

import math
import os


def machine_bytes() -> float:
    """The bytes of this machine's memory; infinity where the system does not say."""
    try:
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf.
        return math.inf


def gigabytes(num_bytes: float) -> str:
    """Bytes in words, such as 1.5 GB."""
    return f'{num_bytes / 1e9:.3g} GB'
