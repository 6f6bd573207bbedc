"""The three tables in one coding: numbers as float64 with NaN for null, levels as codes with -1 for null."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth.errors import AuditError, SchemaError
from jaxsynth.schema.arrow_types import is_numeric, is_stringlike, storage_type
from jaxsynth.schema.cells import combine, to_numbers, valid_mask
from jaxsynth.schema.column import Column
from jaxsynth.schema.schema import Schema

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One table's scored columns.

    Attributes:
        rows: number of rows, n.
        numbers: numeric and time columns, float64 (n,), in the column's own numbers, NaN for null.
        codes: boolean, category and ordinal columns, int64 (n,), positions in `Frames.levels`, -1 for null.
    """

    rows: int
    numbers: Mapping[str, Floats]
    codes: Mapping[str, Codes]

    def missing(self, name: str) -> float:
        """Share of null cells."""
        null = np.isnan(self.numbers[name]) if name in self.numbers else self.codes[name] < 0
        return float(null.mean())


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The tables to compare, coded alike.

    Attributes:
        columns: the scored columns: those that generators learn.
        levels: for each level column, the text of every level of the schema and then of any table.
        train: the training table.
        holdout: real rows kept from training.
        synthetic: generated rows.
    """

    columns: tuple[Column, ...]
    levels: Mapping[str, tuple[str, ...]]
    train: Frame
    holdout: Frame
    synthetic: Frame


def frames(schema: Schema, *, train: pa.Table, holdout: pa.Table, synthetic: pa.Table) -> Frames:
    """Code the learned columns of three tables.

    Raises:
        AuditError: a table has no rows, lacks a column, or holds it in an incomparable type.
        SchemaError: the schema's levels do not fit its types, or no column is learned.
    """
    tables = {"train": train, "holdout": holdout, "synthetic": synthetic}
    columns = schema.modelled
    if not columns:
        raise SchemaError("schema: no column to score; all are identifiers, text or dropped")
    for what, table in tables.items():
        _check_complete(table, columns, what)
    numbers: dict[str, dict[str, Floats]] = {what: {} for what in tables}
    codes: dict[str, dict[str, Codes]] = {what: {} for what in tables}
    levels: dict[str, tuple[str, ...]] = {}
    for column in columns:
        cells = {what: _cast(column, table[column.name], what) for what, table in tables.items()}
        if column.is_numeric:
            for what, array in cells.items():
                numbers[what][column.name] = _floats(array)
        else:
            vocabulary = _vocabulary(column, list(cells.values()))
            levels[column.name] = tuple(str(v) for v in vocabulary.to_pylist())
            for what, array in cells.items():
                codes[what][column.name] = _codes(array, vocabulary)
    made = {w: Frame(rows=t.num_rows, numbers=numbers[w], codes=codes[w]) for w, t in tables.items()}
    return Frames(columns=columns, levels=levels, **made)


def _check_complete(table: pa.Table, columns: tuple[Column, ...], what: str) -> None:
    if table.num_rows == 0:
        raise AuditError(f"{what}: no rows; give a table with at least one row")
    missing = [c.name for c in columns if c.name not in table.column_names]
    if missing:
        raise AuditError(
            f"{what}: lacks {len(missing)} of the {len(columns)} columns to compare, the first is "
            f"{missing[0]!r}; it has {table.column_names}; add them or drop them from the schema"
        )


def _family(type_: pa.DataType) -> str:
    inner = storage_type(type_)
    if pa.types.is_null(inner):
        return "null"
    if pa.types.is_boolean(inner) or is_numeric(inner):
        return "number"
    if is_stringlike(inner):
        return "text"
    if pa.types.is_date(inner) or pa.types.is_timestamp(inner):
        return "date"
    return str(inner).split("[")[0].rstrip("0123456789")


def _cast(column: Column, cells: pa.ChunkedArray, what: str) -> pa.Array:
    """Cast the cells to the type the column is compared in."""
    found, declared = _family(cells.type), _family(column.arrow_type)
    if found != declared and "null" not in (found, declared):
        raise _incomparable(column, cells.type, what, f"{found} cells are not {declared} cells")
    try:
        return combine(cells.cast(_common_type(column, cells.type), safe=not column.is_numeric))
    except pa.ArrowException as error:
        raise _incomparable(column, cells.type, what, str(error).split("\n")[0]) from error


def _incomparable(column: Column, found: pa.DataType, what: str, why: str) -> AuditError:
    return AuditError(
        f"{what}: column {column.name!r} has type {found}, the schema says {column.type}, and they cannot be "
        f"compared ({why}); cast the column"
    )


def _common_type(column: Column, found: pa.DataType) -> pa.DataType:
    declared = storage_type(column.arrow_type)
    if is_stringlike(declared) or pa.types.is_null(declared):
        return pa.large_string()
    if column.is_numeric and is_numeric(found):
        return found  # a decimal or integer need not fit the declared width to be compared as a number
    return pa.float64() if column.is_numeric and is_numeric(declared) else declared


def _floats(array: pa.Array) -> Floats:
    return np.where(valid_mask(array), to_numbers(array), np.nan)


def _vocabulary(column: Column, arrays: list[pa.Array]) -> pa.Array:
    type_ = arrays[0].type
    declared = (False, True) if pa.types.is_boolean(type_) else column.levels or ()
    try:
        first = pa.array(declared, type_)
    except (pa.ArrowException, OverflowError) as error:
        raise SchemaError(
            f"schema: the levels of column {column.name!r} do not fit its type {column.type}; correct one of them"
        ) from error
    return pc.unique(pa.concat_arrays([first, *(pc.unique(a) for a in arrays)])).drop_null()


def _codes(array: pa.Array, vocabulary: pa.Array) -> Codes:
    positions = pc.index_in(array, value_set=vocabulary, skip_nulls=True)
    return np.asarray(pc.fill_null(positions, -1), np.int64)
