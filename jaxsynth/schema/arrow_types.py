"""Arrow types as text and back, so that a schema is readable JSON and rebuilds the table's exact types."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from jaxsynth.errors import SchemaError

_SIMPLE: dict[str, pa.DataType] = {
    str(t): t
    for t in (
        pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(),
        pa.uint32(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.string(), pa.large_string(),
        pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"),
        pa.time64("ns"),
    )
}  # fmt: skip

_PARAMETRIC: list[tuple[str, Callable[[re.Match[str]], pa.DataType]]] = [
    (r"timestamp\[(s|ms|us|ns)\]", lambda m: pa.timestamp(m[1])),
    (r"timestamp\[(s|ms|us|ns), tz=(.+)\]", lambda m: pa.timestamp(m[1], m[2])),
    (r"duration\[(s|ms|us|ns)\]", lambda m: pa.duration(m[1])),
    (r"decimal128\((\d+), (-?\d+)\)", lambda m: pa.decimal128(int(m[1]), int(m[2]))),
    (r"decimal256\((\d+), (-?\d+)\)", lambda m: pa.decimal256(int(m[1]), int(m[2]))),
    (
        r"dictionary<values=(.+), indices=(u?int(?:8|16|32|64)), ordered=([01])>",
        lambda m: pa.dictionary(_SIMPLE[m[2]], parse_type(m[1]), ordered=m[3] == "1"),
    ),
]


def parse_type(text: str) -> pa.DataType:
    """The Arrow type that `str(type)` wrote as `text`.

    Raises:
        SchemaError: `text` names no type a table cell can have here.
    """
    if text in _SIMPLE:
        return _SIMPLE[text]
    for pattern, build in _PARAMETRIC:
        match = re.fullmatch(pattern, text)
        if match:
            return build(match)
    raise SchemaError(
        f"type {text!r} is not supported; cast the column to a number, string, boolean, date, "
        "timestamp, duration, decimal or dictionary type, or drop it"
    )


def storage_type(type_: pa.DataType) -> pa.DataType:
    """The type of the values: what a dictionary encodes, or the type itself."""
    return type_.value_type if pa.types.is_dictionary(type_) else type_


def most_levels(type_: pa.DataType) -> int | None:
    """How many values the indices of a dictionary can tell apart; None for other types."""
    if not pa.types.is_dictionary(type_):
        return None
    return int(np.iinfo(type_.index_type.to_pandas_dtype()).max) + 1


def is_stringlike(type_: pa.DataType) -> bool:
    """Whether cells are text, dictionary-encoded or not."""
    t = storage_type(type_)
    return bool(pa.types.is_string(t) or pa.types.is_large_string(t))


def is_numeric(type_: pa.DataType) -> bool:
    """Whether cells are integers, floats or decimals."""
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_))


def is_time(type_: pa.DataType) -> bool:
    """Whether cells are dates, timestamps, times of day or durations."""
    return bool(pa.types.is_temporal(type_))
