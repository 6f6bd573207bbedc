"""Encoded columns stacked by dtype into a few matrices: rows on the device, columns on the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.layout import CodeSpec, Encoded, code_dtype

_DTYPES = (np.uint8, np.uint16, np.uint32)


class Packed(NamedTuple):
    """Rows of a table on the device.

    Attributes:
        codes: three matrices (n, c8) uint8, (n, c16) uint16, (n, c32) uint32; c8 + c16 + c32 = columns.
        positions: float32 (n, v), one column a continuous column.
    """

    codes: tuple[NDArray[np.unsignedinteger], ...]
    positions: NDArray[np.float32]


class Columns(NamedTuple):
    """Generated rows on their way to the host, column after column, so that each is one piece of memory.

    Attributes:
        codes: three matrices (c8, n) uint8, (c16, n) uint16, (c32, n) uint32; c8 + c16 + c32 = columns.
        positions: float32 (v, n), one row a continuous column.
    """

    codes: tuple[NDArray[np.unsignedinteger], ...]
    positions: NDArray[np.float32]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.positions.shape[1])

    def slice(self, begin: int, end: int) -> Columns:
        """Rows `begin` to `end - 1`, as views."""
        return Columns(tuple(c[:, begin:end] for c in self.codes), self.positions[:, begin:end])


def dtype_columns(layout: tuple[CodeSpec, ...]) -> tuple[tuple[int, ...], ...]:
    """For uint8, uint16 and uint32: which layout columns are stored so."""
    return tuple(tuple(i for i, spec in enumerate(layout) if code_dtype(spec.size) is dtype) for dtype in _DTYPES)


def pack(layout: tuple[CodeSpec, ...], encoded: Encoded) -> Packed:
    """Stack columns by dtype. Positions are rounded to float32."""
    n = encoded.rows
    codes = tuple(
        np.stack([encoded.codes[i] for i in ids], axis=1) if ids else np.zeros((n, 0), dtype)
        for ids, dtype in zip(dtype_columns(layout), _DTYPES, strict=True)
    )
    below_one = np.nextafter(np.float32(1), np.float32(0))
    columns = [np.minimum(p.astype(np.float32), below_one) for p in encoded.positions]
    positions = np.stack(columns, axis=1) if columns else np.zeros((n, 0), np.float32)
    return Packed(codes, positions)


def unpacker(layout: tuple[CodeSpec, ...]) -> Callable[[Columns], Encoded]:
    """What takes the columns apart again, as views."""
    stacked = [i for ids in dtype_columns(layout) for i in ids]
    place = np.argsort(stacked).tolist()

    def unpack(columns: Columns) -> Encoded:
        rows = [row for matrix in columns.codes for row in matrix]
        return Encoded(tuple(rows[i] for i in place), tuple(columns.positions))

    return unpack
