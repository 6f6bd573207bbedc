"""Reading a schema off a table. Everything found here is marked as inferred: it came from private data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jaxsynth.errors import SchemaError
from jaxsynth.schema import pii
from jaxsynth.schema.arrow_types import is_stringlike, parse_type, storage_type
from jaxsynth.schema.cells import Numbers, combine, to_numbers, valid_mask
from jaxsynth.schema.column import Column, Kind, Level
from jaxsynth.tables import as_table, check_finite

_MAX_DECIMALS = 12
_MAX_STEPS = 2.0**48  # a grid with more steps between the bounds is finer than 64-bit floats can invert
_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def infer_columns(source: Any, *, subject: str | None = None) -> tuple[Column, ...]:
    """One `Column` for each of the table's; see `Schema.infer`."""
    table = as_table(source)
    check_finite(table)
    return tuple(_infer(name, table[name], is_subject=name == subject) for name in table.column_names)


def _infer(name: str, cells: pa.ChunkedArray, *, is_subject: bool) -> Column:
    _require_supported(name, cells.type)
    finding = pii.find(name, cells)
    if is_subject:
        finding = pii.Finding(kind="identifier", reason="subject", output="regenerate")
    if finding is not None:
        return Column(
            name=name, kind=finding.kind, type=str(cells.type), nullable=cells.null_count > 0,
            pii=finding.reason, output=finding.output, inferred=("kind", "nullable"),
        )  # fmt: skip
    if is_stringlike(cells.type) or pa.types.is_dictionary(cells.type) or pa.types.is_null(cells.type):
        return _category(name, cells)
    if pa.types.is_boolean(cells.type):
        return Column(
            name=name, kind="boolean", type="bool", nullable=cells.null_count > 0, inferred=("nullable",)
        )
    return _number(name, cells)


def _require_supported(name: str, type_: pa.DataType) -> None:
    try:
        parse_type(str(type_))
    except SchemaError as error:
        raise SchemaError(f"column {name!r}: {error}") from error
    inner = storage_type(type_)
    if pa.types.is_dictionary(type_) and not (is_stringlike(type_) or pa.types.is_integer(inner)):
        raise SchemaError(f"column {name!r}: dictionary of {inner} is not supported; cast it to {inner}")


def _category(name: str, cells: pa.ChunkedArray) -> Column:
    ordered = pa.types.is_dictionary(cells.type) and cells.type.ordered
    return Column(
        name=name, kind="ordinal" if ordered else "category", type=str(cells.type),
        nullable=cells.null_count > 0, levels=_levels(cells), inferred=("levels", "nullable"),
    )  # fmt: skip


def _levels(cells: pa.ChunkedArray) -> tuple[Level, ...]:
    if pa.types.is_null(cells.type):
        return ()
    if pa.types.is_dictionary(cells.type):
        # The dictionary is the column's declared vocabulary: kept whole and in its order.
        return tuple(dict.fromkeys(combine(cells).dictionary.drop_null().to_pylist()))
    return tuple(sorted(pc.unique(cells).drop_null().to_pylist()))


def _number(name: str, cells: pa.ChunkedArray) -> Column:
    values = to_numbers(cells)[valid_mask(cells)]
    nullable = cells.null_count > 0
    if pa.types.is_integer(cells.type) and len(values) and set(np.unique(values).tolist()) == {0, 1}:
        return Column(
            name=name, kind="boolean", type=str(cells.type), nullable=nullable, levels=(0, 1),
            inferred=("kind", "nullable"),
        )  # fmt: skip
    bounds = (values.min().item(), values.max().item()) if len(values) else None
    return Column(
        name=name, kind=_numeric_kind(cells.type), type=str(cells.type), nullable=nullable, bounds=bounds,
        resolution=_resolution(values, cells.type), inferred=("bounds", "nullable", "resolution"),
    )  # fmt: skip


def _numeric_kind(type_: pa.DataType) -> Kind:
    if pa.types.is_date(type_):
        return "date"
    if pa.types.is_timestamp(type_):
        return "datetime"
    if pa.types.is_duration(type_) or pa.types.is_time(type_):
        return "duration"
    return "integer" if pa.types.is_integer(type_) else "continuous"


def _resolution(values: Numbers, type_: pa.DataType) -> float | None:
    """The coarsest natural step that every value is a multiple of; None where there is no usable one."""
    step = _step(values, type_)
    span = float(values.max()) - float(values.min()) if len(values) else 0.0
    return None if step is None or span / step > _MAX_STEPS else step


def _step(values: Numbers, type_: pa.DataType) -> float | None:
    if pa.types.is_decimal(type_):
        return float(10.0**-type_.scale)
    if pa.types.is_temporal(type_):
        return _time_step(values, type_)
    if values.dtype == np.int64 or pa.types.is_integer(type_):
        return 1.0
    return _decimal_step(np.asarray(values, np.float64), type_)


def _time_step(values: Numbers, type_: pa.DataType) -> float:
    if pa.types.is_date32(type_):
        return 1.0
    day = _DAY[getattr(type_, "unit", "ms")]
    steps = (day, day // 24, day // 1440, day // 86_400, day // 86_400_000, day // 86_400_000_000)
    return next((float(s) for s in steps if s >= 1 and not np.any(values % s)), 1.0)


def _decimal_step(values: np.ndarray, type_: pa.DataType) -> float | None:
    native = type_.to_pandas_dtype()
    for decimals in range(_MAX_DECIMALS + 1):
        # Compared in the column's own precision: float32 0.1 is one decimal although its double is not.
        if np.array_equal(np.round(values, decimals).astype(native), values.astype(native)):
            return float(10.0**-decimals)
    return None
