"""Numbers on grids that add up to a total: scaled in proportion, rounded, the remainder put where it fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from jaxsynth.sample.domain import Domain
from jaxsynth.schema.cells import Numbers

# How parts are rounded from sweep to sweep: nearest; then beyond what is due, so that a finest part that is at
# its bound can step back inside; a part at its bound hands on what it could not take.
_SWEEPS: tuple[Literal[-1, 0, 1], ...] = (0, 1, -1, 0)


def spread(
    domains: Sequence[Domain], parts: Sequence[Numbers], total: NDArray[np.float64], tolerance: float
) -> list[Numbers]:
    """Parts near those given, admissible, that add up to `total` as closely as the grids allow.

    Parts change in proportion to their values where all are at least 0 and some are above, else by equal
    amounts. What rounding and bounds leave over goes to one part after the other, the finest grid last.

    Args:
        domains: what each of the k parts may be.
        parts: k arrays of shape (n,).
        total: what they should add up to, shape (n,).
        tolerance: how far off is close enough.
    """
    if any(d.empty for d in domains):
        return list(parts)
    old = np.stack([p.astype(np.float64) for p in parts])
    due = total - old.sum(0)
    even = (old < 0).any(0) | (old.sum(0) <= 0)
    share = np.where(even, 1 / len(old), old / np.where(even, 1.0, old.sum(0)))
    new = [d.closest(v) for d, v in zip(domains, old + share * due, strict=True)]
    order = sorted(range(len(new)), key=lambda i: -_coarseness(domains[i]))
    for side in _SWEEPS:
        for i in order:
            rest = total - _sum(new)
            new[i] = np.where(np.abs(rest) > tolerance, _moved(domains[i], new[i] + rest, side), new[i])
    return new


def _moved(domain: Domain, x: Numbers, side: Literal[-1, 0, 1]) -> Numbers:
    """The admissible values nearest to `x`: on either side, or on `side` if there is one."""
    near = domain.closest(x)
    if side == 0:
        return near
    beyond, exists = domain.nearest(x, side)
    return np.where(exists, beyond, near)


def _coarseness(domain: Domain) -> float:
    if domain.points is not None:
        return float(np.diff(domain.points.astype(np.float64)).min(initial=np.inf))
    return float(domain.step or 0.0)


def _sum(parts: Sequence[Numbers]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.sum([p.astype(np.float64) for p in parts], axis=0)
    return total
