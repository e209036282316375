"""Bootstrap intervals of statistics that have no t interval."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# What adding and subtracting does to equal values, relative to their size.
ROUNDING = 1e-12


def bootstrap_interval(
    statistic: Callable[..., Any],
    *samples: Sequence[float],
    paired: bool = False,
    confidence: float = 0.95,
    num_resamples: int = 9999,
    seed: int = 0,
) -> tuple[float | None, float | None]:
    """Bootstrap interval of a statistic: BCa (Efron 1987) by scipy.stats.bootstrap.

    Where leaving out any one value changes nothing, as with a median between ties, BCa does not
    exist and the percentile interval is given. Resamples in which the statistic has no value, such
    as a ratio to a std of zero, are left out.

    Args:
      statistic: function of the samples as arrays; much faster where it takes the keyword `axis`.
      *samples: one or several, each of at least two values.
      paired: whether to resample all samples together, else each on its own.
      confidence: of the interval.
      num_resamples, seed: of the resampling.

    Returns: (low, high); both None where a sample is so small (below five values at 95 %) that a
      tail is rarer than one resample, where all resamples give the same value, or where those
      without a value are more than a tail.
    """
    import scipy.stats  # Takes a second, which training, where nothing is bootstrapped, need not.

    tail = (1 - confidence) / 2
    size = min(len(sample) for sample in samples)
    if size < 2 or math.comb(2 * size - 1, size) * tail < 1:
        return None, None
    samples = [np.asarray(sample, np.float64) for sample in samples]
    options = {'paired': paired, 'confidence_level': confidence, 'rng': seed}
    with warnings.catch_warnings(action='ignore'), np.errstate(all='ignore'):
        result = scipy.stats.bootstrap(
            samples, statistic, n_resamples=num_resamples, method='percentile', **options
        )
        values = result.bootstrap_distribution
        result.bootstrap_distribution = values = values[np.isfinite(values)]
        if len(values) < (1 - tail) * num_resamples:
            return None, None
        if np.ptp(values) <= ROUNDING * np.abs(values).max():
            return None, None
        for method in ('BCa', 'percentile'):
            options |= {'method': method, 'n_resamples': 0, 'bootstrap_result': result}
            interval = scipy.stats.bootstrap(samples, statistic, **options).confidence_interval
            if np.isfinite(interval).all():
                break
    return float(interval.low), float(interval.high)


def std_ratio(
    a: Sequence[float], b: Sequence[float], paired: bool = True
) -> tuple[float | None, float | None, float | None]:
    """Std of a over that of b with its 95 % BCa interval: (ratio, low, high).

    The interval is a little narrow: of 1,500 simulated pairs of normal arms with half the variance
    in common it covers 91 % at n = 5, 92 % at 10, 93 % at 20 and 94 % at 50.

    Args:
      a, b: one number per seed; the same seeds in the same order where paired.

    Returns: the ratio is None below two values and where all b are equal; the interval where
      `bootstrap_interval` has none.
    """
    if min(len(a), len(b)) < 2 or np.ptp(b) == 0:
        return None, None, None
    low, high = bootstrap_interval(_ratio_of_stds, a, b, paired=paired)
    return float(_ratio_of_stds(np.asarray(a), np.asarray(b))), low, high


def _ratio_of_stds(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    # The std of equal values is zero, whatever rounding makes of their mean.
    over, under = (np.std(x, axis, ddof=1) * (np.ptp(x, axis) > 0) for x in (a, b))
    return over / under
