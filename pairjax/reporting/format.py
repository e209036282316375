"""How figures read in generated documents: percent, points, intervals. No jax in here."""

from collections.abc import Sequence

import pandas as pd

from pairjax.analysis.statistics import PairedComparison


def points(difference: float | None) -> str:
    """A difference of accuracies in percentage points, signed."""
    return '-' if difference is None else f'{100 * difference:+z.2f}'


def interval(paired: PairedComparison) -> tuple[float, float] | tuple[None, None]:
    """The 95 % interval of a paired difference; (None, None) where n allows none."""
    return paired.ci95 or (None, None)


def span(low: float | None, high: float | None, form: str) -> str:
    """An interval in brackets; a dash where there is none."""
    return '[-]' if low is None or high is None else f'[{low:{form}}, {high:{form}}]'


def points_span(low: float | None, high: float | None) -> str:
    """An interval of a difference in percentage points."""
    return '[-]' if low is None or high is None else f'[{points(low)}, {points(high)}]'


def paired_text(paired: PairedComparison) -> str:
    """A paired difference in points with its interval and n."""
    return f'{points(paired.mean)} points {points_span(*interval(paired))} (n = {paired.n})'


def mean_text(values: pd.Series) -> str:
    """A mean in percent with its n."""
    return f'{100 * values.mean():.2f} % (n = {len(values)})' if len(values) else '-'


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names with commas; beyond `most` of them only how many more there are."""
    text = ', '.join(names[:most])
    return text if len(names) <= most else f'{text} and {len(names) - most} more'
