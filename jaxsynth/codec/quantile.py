"""A smoothed empirical distribution function: numbers <-> uniform ranks, piecewise linear, invertible.

Each value stands for its cell of the declared resolution, [v - r/2, v + r/2), and repeated values spread
evenly through their cell, so that ranks of integers are well defined and rounding brings the value back.
The function has far fewer knots than values: no interval between two knots holds fewer than `_PER_KNOT`
training values, so that drawing from it interpolates a density and does not hand out the values themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_PER_KNOT = 16
_MAX_KNOTS = 1024
_MAX_CELLS = 2**14  # of a table that finds knots; beyond, they are searched for

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Knots of a continuous, strictly increasing distribution function.

    Attributes:
        values: float64 (m,), strictly increasing.
        ranks: float64 (m,), strictly increasing from 0 to 1.
    """

    values: Floats
    ranks: Floats

    def rank(self, x: Floats) -> Floats:
        """Ranks in [0, 1] of values."""
        return _interpolate(x, self.values, self.ranks)

    def value(self, u: Floats) -> Floats:
        """Values of ranks in [0, 1]."""
        return _interpolate(u, self.ranks, self.values)

    def locate(self, x: Floats, intervals: int) -> tuple[NDArray[np.int64], Floats]:
        """The interval of equal probability that holds each value, and the position in it.

        Positions are computed from the nearest knot below and never through the rank in the whole column:
        53 bits inside one interval resolve what 53 bits of rank cannot where the distribution is flat.
        """
        ranks = self.ranks * intervals
        j, share = _between(x, self.values)
        inside = share * (ranks[j + 1] - ranks[j])
        interval = np.clip(np.floor(ranks[j] + inside), 0, intervals - 1)
        return interval.astype(np.int64), np.clip((ranks[j] - interval) + inside, 0.0, 1.0)

    @cached_property
    def starts(self) -> NDArray[np.int32]:
        """The knot at or below the beginning of each of many equal cells of rank, and the last one.

        Cells are at most half as wide as knots are apart, so none holds two; empty where that were too many.
        """
        cells = 2 * np.ceil(1 / np.diff(self.ranks).min())
        if not cells <= _MAX_CELLS:
            return np.zeros(0, np.int32)
        edges = np.arange(cells + 1) / cells
        below = np.searchsorted(self.ranks, edges, side="right") - 1
        starts: NDArray[np.int32] = np.clip(below, 0, len(self.ranks) - 2).astype(np.int32)
        return starts

    @property
    def steepest(self) -> float:
        """The largest change of value for a unit change of rank."""
        return float(np.max(np.diff(self.values) / np.diff(self.ranks)))


def fit_quantiles(x: Floats, bounds: tuple[float, float], resolution: float | None) -> Quantiles:
    """Fit to sorted-or-not values `x` (n,), n >= 1, inside `bounds`.

    The outermost knots are the bounds, widened by half a resolution cell.
    """
    half = _half_cell(bounds, resolution)
    low, high = bounds[0] - half, bounds[1] + half
    knots = int(np.clip(len(x) // _PER_KNOT, 1, _MAX_KNOTS))
    ranks = np.linspace(0.0, 1.0, knots + 1)
    values = np.quantile(_spread(np.sort(x), half), ranks, method="hazen")
    values[0], values[-1] = low, high
    return _strictly_increasing(values, ranks)


def least_half_cell(bounds: tuple[float, float]) -> float:
    """So little that it changes no value, but enough for the ends of a constant column to differ in float64."""
    return 4 * float(np.spacing(max(abs(bounds[0]), abs(bounds[1]))))


def _half_cell(bounds: tuple[float, float], resolution: float | None) -> float:
    return max((resolution or 0.0) / 2, least_half_cell(bounds))


def _interpolate(x: Floats, xs: Floats, ys: Floats) -> Floats:
    """As np.interp, whose slopes overflow where neighbouring `xs` are subnormal numbers apart."""
    j, share = _between(np.clip(x, xs[0], xs[-1]), xs)
    return ys[j] + share * (ys[j + 1] - ys[j])


def _between(x: Floats, xs: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The knot below each `x`, the last one but one at most, and the share of the way from there to the next."""
    j = np.clip(np.searchsorted(xs, x, side="right") - 1, 0, len(xs) - 2)
    return j, (x - xs[j]) / (xs[j + 1] - xs[j])


def _spread(x: Floats, half: float) -> Floats:
    """Ties spread evenly through their cell. `x` sorted, same length out, still sorted."""
    _, start, count = np.unique(x, return_index=True, return_counts=True)
    within = np.arange(len(x)) - np.repeat(start, count)
    return x + half * ((2 * within + 1) / np.repeat(count, count) - 1)


def _strictly_increasing(values: Floats, ranks: Floats) -> Quantiles:
    """Drop inner knots that do not advance, keeping both ends."""
    inner = np.maximum.accumulate(np.clip(values, values[0], values[-1]))
    keep = np.concatenate([[True], np.diff(inner) > 0])
    keep &= inner < inner[-1]
    keep[0], keep[-1] = True, True
    return Quantiles(values=inner[keep], ranks=ranks[keep])
