"""Pearson correlations of all pairs of columns at once, each pair over the rows where both are present."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jaxsynth.quality.frames import Floats

# Below this share of its mean square, a pair's variance is computed anew from the cells: the sums that
# serve all pairs at once have lost its digits, or it is zero.
_CANCELLED = 1e-7


def correlations(columns: list[Floats]) -> Floats:
    """Pearson correlation matrix under pairwise deletion.

    Args:
        columns: d arrays of float64 (n,), NaN for null.

    Returns:
        float64 (d, d), symmetric; NaN where fewer than two rows have both cells, or one is constant in them.
    """
    if not columns:
        return np.zeros((0, 0))
    cells, present = _standardised(columns)
    mask = present.astype(np.float64)
    n = mask.T @ mask
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (cells.T @ mask) / n  # [i, j]: mean of column i over the rows where j is present too
        square = ((cells * cells).T @ mask) / n
        variance = square - mean * mean
        r = ((cells.T @ cells) / n - mean * mean.T) / np.sqrt(variance * variance.T)
    doubtful = ~(variance > _CANCELLED * square)
    r = np.where(n >= 2, np.clip(r, -1.0, 1.0), np.nan)
    for i, j in np.argwhere(np.triu(doubtful | doubtful.T, 1) & (n >= 2)):
        r[i, j] = r[j, i] = _one(columns[i], columns[j])
    return r


def _standardised(columns: list[Floats]) -> tuple[Floats, NDArray[np.bool_]]:
    """Cells centred and scaled by column, nulls as 0; and where they are present. Both (n, d)."""
    cells = np.stack(columns, axis=1)
    present = ~np.isnan(cells)
    count = np.maximum(present.sum(axis=0), 1)
    cells -= np.where(present, cells, 0.0).sum(axis=0) / count
    cells[~present] = 0.0
    largest = np.abs(cells).max(axis=0, initial=0.0)
    cells /= np.where(largest > 0, largest, 1.0)
    scale = np.sqrt(np.square(cells).sum(axis=0) / count)
    cells /= np.where(scale > 0, scale, 1.0)
    return cells, present


def _one(a: Floats, b: Floats) -> float:
    both = ~(np.isnan(a) | np.isnan(b))
    x, y = _unit(a[both]), _unit(b[both])
    return float("nan") if x is None or y is None else float(np.clip(x @ y, -1.0, 1.0))


def _unit(values: Floats) -> Floats | None:
    """Centred and of length one; None if constant."""
    if (values == values[0]).all():
        return None
    centred = values - values.mean()
    largest = np.abs(centred).max()
    if not largest:
        return None
    centred = centred / largest
    return np.asarray(centred / np.sqrt(np.square(centred).sum()), np.float64)
