"""The bootstrap interval of a ratio of stds, which has no t interval over paired seeds."""

import warnings
from collections.abc import Sequence

import numpy as np

# What adding and subtracting does to equal values, relative to their size.
ROUNDING = 1e-12
NUM_RESAMPLES = 9999
TAIL = 0.025
# With fewer values a tail at 95 % is rarer than one resample.
FEWEST_VALUES = 5


def std_ratio(
    a: Sequence[float], b: Sequence[float]
) -> tuple[float | None, float | None, float | None]:
    """Std of a over that of b with its 95 % interval: (ratio, low, high).

    The interval is BCa (Efron 1987) by scipy.stats.bootstrap, which resamples seeds. It is a little
    narrow: of 1,500 simulated pairs of normal arms with half the variance in common it covers 91 %
    at n = 5, 92 % at 10, 93 % at 20 and 94 % at 50.

    Args:
      a, b: one number per seed, the same seeds in the same order.

    Returns: the ratio is None below two values and where all b are equal. The interval is None also
      below five values, where BCa does not exist, where all resamples give the same ratio, and
      where those that give none (all their b are equal) are more than a tail.
    """
    if len(b) < 2 or np.ptp(b) == 0:
        return None, None, None
    samples = np.asarray(a, np.float64), np.asarray(b, np.float64)
    ratio, options = float(_ratio_of_stds(*samples)), {'paired': True, 'rng': 0}
    if len(b) < FEWEST_VALUES:
        return ratio, None, None
    import scipy.stats  # Takes a second, which training, where nothing is bootstrapped, need not.

    with warnings.catch_warnings(action='ignore'), np.errstate(all='ignore'):
        drawn = scipy.stats.bootstrap(
            samples, _ratio_of_stds, n_resamples=NUM_RESAMPLES, method='percentile', **options
        )
        ratios = drawn.bootstrap_distribution
        drawn.bootstrap_distribution = ratios = ratios[np.isfinite(ratios)]
        if len(ratios) < (1 - TAIL) * NUM_RESAMPLES:
            return ratio, None, None
        if np.ptp(ratios) <= ROUNDING * np.abs(ratios).max():
            return ratio, None, None
        low, high = scipy.stats.bootstrap(
            samples, _ratio_of_stds, n_resamples=0, bootstrap_result=drawn, **options
        ).confidence_interval
    exists = np.isfinite([low, high]).all()
    return (ratio, float(low), float(high)) if exists else (ratio, None, None)


def _ratio_of_stds(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    # The std of equal values is zero, whatever rounding makes of their mean.
    over, under = (np.std(x, axis, ddof=1) * (np.ptp(x, axis) > 0) for x in (a, b))
    return over / under
