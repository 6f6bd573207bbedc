"""Codes to the memory of Arrow arrays: all columns of a batch in one compiled call, beside which others run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from jaxsynth import _core
from jaxsynth.codec.layout import Encoded

_INDEX = pa.uint32()  # of values that are not stored in a few bytes each


class Stored(NamedTuple):
    """A column's cells as Arrow lays them out.

    Attributes:
        rows: how many cells.
        cells: their memory, or that of indices into values.
        bits: which cells there are; None where all are.
        nulls: how many are missing.
    """

    rows: int
    cells: pa.Buffer
    bits: pa.Buffer | None
    nulls: int

    def array(self, type_: pa.DataType) -> pa.Array:
        """As an array of the type."""
        return pa.Array.from_buffers(type_, self.rows, [self.bits, self.cells], self.nulls)

    def masked(self, cells: pa.Array) -> pa.Array:
        """An array of numbers, one a row and none missing, on its memory, without those that are missing here."""
        return pa.Array.from_buffers(cells.type, self.rows, [self.bits, cells.buffers()[1]], self.nulls)


def store(readings: Sequence[_core.Reading], parts: Sequence[Encoded]) -> list[Stored]:
    """The cells of each column, of all rows of the parts one after the other.

    Raises:
        ValueError: a code is none of its column's.
    """
    rows = sum(part.rows for part in parts)
    cells = [pa.allocate_buffer(rows * reading.width) for reading in readings]
    bits = [pa.allocate_buffer(-(-rows // 8)) if reading.missing else None for reading in readings]
    nulls = _core.decode(readings, parts, cells, bits)
    return [Stored(rows, c, b if n else None, n) for c, b, n in zip(cells, bits, nulls, strict=True)]


def reading_of(values: pa.Array, *, missing: bool) -> _core.Reading:
    """Of a column whose codes are those of the values, to be read by `array_of`."""
    if not _is_plain(values.type):
        return _core.Reading.levels(len(values), missing, _INDEX.byte_width)
    dtype = np.dtype(f"u{values.type.byte_width}")
    memory = values.buffers()[1] or b""
    return _core.Reading.table(np.frombuffer(memory, dtype, len(values), values.offset * dtype.itemsize), missing)


def array_of(values: pa.Array, stored: Stored) -> pa.Array:
    """The cells that `reading_of` the same values gave."""
    return stored.array(values.type) if _is_plain(values.type) else values.take(stored.array(_INDEX))


def _is_plain(type_: pa.DataType) -> bool:
    """Whether a cell is 1, 2, 4 or 8 bytes."""
    return any(is_a(type_) for is_a in (pa.types.is_integer, pa.types.is_floating, pa.types.is_temporal))
