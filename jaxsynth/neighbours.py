"""Exact nearest neighbours between two tables of mixed columns: the Arrow side of the compiled search.

The distance is Gower's (1971), as a weighted sum over the modelled columns rather than a mean, so that a
column's weight means the same whatever the other columns are:

* numbers, dates, times and durations: `weight * |a - b| / width`, width being that of the schema's bounds;
* categories, ordinals, booleans, and numbers whose width is zero or unknown: `weight` where the cells differ;
* null against null costs 0, null against a value costs `weight`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth import _core
from jaxsynth.errors import AuditError
from jaxsynth.schema import Column, Schema
from jaxsynth.schema.arrow_types import is_numeric, is_stringlike, is_time, storage_type
from jaxsynth.schema.cells import combine, to_numbers, valid_mask
from jaxsynth.tables import as_table, check_finite

Cells = tuple[pa.Array, ...]
"""One plain or dictionary array for each modelled column, in schema order, all of one length."""


class Neighbours(NamedTuple):
    """The k nearest reference rows of each query row, nearest first.

    Attributes:
        distances: float64 (q, k), ascending along each row.
        rows: int64 (q, k), positions in the reference; among equal distances the lowest comes first.
    """

    distances: NDArray[np.float64]
    rows: NDArray[np.int64]


def neighbours(
    reference: Any,
    queries: Any,
    k: int = 2,
    *,
    schema: Schema | None = None,
    weights: Mapping[str, float] | None = None,
    exclude_self: bool = False,
    threads: int = 0,
) -> Neighbours:
    """Find the exact `k` nearest rows of `reference` for each row of `queries`, by the module's distance.

    The answer does not depend on the number of threads. Cells of different float widths are compared in the
    narrower of the two, so that a row keeps distance 0 to a copy that was stored as float32.

    Args:
        reference: anything `jaxsynth` takes for a table, m rows.
        queries: the same, q rows.
        k: how many neighbours, 1 <= k <= m (m - 1 with `exclude_self`).
        schema: which columns count and their bounds; inferred from `reference` if None. Identifier and text
            columns are left out, and tables may have further columns.
        weights: column name -> weight >= 0; columns not named weigh 1.
        exclude_self: row i of `queries` is row i of `reference`; leave that row out of its neighbours.
        threads: how many threads search; 0: one for each core.

    Raises:
        TableError: a table is unreadable or holds NaN or infinite cells.
        AuditError: a column is missing or of another type than the schema says, an unknown or negative
            weight, `k` out of range, or `exclude_self` with tables of different lengths.

    Example:
        >>> import pyarrow as pa
        >>> found = neighbours(pa.table({"x": [0.0, 5.0, 10.0]}), pa.table({"x": [6.0]}), k=1)
        >>> found.distances.tolist(), found.rows.tolist()
        ([[0.1]], [[1]])
    """
    left, right = as_table(reference, what="reference"), as_table(queries, what="queries")
    if schema is None:
        check_finite(left, what="reference")
        schema = Schema.infer(left)
    return search(
        read_cells(left, schema, what="reference"),
        read_cells(right, schema, what="queries"),
        schema,
        k=k,
        weights=weights,
        exclude_self=exclude_self,
        threads=threads,
    )


def search(
    reference: Cells,
    queries: Cells,
    schema: Schema,
    *,
    k: int,
    weights: Mapping[str, float] | None = None,
    exclude_self: bool = False,
    threads: int = 0,
) -> Neighbours:
    """`neighbours` for tables that `read_cells` has already checked against `schema`.

    Raises:
        AuditError: an unknown or negative weight, `k` or `threads` out of range, lengths that differ.
    """
    _check_request(len(reference[0]), len(queries[0]), k, threads, exclude_self=exclude_self)
    costs = _costs(schema, weights)
    scale = np.array([_scale(c, w) for c, w in zip(schema.modelled, costs, strict=True)])
    categorical = np.isnan(scale)
    pairs = [
        _joint_codes(a, b) if as_code else _same_precision(a, b)
        for a, b, as_code in zip(reference, queries, categorical, strict=True)
    ]
    distances, rows = _core.nearest(
        [a for a, _ in pairs],
        [b for _, b in pairs],
        categorical.tolist(),
        np.where(categorical, costs, scale),
        costs,
        k,
        exclude_self,
        threads,
    )
    return Neighbours(distances, rows)


def _check_request(m: int, q: int, k: int, threads: int, *, exclude_self: bool) -> None:
    if exclude_self and m != q:
        raise AuditError(
            f"exclude_self: reference has {m} rows and queries {q}; give the same table twice, "
            "or set exclude_self=False"
        )
    available = m - 1 if exclude_self else m
    if not 1 <= k <= available:
        raise AuditError(
            f"k is {k}, but reference offers {available} neighbours to each row; "
            "choose k from 1 to that number, or give more reference rows"
        )
    if threads < 0:
        raise AuditError(f"threads is {threads}; give 0 for one thread a core, or a positive number")


def _costs(schema: Schema, weights: Mapping[str, float] | None) -> NDArray[np.float64]:
    """Return the weight of each modelled column. Shape (c,)."""
    names = [c.name for c in schema.modelled]
    for name, weight in (weights or {}).items():
        if name not in names:
            raise AuditError(f"weights: {name!r} is not a modelled column; these are {names}")
        if not (weight >= 0 and math.isfinite(weight)):
            raise AuditError(f"weights: column {name!r} has weight {weight!r}; give a finite number >= 0")
    return np.array([float((weights or {}).get(name, 1.0)) for name in names])


def _scale(column: Column, weight: float) -> float:
    """Cost of one unit of difference, or NaN where the column is compared for equality only."""
    if not column.is_numeric or column.bounds is None:
        return math.nan
    width = column.bounds[1] - column.bounds[0]
    # Widths of 0, or so extreme that products with their inverse overflow, leave no usable unit.
    return weight / width if 1e-300 < width < 1e300 else math.nan


def read_cells(table: pa.Table, schema: Schema, *, what: str) -> Cells:
    """Read the modelled columns of `table` in the units of `schema`; buffers that fit are shared.

    Args:
        table: n rows; columns that `schema` does not model are ignored.
        schema: names, types and time units.
        what: the name of this input in error messages, such as "holdout".

    Returns:
        One array for each modelled column: integers or floats for numbers, integer ticks of the schema's
        unit for times, the column itself (dictionary-encoded or plain) for text and booleans.

    Raises:
        AuditError: a column is missing, or its type cannot be compared with the schema's.
        TableError: NaN or infinite cells.
    """
    if not schema.modelled:
        raise AuditError("schema: no column is modelled, so rows cannot be compared; set output='model' on some")
    names = [c.name for c in schema.modelled]
    missing = [n for n in names if n not in table.column_names]
    if missing:
        raise AuditError(
            f"{what}: lacks column {missing[0]!r} ({len(missing)} of {len(names)} missing, the table has "
            f"{table.column_names}); add it, or set its output to 'drop' in the schema"
        )
    check_finite(table.select(names), what=what)
    return tuple(_plain(c, combine(table[c.name]), what) for c in schema.modelled)


def _plain(column: Column, cells: pa.Array, what: str) -> pa.Array:
    found, declared = _family(cells.type), _family(column.arrow_type)
    if found != declared and "null" not in (found, declared):
        raise AuditError(
            f"{what}: column {column.name!r} has type {cells.type}, the schema says {column.type}; "
            f"cast it to {column.type} or infer the schema anew"
        )
    try:
        return _decoded(column, cells)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise AuditError(
            f"{what}: column {column.name!r} of type {cells.type} does not fit the schema's {column.type} "
            f"({error}); cast it to {column.type} yourself, choosing how to round"
        ) from error


def _decoded(column: Column, cells: pa.Array) -> pa.Array:
    inner = storage_type(cells.type)
    if is_time(inner):
        # Ticks are comparable only in one unit; the view reads them where they lie.
        ticks = cells.cast(column.arrow_type if is_time(column.arrow_type) else inner)
        return ticks.view(pa.int32() if ticks.type.bit_width == 32 else pa.int64())
    if pa.types.is_decimal(inner):
        # Arrow's cast misses the double nearest to the decimal, which CSV and pandas would have given.
        return pa.array(np.round(to_numbers(cells), max(inner.scale, 0)), mask=~valid_mask(cells))
    if pa.types.is_float16(inner):
        return cells.cast(pa.float64())
    if column.is_numeric:
        return cells.cast(pa.float64() if pa.types.is_null(inner) else inner)
    return cells


def _family(type_: pa.DataType) -> str:
    """Types of one family compare with each other whatever their width or encoding."""
    inner = storage_type(type_)
    if pa.types.is_timestamp(inner):
        return "instant" if inner.tz else "local time"
    tests = {
        "null": pa.types.is_null, "boolean": pa.types.is_boolean, "text": is_stringlike, "number": is_numeric,
        "date": pa.types.is_date, "time": pa.types.is_time, "duration": pa.types.is_duration,
    }  # fmt: skip
    return next((name for name, test in tests.items() if test(inner)), str(inner))


def _same_precision(left: pa.Array, right: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Both in float32 if exactly one is: the other's extra digits would tell a row from its own copy."""
    single = pa.float32()
    if (left.type == single) == (right.type == single):
        return left, right
    narrow = left.cast(single, safe=False), right.cast(single, safe=False)
    overflow = any(pc.any(pc.is_inf(array)).as_py() for array in narrow)
    return (left, right) if overflow else narrow


def _joint_codes(left: pa.Array, right: pa.Array) -> tuple[pa.Array, pa.Array]:
    """int32 codes that are equal exactly where the cells are, levels of either side included."""
    encoded = [_encoded(left), _encoded(right)]
    type_ = _level_type([e.dictionary.type for e in encoded])
    values = [_no_negative_zero(e.dictionary.cast(type_, safe=False)) for e in encoded]
    levels = pc.unique(pa.concat_arrays(values)).drop_null()
    a, b = (pc.index_in(v, levels).take(e.indices) for v, e in zip(values, encoded, strict=True))
    return a, b


def _encoded(array: pa.Array) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(array.type):
        return _no_view(array).dictionary_encode()
    return pa.DictionaryArray.from_arrays(array.indices, _no_view(array.dictionary))


def _no_view(array: pa.Array) -> pa.Array:
    # Arrow's kernels lack string views in places, or make their nulls "".
    return array.cast(pa.large_string()) if array.type == pa.string_view() else array


def _no_negative_zero(values: pa.Array) -> pa.Array:
    return pc.add(values, pa.scalar(0.0, values.type)) if pa.types.is_floating(values.type) else values


def _level_type(types: Sequence[pa.DataType]) -> pa.DataType:
    known = [t for t in types if not pa.types.is_null(t)]
    if not known or all(t == known[0] for t in known):
        return known[0] if known else pa.int8()
    if all(is_stringlike(t) for t in known):
        return pa.large_string()
    if all(pa.types.is_integer(t) for t in known):
        return pa.int64()
    return pa.float32() if pa.float32() in known else pa.float64()
