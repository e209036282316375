"""Constants of Winograd's minimal filtering, for one tile that covers a whole image.

m outputs of a filter with r taps need only m + r - 1 products, not m r: values of the filter and
of the signal at m + r - 1 points are multiplied point by point, and the outputs are interpolated
from the products (Toom and Cook; S. Winograd, "Arithmetic Complexity of Computations", 1980;
for two-dimensional convolutions A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural
Networks", 2016). Written with matrices, y = A [(G k) * (B x)].
"""

import functools

import numpy as np

# Small points with their negatives and reciprocals keep the interpolation well conditioned
# (Lavin and Gray 2016); the last point is always infinity. The eighth costs a digit: of ten that
# were tried it costs least.
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 1.25)
MOST_OUTPUTS = 6


def minimal_filter(num_outputs, num_taps):
    """One-dimensional minimal filtering F(num_outputs, num_taps).

    Returns float64 matrices B (p, p), G (p, num_taps) and A (num_outputs, p) with
    p = num_outputs + num_taps - 1 <= 9, such that y = A @ ((G @ k) * (B @ x)) is
    y[i] = sum_j k[j] x[i + j].
    """
    num_points = num_outputs + num_taps - 1
    points = np.array(POINTS[: num_points - 1])

    def evaluation(degree):
        """Values at the points of a polynomial given by its `degree` coefficients."""
        at_infinity = np.eye(degree)[-1:]
        return np.vstack([np.vander(points, degree, increasing=True), at_infinity])

    interpolation = np.linalg.inv(evaluation(num_points)).T
    filter_values = evaluation(num_taps)
    # Any row scale may move from G to B. Rows of G that sum to 1 keep the values of a filter as
    # large as the filter, hence the products as large as the outputs.
    scale = np.abs(filter_values).sum(axis=1, keepdims=True)
    return interpolation * scale, filter_values / scale, evaluation(num_outputs).T


def _one_side(length, size, padding, num_outputs):
    """`minimal_filter` whose B reads the unpadded side: zeros need no columns."""
    transform, filter_values, outputs = minimal_filter(num_outputs, size)
    unpadded = np.zeros((len(transform), length))
    read = min(length, len(transform) - padding)
    unpadded[:, :read] = transform[:, padding : padding + read]
    return unpadded, filter_values, outputs


@functools.cache
def tile_matrices(height, width, size, padding, pool):
    """Two-dimensional matrices of a convolution that is followed by a max-pool.

    Returns float64 matrices B (points, height * width), G (points, size * size) and
    A (pool * pool * windows, points). The zeros of the padding and the outputs that no pooling
    window reads are left out, and the rows of A are ordered by place in the window first (row,
    column), then by window, so that the pool is a maximum over contiguous slices.
    """
    rows = (height + 2 * padding - size + 1) // pool
    columns = (width + 2 * padding - size + 1) // pool
    vertical = _one_side(height, size, padding, rows * pool)
    horizontal = _one_side(width, size, padding, columns * pool)
    inputs, taps, outputs = (np.kron(v, h) for v, h in zip(vertical, horizontal, strict=True))
    order = np.arange(len(outputs)).reshape(rows, pool, columns, pool).transpose(1, 3, 0, 2)
    return inputs, taps, outputs[order.ravel()]
