"""Codes as cells: against Arrow's own arrays, of parts of any lengths, and what does not fit is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jaxsynth import _core
from jaxsynth.codec.layout import Encoded
from jaxsynth.codec.stored import array_of, reading_of, store

VALUES = {
    "int8": pa.array([3, -1, 7], pa.int8()),
    "uint16": pa.array([3, 60_000, 7], pa.uint16()),
    "float": pa.array([0.5, -0.0, 1e30], pa.float32()),
    "date": pa.array([1, 2, -3], pa.int32()).cast(pa.date32()),
    "timestamp": pa.array([1, -2, 2**60], pa.int64()).cast(pa.timestamp("us", "UTC")),
    "slice": pa.array([9, 9, 1, 2, 3], pa.int64()).slice(2),
    "text": pa.array(["a", "", "bc"], pa.large_string()),
    "boolean": pa.array([True, False, True]),
    "decimal": pa.array([1, 2, 3]).cast(pa.decimal128(30, 2)),
    "none": pa.array([], pa.int64()),
}
CODES: tuple[type[np.unsignedinteger], ...] = (np.uint8, np.uint16, np.uint32)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(VALUES)), st.booleans(), st.sampled_from(CODES),
    st.lists(st.integers(0, 40), max_size=6), st.integers(0, 99),
)  # fmt: skip
def test_cells_are_those_that_arrow_takes(
    name: str, missing: bool, dtype: type[np.unsignedinteger], lengths: list[int], seed: int
) -> None:
    values = VALUES[name]
    lengths = lengths if len(values) or missing else []
    drawn = np.random.default_rng(seed).integers(0, max(len(values) + missing, 1), sum(lengths))
    parts = [Encoded((p.astype(dtype),), ()) for p in np.split(drawn, np.cumsum(lengths)[:-1])] if lengths else []
    (stored,) = store([reading_of(values, missing=missing)], parts)
    found = array_of(values, stored)
    found.validate(full=True)
    assert found.equals(values.take(pa.array(drawn, mask=drawn == len(values))))
    assert stored.nulls == found.null_count == (drawn == len(values)).sum()
    assert (stored.bits is None) == (found.null_count == 0)


def test_columns_are_read_together_with_positions_in_their_order() -> None:
    def line(high: float) -> _core.Reading:
        knots = np.array([0.0, high]), np.array([0.0, 1.0]), np.zeros(0, np.int32)
        return _core.Reading.numbers(np.array([-1.0]), 1, *knots, (0.0, 1.0, -np.inf, np.inf), True)

    readings = [line(1.0), _core.Reading.levels(2, True, 1), line(10.0)]
    codes = np.array([0, 1, 2, 1], np.uint8)
    half = np.full(4, 0.5)
    stored = store(readings, [Encoded((codes, codes, codes), (half, half.astype(np.float32)))])
    numbers = [s.array(pa.float64()).to_pylist() for s in (stored[0], stored[2])]
    assert numbers == [[-1.0, 0.5, None, 0.5], [-1.0, 5.0, None, 5.0]]
    assert stored[1].array(pa.int8()).to_pylist() == [0, 1, None, 1]


def test_no_rows_are_no_cells() -> None:
    (stored,) = store([_core.Reading.levels(2, True, 1)], [])
    assert stored.array(pa.int8()).to_pylist() == []


ONE = np.zeros(3, np.uint8)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            [((ONE,), ()), ((np.array([0, 7], np.uint8),), ())],
            "column 0: code 7 in row 4 is none of the column's 2",
        ),
        ([((ONE, ONE), ())], "2 columns of codes, not 1"),
        ([((ONE.astype(np.int64),), ())], "codes of column 0 are of another kind"),
        ([((np.zeros((3, 1), np.uint8),), ())], "codes of column 0 are of another kind"),
        ([((np.zeros(6, np.uint8)[::2],), ())], "codes of column 0 are of another kind"),
    ],
)
def test_codes_that_do_not_fit_are_refused(parts: list[Any], message: str) -> None:
    room = [bytearray(sum(len(codes[0]) for codes, _ in parts))]
    with pytest.raises(ValueError, match=message):
        _core.decode([_core.Reading.levels(2, False, 1)], parts, room, [None])


@pytest.mark.parametrize(
    ("cells", "bits", "message"),
    [
        ([bytearray(2)], [bytearray(1)], "room for 2 bytes of cells"),
        ([bytearray(3)], [bytearray(2)], "2 of bits, of 3 rows"),
        ([bytearray(3)], [None], "0 of bits, of 3 rows"),
        ([], [], "buffers of 0 and 0 columns"),
    ],
)
def test_room_that_does_not_fit_is_refused(cells: list[Any], bits: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.decode([_core.Reading.levels(2, True, 1)], [((ONE,), ())], cells, bits)


@pytest.mark.parametrize("buffer", [memoryview(bytearray(48))[::-2], memoryview(bytearray(25))[1:]])
def test_memory_with_gaps_or_that_begins_within_a_cell_is_refused(buffer: memoryview) -> None:
    with pytest.raises(ValueError, match="gaps or begins within a cell"):
        _core.decode([_core.Reading.levels(2, False, 8)], [((ONE,), ())], [buffer], [None])


def test_what_is_no_reading_or_no_part_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Unable to cast|incompatible"):
        _core.decode([None], [((ONE,), ())], [bytearray(3)], [None])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="a part is not a pair"):
        _core.decode([_core.Reading.levels(2, False, 1)], [(ONE,)], [bytearray(3)], [None])  # type: ignore[list-item]


def test_memory_that_is_read_only_is_refused() -> None:
    with pytest.raises(BufferError):
        _core.decode([_core.Reading.levels(2, False, 1)], [((ONE,), ())], [bytes(3)], [None])


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ((np.zeros(3), np.zeros(3)), "positions of 2 columns, not 1"),
        ((), "positions of column 0"),
        ((np.zeros(2),), "2 positions of 3 codes"),
        ((ONE,), "positions of column 0"),
    ],
)
def test_positions_that_do_not_fit_are_refused(positions: tuple[NDArray[Any], ...], message: str) -> None:
    knots = np.arange(2.0), np.arange(2.0), np.zeros(0, np.int32)
    reading = _core.Reading.numbers(np.zeros(0), 1, *knots, (0.0, 1.0, -np.inf, np.inf), False)
    with pytest.raises(ValueError, match=message):
        _core.decode([reading], [((ONE,), positions)], [bytearray(24)], [None])


def test_readings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="cells of 3 bytes; pass 1, 2, 4 or 8"):
        _core.Reading.levels(2, False, 3)
    with pytest.raises(ValueError, match="257 levels do not fit 1 bytes"):
        _core.Reading.levels(257, False, 1)
    with pytest.raises(ValueError, match="pass the memory of cells"):
        _core.Reading.table(np.zeros(3, np.float64), False)
    with pytest.raises(ValueError, match="codes of 8 bits cannot be those of a column of 257"):
        store([_core.Reading.levels(256, True, 2)], [Encoded((ONE,), ())])
