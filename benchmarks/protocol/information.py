"""How far the dependence of columns is off, for all pairs: normalised mutual information of binned columns."""

from __future__ import annotations

from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jaxsynth.quality.frames import Frame, Frames

Codes = NDArray[np.int64]
Binning = Literal["width", "quantile"]
_BINS: dict[Binning, int] = {"width": 10, "quantile": 20}


def information_error(frames: Frames, real: Frame, other: Frame, *, binning: Binning) -> float:
    """Weighted L1 error of normalised mutual information, over all pairs of columns.

    With a and b a pair's normalised mutual information in the two tables, the sum of (a + b) |a - b| over the
    sum of (a + b). Normalised is 2 I(X; Y) / (H(X) + H(Y)), 0 where both are constant. Missing is a level.

    Args:
        frames: the coding of both tables.
        real: the table that bins are read off.
        other: the table compared.
        binning: "width": ten bins of equal width, as published (bins of TabPC's figures; a long tail leaves
            nearly all rows in one bin); "quantile": 20 bins of equal probability, which a tail does not fool.

    Returns:
        In [0, 1]; 0 where no pair depends in either table.
    """
    names = [c.name for c in frames.columns]
    coded = [_coded(frames, real, other, name, binning) for name in names]
    a, b = (_matrix([pair[i] for pair in coded]) for i in (0, 1))
    weight = a + b
    return float((weight * np.abs(a - b)).sum() / weight.sum()) if weight.any() else 0.0


def _coded(frames: Frames, real: Frame, other: Frame, name: str, binning: Binning) -> tuple[Codes, Codes]:
    if name not in real.numbers:
        return real.codes[name] + 1, other.codes[name] + 1
    values = real.numbers[name]
    inner = _inner_edges(values[~np.isnan(values)], binning)
    return _binned(values, inner), _binned(other.numbers[name], inner)


def _inner_edges(values: NDArray[np.float64], binning: Binning) -> NDArray[np.float64]:
    if not len(values):
        return np.empty(0)
    count = _BINS[binning]
    if binning == "width":
        return np.linspace(values.min(), values.max(), count + 1)[1:-1]
    return np.unique(np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]))


def _binned(values: NDArray[np.float64], inner: NDArray[np.float64]) -> Codes:
    """Bins from 1, closed on the right; 0 for missing."""
    codes = np.searchsorted(inner, values, side="left") + 1
    return np.where(np.isnan(values), 0, codes)


def _matrix(columns: list[Codes]) -> NDArray[np.float64]:
    """Normalised mutual information of each pair. Shape (pairs,)."""
    dense = [np.unique(c, return_inverse=True)[1] for c in columns]
    sizes = [int(c.max()) + 1 for c in dense]
    entropies = [_entropy(np.bincount(c)) for c in dense]
    result = []
    for i, j in combinations(range(len(columns)), 2):
        joint = _entropy(_counts(dense[i] * sizes[j] + dense[j], sizes[i] * sizes[j]))
        total = entropies[i] + entropies[j]
        result.append(max(0.0, 2.0 * (total - joint) / total) if total > 0 else 0.0)
    return np.array(result)


def _counts(joint: Codes, size: int) -> Codes:
    """Occurrences of each joint level that occurs, whichever way is shorter."""
    return np.bincount(joint, minlength=1) if size <= 1 << 20 else np.unique(joint, return_counts=True)[1]


def _entropy(counts: Codes) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())
