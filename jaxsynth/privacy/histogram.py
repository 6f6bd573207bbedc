"""A non-negative measure over numbered leaves, constant inside cells: quantile edges, atoms, interval masses."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jaxsynth.privacy.simplex import Floats

_EVERYWHERE = 2.0**-14  # share of the mass that is spread over the whole range, so that every value has a rank
_MAX_KNOTS = 1024

Leaves = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Histogram:
    """Cells side by side.

    Attributes:
        edges: int64 (c + 1,), strictly increasing leaf numbers from 0 on; cell i is [edges[i], edges[i + 1]).
        mass: float64 (c,), not negative.
    """

    edges: Leaves
    mass: Floats

    @property
    def total(self) -> float:
        """The mass of all cells."""
        return float(self.mass.sum())

    def heavy_leaves(self, least: float) -> Leaves:
        """Cells of a single leaf with at least this mass: their leaves, ascending."""
        heavy: Leaves = self.edges[:-1][(np.diff(self.edges) == 1) & (self.mass >= least)]
        return heavy

    def without(self, leaves: Leaves) -> Histogram:
        """The same with nothing on some leaves that are cells by themselves."""
        return replace(self, mass=np.where(np.isin(self.edges[:-1], leaves), 0.0, self.mass))

    def plus(self, leaves: Leaves, mass: Floats) -> Histogram:
        """The same with more mass in the cells that hold these leaves."""
        cells = np.searchsorted(self.edges, leaves, side="right") - 1
        return replace(self, mass=self.mass + np.bincount(cells, mass, minlength=len(self.mass)))

    def masses(self, leaves: Leaves) -> Floats:
        """The masses of leaves that are cells by themselves."""
        masses: Floats = self.mass[np.searchsorted(self.edges, leaves)]
        return masses

    def below(self, edges: Leaves) -> Floats:
        """The mass before each of these leaves."""
        below: Floats = np.interp(edges, self.edges, np.concatenate([[0.0], np.cumsum(self.mass)]))
        return below

    def spread(self) -> Histogram:
        """The measure as a distribution of total 1 that is nowhere zero."""
        even = np.diff(self.edges) / (self.edges[-1] - self.edges[0])
        share = self.mass / self.total if self.total > 0 else even
        return replace(self, mass=(1 - _EVERYWHERE) * share + _EVERYWHERE * even)

    def quantile_edges(self, intervals: int) -> Leaves:
        """At most `intervals` intervals of about equal mass: their ends, the outer ones included."""
        ends = np.concatenate([[0.0], np.cumsum(self.spread().mass)])
        inner = np.rint(np.interp(np.arange(1, intervals) / intervals * ends[-1], ends, self.edges))
        return np.unique(np.concatenate([self.edges[:1], inner.astype(np.int64), self.edges[-1:]]))

    def knots(self, edges: Leaves) -> tuple[Leaves, Floats]:
        """Where the distribution function bends, and its values if all intervals between `edges` weigh the same.

        Returns:
            Leaves (m,) and ranks (m,), both strictly increasing, the ranks from 0 to 1.
        """
        smooth = self.spread()
        leaves = np.union1d(edges, smooth.bends())
        own = smooth.below(leaves)
        at = smooth.below(edges)
        interval = np.clip(np.searchsorted(edges, leaves, side="right") - 1, 0, len(edges) - 2)
        inside = (own - at[interval]) / (at[interval + 1] - at[interval])
        return leaves, (interval + inside) / (len(edges) - 1)

    def bends(self) -> Leaves:
        """The edges, or where there are too many, those between which mass or leaves have advanced."""
        if len(self.edges) <= _MAX_KNOTS:
            return self.edges
        share = np.stack([self.below(self.edges) / self.total, self.edges / self.edges[-1]])
        moved = np.diff(np.floor(share * (_MAX_KNOTS // 4)), axis=1).any(axis=0)
        # Both ends of a step are kept, so that it stays as steep as it is.
        kept: Leaves = self.edges[np.append(moved, np.True_) | np.append(np.True_, moved)]
        return kept
