"""Noisy counts made non-negative with a known sum: the nearest such vector in weighted least squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def to_simplex(noisy: Floats, variance: Floats, total: Floats) -> Floats:
    """Minimise sum((x - noisy)^2 / variance) over x >= 0 with sum(x) = total, row by row.

    The solution is max(noisy - t * variance, 0) for one t a row (Duchi et al. 2008 for equal variances).

    Args:
        noisy: shape (r, c), c >= 1.
        variance: shape (r, c), positive.
        total: shape (r,), non-negative.
    """
    order = np.argsort(-noisy / variance, axis=1)
    y, v = np.take_along_axis(noisy, order, 1), np.take_along_axis(variance, order, 1)
    # t of the first 1, 2, ... entries; the right one is the last that leaves all of its own entries positive.
    t = (np.cumsum(y, axis=1) - total[:, None]) / np.cumsum(v, axis=1)
    last = np.maximum((y > t * v).sum(axis=1) - 1, 0)
    return np.maximum(noisy - np.take_along_axis(t, last[:, None], 1) * variance, 0.0)
