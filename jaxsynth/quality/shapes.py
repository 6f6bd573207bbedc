"""How far one column's distribution is off: Kolmogorov-Smirnov or total variation distance, nulls left out.

Both are `1 - score` of the metrics that sdmetrics' quality report uses for column shapes (KSComplement,
TVComplement), computed here from sorted cells and level counts.
"""

from __future__ import annotations

import numpy as np

from jaxsynth.quality.frames import Codes, Floats, Frame, Frames
from jaxsynth.quality.result import ColumnScore
from jaxsynth.schema.column import Column

_DECIMALS = 14  # sdmetrics rounds cells to this before comparing, so that 0.1 + 0.2 equals 0.3
_ROUND_BELOW = 1e3  # a double of this size has no 14th decimal to round


def column_scores(frames: Frames) -> tuple[ColumnScore, ...]:
    """One score a column, in schema order."""
    return tuple(_score(column, frames) for column in frames.columns)


def _score(column: Column, frames: Frames) -> ColumnScore:
    base = frames.train.missing(column.name)
    return ColumnScore(
        name=column.name,
        kind=column.kind,
        error=_error(column, frames.train, frames.synthetic),
        floor=_error(column, frames.train, frames.holdout),
        missing=frames.synthetic.missing(column.name) - base,
        missing_real=frames.holdout.missing(column.name) - base,
    )


def _error(column: Column, real: Frame, other: Frame) -> float | None:
    if column.is_numeric:
        return ks_distance(real.numbers[column.name], other.numbers[column.name])
    return tv_distance(real.codes[column.name], other.codes[column.name])


def ks_distance(a: Floats, b: Floats) -> float | None:
    """Largest gap between two empirical distribution functions.

    Args:
        a: float64 (n,), NaN for null.
        b: float64 (m,), NaN for null.

    Returns:
        In [0, 1]; None if either has no value.

    Example:
        >>> ks_distance(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
        0.5
    """
    x, y = _sorted_values(a), _sorted_values(b)
    if not len(x) or not len(y):
        return None
    points = np.concatenate([x, y])
    below_x = np.searchsorted(x, points, side="right") / len(x)
    below_y = np.searchsorted(y, points, side="right") / len(y)
    return float(np.abs(below_x - below_y).max())


def _sorted_values(cells: Floats) -> Floats:
    values = cells[~np.isnan(cells)]
    small = np.abs(values) < _ROUND_BELOW
    values[small] = np.round(values[small], _DECIMALS)
    values.sort()
    return values


def tv_distance(a: Codes, b: Codes) -> float | None:
    """Total variation distance of two samples of levels.

    Args:
        a: int64 (n,), -1 for null.
        b: int64 (m,), -1 for null.

    Returns:
        In [0, 1]; None if either has no value.
    """
    size = int(max(a.max(initial=-1), b.max(initial=-1))) + 1
    p, q = (np.bincount(c[c >= 0], minlength=size) for c in (a, b))
    if not p.sum() or not q.sum():
        return None
    return float(0.5 * np.abs(p / p.sum() - q / q.sum()).sum())
