"""The most confident mistakes in the HTML report."""

import numpy as np

from pairjax.analysis.error_analysis import PairPredictions, confident_mistakes

MOST_MISTAKES = 24


def choose_mistakes(predictions: PairPredictions) -> list[tuple[tuple[int, int], np.ndarray]]:
    """The most confident wrong predictions, the most confident first.

    Returns: of each its run and its place among the run's pairs, and its images, (2, 14, 14) uint8.
    """
    chosen = confident_mistakes(predictions, MOST_MISTAKES)
    if not chosen:
        return []
    images = predictions.images[np.concatenate([predictions.pairs[place] for place in chosen])]
    return list(zip(chosen, brightened(images).reshape(-1, 2, 14, 14), strict=True))


def brightened(images: np.ndarray) -> np.ndarray:
    """Images of any scale as uint8, the darkest pixel of all of them 0 and the brightest 255."""
    images = images.astype(np.float64)
    low, high = images.min(), images.max()
    return np.round(255 * (images - low) / max(high - low, 1e-30)).astype(np.uint8)


def probability_text(probability: float) -> str:
    """A probability in percent, without ever rounding to certainty."""
    text = f'{100 * probability:.2f} %'
    if probability >= 0.99995:
        text = '> 99.99 %'
    elif probability < 0.00005:
        text = '< 0.01 %'
    return text.replace(' ', '\N{NO-BREAK SPACE}')
