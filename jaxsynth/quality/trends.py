"""How far the association of two columns is off, for all pairs: correlations or contingency tables.

`1 - score` of sdmetrics' column pair trends (CorrelationSimilarity with Pearson, ContingencySimilarity),
without its subsampling of rows. As there, a null is a level of its own in contingency tables, and a numeric
column met by a level column is cut into ten bins of equal width over its own table's range.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from jaxsynth.quality.correlation import correlations
from jaxsynth.quality.frames import Codes, Floats, Frame, Frames
from jaxsynth.quality.result import PairScore
from jaxsynth.schema.column import Column

_BINS = 10
_DENSE = 1 << 16  # contingency tables up to this many cells are counted directly at any number of rows


@dataclass(frozen=True)
class _Discrete:
    """A column as codes in [0, size) in the training, holdout and synthetic table."""

    codes: tuple[Codes, Codes, Codes]
    size: int


def pair_scores(frames: Frames) -> tuple[PairScore, ...]:
    """One score for each pair of columns, in schema order."""
    numeric = [c.name for c in frames.columns if c.is_numeric]
    position = {name: i for i, name in enumerate(numeric)}
    tables = (frames.train, frames.holdout, frames.synthetic)
    train, holdout, synthetic = (correlations([t.numbers[n] for n in numeric]) for t in tables)
    discrete = {c.name: _discrete(c, frames) for c in frames.columns}
    scores = []
    for left, right in combinations(frames.columns, 2):
        if left.is_numeric and right.is_numeric:
            at = position[left.name], position[right.name]
            real = float(train[at])
            scores.append(_correlated(left, right, real, float(holdout[at]), float(synthetic[at])))
        else:
            scores.append(_tabulated(left, right, discrete[left.name], discrete[right.name]))
    return tuple(scores)


def _correlated(left: Column, right: Column, train: float, holdout: float, synthetic: float) -> PairScore:
    return PairScore(
        left=left.name,
        right=right.name,
        error=_defined(abs(train - synthetic) / 2),
        floor=_defined(abs(train - holdout) / 2),
        strength=_defined(abs(train)),
        metric="correlation",
    )


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _tabulated(left: Column, right: Column, a: _Discrete, b: _Discrete) -> PairScore:
    (train, holdout, synthetic), rows, columns = _contingency(a, b)
    p, h, s = train / train.sum(), holdout / holdout.sum(), synthetic / synthetic.sum()
    return PairScore(
        left=left.name,
        right=right.name,
        error=float(0.5 * np.abs(p - s).sum()),
        floor=float(0.5 * np.abs(p - h).sum()),
        strength=_cramer(train, rows, columns),
        metric="contingency",
    )


def _contingency(a: _Discrete, b: _Discrete) -> tuple[list[Codes], Codes, Codes]:
    """Count each joint level in the three tables; also return the joint levels' row and column codes."""
    joint = [x * b.size + y for x, y in zip(a.codes, b.codes, strict=True)]
    size = a.size * b.size
    if size > _DENSE and size > sum(len(j) for j in joint):
        keys, positions = np.unique(np.concatenate(joint), return_inverse=True)
        joint = np.split(positions, np.cumsum([len(j) for j in joint])[:-1])
        size = len(keys)
    else:
        keys = np.arange(size)
    counts = [np.bincount(j, minlength=size) for j in joint]
    return counts, keys // b.size, keys % b.size


def _cramer(counts: Codes, rows: Codes, columns: Codes) -> float | None:
    """Cramer's V (Cramer 1946, section 21.9), uncorrected; None for a table of one row or column."""
    row_sum, column_sum = np.bincount(rows, counts), np.bincount(columns, counts)
    degrees = min(np.count_nonzero(row_sum), np.count_nonzero(column_sum)) - 1
    if degrees < 1:
        return None
    seen = counts > 0
    expected = row_sum[rows[seen]] * column_sum[columns[seen]]
    inertia = float(np.sum(np.square(counts[seen].astype(np.float64)) / expected)) - 1.0
    return float(np.sqrt(max(inertia, 0.0) / degrees))


def _discrete(column: Column, frames: Frames) -> _Discrete:
    tables = (frames.train, frames.holdout, frames.synthetic)
    if column.is_numeric:
        train, holdout, synthetic = (_binned(t.numbers[column.name]) for t in tables)
        return _Discrete((train, holdout, synthetic), _BINS + 2)
    train, holdout, synthetic = (_levels(t, column.name) for t in tables)
    return _Discrete((train, holdout, synthetic), len(frames.levels[column.name]) + 1)


def _levels(frame: Frame, name: str) -> Codes:
    return frame.codes[name] + 1


def _binned(cells: Floats) -> Codes:
    """Bin numbers 1 to 11: the largest value and the nulls share the last, as in sdmetrics."""
    values = cells[~np.isnan(cells)]
    try:
        edges = np.histogram_bin_edges(values, bins=_BINS)
    except ValueError:  # neighbouring doubles, such as nanosecond ticks: no ten bins fit between them
        edges = values[:1]
    return np.digitize(cells, edges).astype(np.int64)
