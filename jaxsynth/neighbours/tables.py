"""Searches between tables of any kind: they are read by a schema first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxsynth.neighbours.cells import Cells, read_cells
from jaxsynth.neighbours.search import EqualRows, Index, Neighbours, count_within, find_equal, search
from jaxsynth.schema import Schema
from jaxsynth.tables import as_table, check_finite


def neighbours(
    reference: Any,
    queries: Any,
    k: int = 2,
    *,
    schema: Schema | None = None,
    weights: Mapping[str, float] | None = None,
    exclude_self: bool = False,
    threads: int = 0,
    index: Index = "auto",
) -> Neighbours:
    """Find the exact `k` nearest rows of `reference` for each row of `queries`, by the module's distance.

    The answer does not depend on the number of threads, the instruction set or the index. Cells of different
    float widths are compared in the narrower of the two, so that a row keeps distance 0 to a copy that was
    stored as float32.

    Args:
        reference: anything `jaxsynth` takes for a table, m rows.
        queries: the same, q rows.
        k: how many neighbours, 1 <= k <= m (m - 1 with `exclude_self`).
        schema: which columns count and their bounds; inferred from `reference` if None. Identifier and text
            columns are left out, and tables may have further columns.
        weights: column name -> weight >= 0; columns not named weigh 1.
        exclude_self: row i of `queries` is row i of `reference`; leave that row out of its neighbours.
        threads: how many threads search; 0: one for each core.
        index: "tree" passes over boxes of rows that are too far, "scan" looks at every row; "auto" tries the tree
            on a few rows and takes what costs less. The result's `index_used` says which it was.

    Raises:
        TableError: a table is unreadable or holds NaN or infinite cells.
        AuditError: a column is missing or of another type than the schema says, an unknown or negative
            weight, `k` or `index` out of range, or `exclude_self` with tables of different lengths.

    Example:
        >>> import pyarrow as pa
        >>> found = neighbours(pa.table({"x": [0.0, 5.0, 10.0]}), pa.table({"x": [6.0]}), k=1)
        >>> found.distances.tolist(), found.rows.tolist()
        ([[0.1]], [[1]])
    """
    schema, left, right = _read(reference, queries, schema)
    return search(
        left, right, schema, k=k, weights=weights, exclude_self=exclude_self, threads=threads, index=index
    )


def neighbours_within(
    reference: Any,
    queries: Any,
    radius: float | NDArray[np.float64],
    *,
    schema: Schema | None = None,
    weights: Mapping[str, float] | None = None,
    exclude_self: bool = False,
    threads: int = 0,
    index: Index = "auto",
) -> NDArray[np.int64]:
    """Count the rows of `reference` that lie within a radius of each row of `queries`, exactly.

    Args:
        reference: anything `jaxsynth` takes for a table, m rows.
        queries: the same, q rows.
        radius: the largest distance that counts, by the distance of `neighbours`; one, or one for each query (q,).
        schema: as for `neighbours`.
        weights: as for `neighbours`.
        exclude_self: as for `neighbours`.
        threads: as for `neighbours`.
        index: as for `neighbours`.

    Returns:
        int64 (q,).

    Raises:
        TableError: a table is unreadable or holds NaN or infinite cells.
        AuditError: as `neighbours`; or a radius that is negative or NaN.

    Example:
        >>> import pyarrow as pa
        >>> rows = pa.table({"x": [0.0, 5.0, 10.0]})
        >>> neighbours_within(rows, rows, 0.5).tolist()
        [2, 3, 2]
    """
    schema, left, right = _read(reference, queries, schema)
    return count_within(
        left,
        right,
        schema,
        radius=radius,
        weights=weights,
        exclude_self=exclude_self,
        threads=threads,
        index=index,
    )


def equal_rows(reference: Any, queries: Any, *, schema: Schema | None = None, threads: int = 0) -> EqualRows:
    """Find the rows of `reference` that equal each row of `queries` in every modelled column, nulls included.

    Rows are hashed and then compared cell for cell: a second or so for a million rows against a million.

    Args:
        reference: anything `jaxsynth` takes for a table, m rows.
        queries: the same, q rows.
        schema: which columns count; inferred from `reference` if None.
        threads: how many threads; 0: one for each core.

    Raises:
        TableError: a table is unreadable or holds NaN or infinite cells.
        AuditError: a column is missing or of another type than the schema says, or `threads` is negative.

    Example:
        >>> import pyarrow as pa
        >>> found = equal_rows(pa.table({"x": [3.0, 1.0, 1.0]}), pa.table({"x": [1.0, 2.0]}))
        >>> found.rows.tolist(), found.counts.tolist()
        ([1, -1], [2, 0])
    """
    schema, left, right = _read(reference, queries, schema)
    return find_equal(left, right, schema, threads=threads)


def _read(reference: Any, queries: Any, schema: Schema | None) -> tuple[Schema, Cells, Cells]:
    left, right = as_table(reference, what="reference"), as_table(queries, what="queries")
    if schema is None:
        check_finite(left, what="reference")
        schema = Schema.infer(left)
    return schema, read_cells(left, schema, what="reference"), read_cells(right, schema, what="queries")
