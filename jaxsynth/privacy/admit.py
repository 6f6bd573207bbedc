"""A private table made to fit a public schema: cells are moved, never refused, each by its own row alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth.codec.category import CategoryCodec
from jaxsynth.codec.layout import Encoded
from jaxsynth.codec.stored import store
from jaxsynth.errors import SchemaError
from jaxsynth.privacy.grid import nearest_admitted
from jaxsynth.schema import Column, Schema
from jaxsynth.schema.arrow_types import storage_type
from jaxsynth.schema.cells import from_numbers, to_numbers, valid_mask

OTHER = "OTHER"  # the level that stands for all that are not declared


def admit(table: pa.Table, schema: Schema) -> pa.Table:
    """The table with every modelled cell such as the schema admits.

    An error on a cell would tell something of its row, so there is none: numbers go to the nearest admitted
    value; NaN and infinities become missing, or the lowest value where missing is not declared; a level that is
    not declared becomes "OTHER" if that is one, else missing, else the first level; a null that is not declared
    becomes the lowest value or the first level. No row has an influence on another.

    Args:
        table: n rows; types and names are public and must be the schema's.
        schema: with bounds of every modelled number.

    Raises:
        SchemaError: columns or types differ from the schema's, or a column admits no cell at all.
    """
    schema.check(table.slice(0, 0))  # names and types, and nothing of the rows
    for column in schema.modelled:
        i = table.column_names.index(column.name)
        table = table.set_column(i, column.name, admit_cells(table[i], column))
    return table


def admit_cells(cells: pa.ChunkedArray, column: Column) -> pa.Array:
    """The cells of one column such as it admits them. Shape (n,), of the column's type."""
    return _admit_numbers(cells, column) if column.is_numeric else _admit_levels(cells, column)


def _admit_numbers(cells: pa.ChunkedArray, column: Column) -> pa.Array:
    if pa.types.is_uint64(cells.type):
        # Above int64 all cells would be read as floats: a row would change how others are rounded.
        cells = pc.min_element_wise(cells, pa.scalar(2**63 - 1, pa.uint64()), skip_nulls=False)
    values, valid = to_numbers(cells), valid_mask(cells)
    valid &= np.isfinite(values)
    assert column.bounds is not None or not len(values)
    lowest = column.bounds[0] if column.bounds is not None else 0
    values = np.where(valid, values, np.asarray(lowest).astype(values.dtype))
    return from_numbers(nearest_admitted(column, values), valid if column.nullable else None, column.arrow_type)


def _admit_levels(cells: pa.ChunkedArray, column: Column) -> pa.Array:
    if pa.types.is_null(cells.type):
        return pa.nulls(len(cells))
    codec = level_codec(column)
    levels = len(codec.counts) - column.nullable
    known = _levels(codec, np.arange(levels))
    found = pc.index_in(_stored(cells), _stored(known)).fill_null(-1)
    codes = np.asarray(found).astype(np.int64)
    replacement = _replacement(column, levels)
    null = ~np.asarray(_stored(cells).is_valid(), np.bool_)
    codes = np.where(null, levels if column.nullable else 0, np.where(codes < 0, replacement, codes))
    return _levels(codec, codes)


def _levels(codec: CategoryCodec, codes: NDArray[np.int64]) -> pa.Array:
    (stored,) = store([codec.reading()], [Encoded((codes.astype(np.uint32),), ())])
    return codec.cells(stored)


def level_codec(column: Column) -> CategoryCodec:
    """The codec of a column of levels, without counts.

    Raises:
        SchemaError: the column has no level and may not be missing.
    """
    levels = 2 if column.levels is None else len(column.levels)
    if levels + column.nullable == 0:
        raise SchemaError(f"column {column.name!r} admits no cell; declare levels, or declare it nullable")
    return CategoryCodec(column, np.zeros(levels + column.nullable, np.int64))


def _replacement(column: Column, levels: int) -> int:
    """The code of what is not declared."""
    if column.levels is not None and OTHER in column.levels:
        return column.levels.index(OTHER)
    return levels if column.nullable else 0


def _stored(cells: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """The cells without a dictionary; a null inside a dictionary becomes a null cell."""
    return cells.cast(storage_type(cells.type)) if pa.types.is_dictionary(cells.type) else cells


def count_codes(codes: NDArray[np.integer], size: int) -> NDArray[np.int64]:
    """How often each of `size` codes occurs. Shape (size,)."""
    return np.bincount(codes.astype(np.int64), minlength=size).astype(np.int64)
