"""Reading a schema off a table. Everything found here is marked as inferred: it came from private data."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from jaxsynth.errors import SchemaError
from jaxsynth.schema import pii
from jaxsynth.schema.arrow_types import is_stringlike, parse_type, storage_type
from jaxsynth.schema.column import Column, Kind
from jaxsynth.schema.facts import Facts
from jaxsynth.tables import as_table, check_finite

_MAX_STEPS = 2.0**48  # a grid with more steps between the bounds is finer than 64-bit floats can invert


def infer_columns(source: Any, *, subject: str | None = None) -> tuple[Column, ...]:
    """One `Column` for each of the table's; see `Schema.infer`."""
    table = as_table(source)
    check_finite(table)
    return tuple(_infer(name, table[name], is_subject=name == subject) for name in table.column_names)


def _infer(name: str, cells: pa.ChunkedArray, *, is_subject: bool) -> Column:
    require_supported(name, cells.type)
    finding = pii.find(name, cells)
    if is_subject:
        finding = pii.Finding(kind="identifier", reason="subject", output="regenerate")
    if finding is not None:
        return identifier(name, cells.type, finding, nullable=cells.null_count > 0)
    return column_of(name, cells.type, Facts.of(cells))


def require_supported(name: str, type_: pa.DataType) -> None:
    """Refuse a type whose cells could not be described.

    Raises:
        SchemaError: naming the column and the type.
    """
    try:
        parse_type(str(type_))
    except SchemaError as error:
        raise SchemaError(f"column {name!r}: {error}") from error
    inner = storage_type(type_)
    if pa.types.is_dictionary(type_) and not (is_stringlike(type_) or pa.types.is_integer(inner)):
        raise SchemaError(f"column {name!r}: dictionary of {inner} is not supported; cast it to {inner}")


def identifier(name: str, type_: pa.DataType, finding: pii.Finding, *, nullable: bool) -> Column:
    """The column of a direct identifier."""
    return Column(
        name=name, kind=finding.kind, type=str(type_), nullable=nullable,
        pii=finding.reason, output=finding.output, inferred=("kind", "nullable"),
    )  # fmt: skip


def column_of(name: str, type_: pa.DataType, facts: Facts) -> Column:
    """The column that the facts of its cells describe."""
    nullable = facts.nulls > 0
    if is_stringlike(type_) or pa.types.is_dictionary(type_) or pa.types.is_null(type_):
        return _category(name, type_, facts)
    if pa.types.is_boolean(type_):
        return Column(name=name, kind="boolean", type="bool", nullable=nullable, inferred=("nullable",))
    if pa.types.is_integer(type_) and (facts.low, facts.high) == (0, 1):
        return Column(
            name=name, kind="boolean", type=str(type_), nullable=nullable, levels=(0, 1),
            inferred=("kind", "nullable"),
        )  # fmt: skip
    bounds = None if facts.low is None or facts.high is None else (facts.low, facts.high)
    return Column(
        name=name, kind=_numeric_kind(type_), type=str(type_), nullable=nullable, bounds=bounds,
        resolution=_resolution(facts), inferred=("bounds", "nullable", "resolution"),
    )  # fmt: skip


def _category(name: str, type_: pa.DataType, facts: Facts) -> Column:
    coded = pa.types.is_dictionary(type_)
    return Column(
        name=name, kind="ordinal" if coded and type_.ordered else "category", type=str(type_),
        nullable=facts.nulls > 0, levels=facts.levels if coded else tuple(sorted(facts.levels)),
        inferred=("levels", "nullable"),
    )  # fmt: skip


def _numeric_kind(type_: pa.DataType) -> Kind:
    if pa.types.is_date(type_):
        return "date"
    if pa.types.is_timestamp(type_):
        return "datetime"
    if pa.types.is_duration(type_) or pa.types.is_time(type_):
        return "duration"
    return "integer" if pa.types.is_integer(type_) else "continuous"


def _resolution(facts: Facts) -> float | None:
    """The step of the numbers, unless there are too many steps between the bounds."""
    span = 0.0 if facts.low is None or facts.high is None else float(facts.high) - float(facts.low)
    return None if facts.step is None or span / facts.step > _MAX_STEPS else facts.step
