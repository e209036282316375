"""Statistics over seeds. No jax in here."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.special


def describe(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean over seeds with its deviation and 95 % interval.

    Args:
      values: one number per seed; None for a seed that failed, which does not count.

    Returns:
      mean; std with n - 1; ci95, the Student t interval [low, high] of the mean;
      values as given. Whatever n does not allow is None.
    """
    valid = np.array([v for v in values if v is not None], np.float64)
    n = len(valid)
    mean = float(valid.mean()) if n else None
    std = float(valid.std(ddof=1)) if n > 1 else None
    ci95 = None
    if std is not None:
        half_width = float(scipy.special.stdtrit(n - 1, 0.975)) * std / math.sqrt(n)
        ci95 = [mean - half_width, mean + half_width]
    return {'mean': mean, 'std': std, 'ci95': ci95, 'values': list(values)}
