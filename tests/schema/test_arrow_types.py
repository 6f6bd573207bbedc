from __future__ import annotations

import pyarrow as pa
import pytest

from jaxsynth.errors import SchemaError
from jaxsynth.schema.arrow_types import parse_type


@pytest.mark.parametrize(
    "type_",
    [
        pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.bool_(), pa.string(), pa.large_string(), pa.null(),
        pa.date32(), pa.date64(), pa.time32("ms"), pa.time64("ns"), pa.timestamp("us"),
        pa.timestamp("ns", "Europe/Oslo"), pa.timestamp("s", "+05:30"), pa.duration("ms"), pa.decimal128(10, 2),
        pa.decimal256(50, 3), pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.uint16(), pa.large_string(), ordered=True),
    ],
)  # fmt: skip
def test_types_survive_as_text(type_: pa.DataType) -> None:
    assert parse_type(str(type_)) == type_


@pytest.mark.parametrize("text", ["list<item: int64>", "binary", "", "int65", "timestamp[h]"])
def test_other_types_are_refused(text: str) -> None:
    with pytest.raises(SchemaError, match="is not supported"):
        parse_type(text)
