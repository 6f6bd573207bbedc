"""Tables as columns that the engine can read: one array for each modelled column, in the schema's units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from jaxsynth.errors import AuditError
from jaxsynth.schema import Column, Schema
from jaxsynth.schema.arrow_types import is_numeric, is_stringlike, is_time, storage_type
from jaxsynth.schema.cells import combine, to_numbers, valid_mask
from jaxsynth.tables import check_finite

Cells = tuple[pa.Array, ...]
"""One plain or dictionary array for each modelled column, in schema order, all of one length."""


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


def stacked(tables: Sequence[Cells]) -> Cells:
    """The rows of several tables of the same columns, one table after the other."""
    if len(tables) == 1:
        return tables[0]
    return tuple(_joined([table[i] for table in tables]) for i in range(len(tables[0])))


def _joined(arrays: Sequence[pa.Array]) -> pa.Array:
    """One array; where types differ in width or encoding, of the widest that all fit."""
    if len({a.type for a in arrays}) > 1:
        arrays = [a.dictionary_decode() if pa.types.is_dictionary(a.type) else a for a in arrays]
    return pa.chunked_array(arrays).combine_chunks() if len({a.type for a in arrays}) == 1 else _widened(arrays)


def _widened(arrays: Sequence[pa.Array]) -> pa.Array:
    type_ = (
        pa.unify_schemas([pa.schema([("x", a.type)]) for a in arrays], promote_options="permissive").field(0).type
    )
    return pa.concat_arrays([a.cast(type_) for a in arrays])


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
