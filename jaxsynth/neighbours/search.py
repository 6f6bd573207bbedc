"""Searches between tables that were read: the nearest rows, rows within a radius, equal rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxsynth.errors import AuditError
from jaxsynth.neighbours.cells import Cells, stacked
from jaxsynth.neighbours.pairs import paired
from jaxsynth.schema import Schema

Index = Literal["auto", "scan", "tree"]
"""How rows are looked for. The answer is the same, bit for bit; "auto" takes what costs less."""


class Neighbours(NamedTuple):
    """The k nearest reference rows of each query row, nearest first.

    Attributes:
        distances: float64 (q, k), ascending along each row.
        rows: int64 (q, k), positions in the reference; among equal distances the lowest comes first.
        index_used: "scan" or "tree".
    """

    distances: NDArray[np.float64]
    rows: NDArray[np.int64]
    index_used: str


class EqualRows(NamedTuple):
    """Which reference rows equal each query row in every cell.

    Attributes:
        rows: int64 (q,), the lowest such position in the reference, or -1.
        counts: int64 (q,), how many there are.
    """

    rows: NDArray[np.int64]
    counts: NDArray[np.int64]


def search(
    reference: Cells,
    queries: Cells,
    schema: Schema,
    *,
    k: int,
    weights: Mapping[str, float] | None = None,
    exclude_self: bool = False,
    threads: int = 0,
    index: Index = "auto",
) -> Neighbours:
    """`neighbours` for tables that `read_cells` has already checked against `schema`.

    Raises:
        AuditError: an unknown or negative weight, `k`, `threads` or `index` out of range, lengths that differ.
    """
    (found,) = search_each(
        [reference], queries, schema, k=k, weights=weights, exclude_self=exclude_self, threads=threads, index=index
    )
    return found


def search_each(
    references: Sequence[Cells],
    queries: Cells,
    schema: Schema,
    *,
    k: int,
    weights: Mapping[str, float] | None = None,
    exclude_self: bool = False,
    threads: int = 0,
    index: Index = "auto",
) -> list[Neighbours]:
    """The nearest rows in each of several tables, such as training and holdout rows.

    Args:
        references: tables of m1, m2, ... rows.
        queries: q rows.
        schema: the columns of all.
        k: how many neighbours in each table.
        weights: column name -> weight >= 0; columns not named weigh 1.
        exclude_self: row i of `queries` is row i of the first table, which does not count as its neighbour.
        threads: how many threads search; 0: one for each core.
        index: "scan", "tree" or "auto".

    Returns:
        One result for each table; rows are positions in that table.

    Raises:
        AuditError: as `search`.
    """
    sizes = [len(r[0]) for r in references]
    for i, size in enumerate(sizes):
        _check_request(size, len(queries[0]), k, exclude_self=exclude_self and i == 0)
    _check_index(index)
    tables = paired(stacked(references), queries, schema, weights=weights, threads=threads)
    distances, rows, used, _ = tables.nearest(k, sizes, exclude_self, index)
    starts = np.cumsum([0, *sizes[:-1]])
    return [Neighbours(distances[:, i], rows[:, i] - start, used) for i, start in enumerate(starts)]


def count_within(
    reference: Cells,
    queries: Cells,
    schema: Schema,
    *,
    radius: float | NDArray[np.float64],
    weights: Mapping[str, float] | None = None,
    exclude_self: bool = False,
    threads: int = 0,
    index: Index = "auto",
) -> NDArray[np.int64]:
    """`neighbours_within` for tables that `read_cells` has already checked against `schema`."""
    q = len(queries[0])
    radii = np.ascontiguousarray(np.broadcast_to(np.asarray(radius, np.float64), (q,)))
    if np.isnan(radii).any() or (radii < 0).any():
        raise AuditError("radius holds NaN or negative numbers; give numbers >= 0")
    if exclude_self:
        _check_same_rows(len(reference[0]), q)
    _check_index(index)
    counts, _, _ = paired(reference, queries, schema, weights=weights, threads=threads).within(
        radii, exclude_self, index
    )
    return counts


def find_equal(reference: Cells, queries: Cells, schema: Schema, *, threads: int = 0) -> EqualRows:
    """`equal_rows` for tables that `read_cells` has already checked against `schema`."""
    return EqualRows(*paired(reference, queries, schema, weights=None, threads=threads).equal())


def _check_request(m: int, q: int, k: int, *, exclude_self: bool) -> None:
    if exclude_self:
        _check_same_rows(m, q)
    available = m - 1 if exclude_self else m
    if not 1 <= k <= available:
        raise AuditError(
            f"k is {k}, but reference offers {available} neighbours to each row; "
            "choose k from 1 to that number, or give more reference rows"
        )


def _check_same_rows(m: int, q: int) -> None:
    if m != q:
        raise AuditError(
            f"exclude_self: reference has {m} rows and queries {q}; give the same table twice, "
            "or set exclude_self=False"
        )


def _check_index(index: str) -> None:
    if index not in {"auto", "scan", "tree"}:
        raise AuditError(f"index is {index!r}; choose 'auto', 'scan' or 'tree'")
