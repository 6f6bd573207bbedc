"""Columns of like width side by side, so that a model computes a group at once and pads little.

A table of 2,000 binary columns is one group; a 700-level column does not widen its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.layout import CodeSpec

_WAVES = 16  # cosines in the smooth basis unless a model asks for more
_PLAIN = 16  # ordered columns up to this size learn each code freely
_BLOCK = 16  # wide groups are padded to a multiple of this: drawing searches in blocks of as many
_SMALL = 64  # codes after padding up to which a group rather joins the next wider one
_FEW = 8  # ordered columns of one width that are worth a group each
_DAMPING = 0.15  # the k-th wave is divided by 1 + _DAMPING * k


@dataclass(frozen=True, eq=False)
class Group:
    """Columns padded to one number of codes.

    Attributes:
        index: which layout columns, in layout order.
        width: codes after padding: a power of two up to 16, then a multiple of 16.
        sizes: int (g,), codes before padding.
        prior: float32 (g, width), log of the smoothed training frequencies; -inf-like on padding.
        basis: float32 (g, width, f), fixed features of ordered codes, or None for columns without order:
            cosines of the code's rank, and an indicator for each code with a mass of its own.
    """

    index: tuple[int, ...]
    width: int
    sizes: NDArray[np.int64]
    prior: NDArray[np.float32]
    basis: NDArray[np.float32] | None


PADDING = -1e9


def group_columns(
    layout: tuple[CodeSpec, ...], *, waves: int = _WAVES, columns: Iterable[int] | None = None
) -> tuple[Group, ...]:
    """Group `columns` (all of them if None) by padded width and by whether they are ordered.

    Args:
        layout: what each column is.
        waves: cosines in the basis of an ordered column.
        columns: numbers of the columns to group.
    """
    keys: dict[tuple[bool, int], list[int]] = {}
    for i in range(len(layout)) if columns is None else columns:
        spec = layout[i]
        ordered = spec.size > _PLAIN and bool(np.isfinite(spec.rank).any())
        keys.setdefault((ordered, _padded(spec.size)), []).append(i)
    plain = _merged({width: ids for (ordered, width), ids in keys.items() if not ordered})
    smooth = _apart({width: ids for (ordered, width), ids in keys.items() if ordered})
    return (
        *(_group(layout, tuple(ids), width, 0) for width, ids in plain),
        *(_group(layout, tuple(ids), width, waves) for width, ids in smooth),
    )


def _merged(by_width: dict[int, list[int]]) -> Iterator[tuple[int, list[int]]]:
    """Few narrow columns join the next wider group: one more group costs more than their padding."""
    waiting: list[int] = []
    widths = sorted(by_width)
    for i, width in enumerate(widths):
        following = widths[i + 1] if i + 1 < len(widths) else None
        waiting = sorted(waiting + by_width[width])
        if following is None or len(waiting) * following > _SMALL:
            yield width, waiting
            waiting = []


def _apart(by_width: dict[int, list[int]]) -> Iterator[tuple[int, list[int]]]:
    """Few ordered columns each on their own: XLA runs one matrix product faster than a short batch of them."""
    for width, ids in sorted(by_width.items()):
        yield from ((width, [i]) for i in ids) if len(ids) <= _FEW else [(width, ids)]


def _padded(size: int) -> int:
    return max(2, 1 << (size - 1).bit_length())


def _group(layout: tuple[CodeSpec, ...], index: tuple[int, ...], width: int, waves: int) -> Group:
    specs = [layout[i] for i in index]
    if width > _BLOCK:
        width = -(-max(s.size for s in specs) // _BLOCK) * _BLOCK
    prior = np.full((len(specs), width), PADDING, np.float32)
    for row, spec in zip(prior, specs, strict=True):
        row[: spec.size] = np.log((spec.counts + 0.5) / (spec.counts.sum() + 0.5 * spec.size))
    return Group(
        index=index,
        width=width,
        sizes=np.array([s.size for s in specs]),
        prior=prior,
        basis=_bases(specs, width, waves) if waves else None,
    )


def _bases(specs: list[CodeSpec], width: int, waves: int) -> NDArray[np.float32]:
    free = max(int(s.free.sum()) for s in specs)
    out = np.zeros((len(specs), width, waves + free), np.float32)
    wave = np.arange(1, waves + 1)
    for basis, spec in zip(out, specs, strict=True):
        rank = _even(spec.rank)[:, None]
        cosines = np.cos(np.pi * wave * rank) / (1 + _DAMPING * wave)
        basis[: spec.size, :waves] = np.where(np.isfinite(rank), cosines, 0)
        codes = np.flatnonzero(spec.free)
        basis[codes, waves + np.arange(len(codes))] = 1
    return out


def _even(rank: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ordered codes at even distances in [0, 1]; by mass, one value in 90 % of rows would blind the waves."""
    ordered = np.flatnonzero(np.isfinite(rank))
    out = np.full(len(rank), np.nan)
    out[ordered[np.argsort(rank[ordered], kind="stable")]] = (np.arange(len(ordered)) + 0.5) / max(len(ordered), 1)
    return out
