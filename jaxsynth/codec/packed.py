"""Encoded columns stacked by dtype into a few matrices: what lies on the device and what comes back."""

from __future__ import annotations

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


def unpack(layout: tuple[CodeSpec, ...], packed: Packed) -> Encoded:
    """The columns apart again; views where the layout allows."""
    columns: dict[int, NDArray[np.unsignedinteger]] = {}
    for ids, matrix in zip(dtype_columns(layout), packed.codes, strict=True):
        columns.update((i, matrix[:, j]) for j, i in enumerate(ids))
    positions = tuple(packed.positions[:, j] for j in range(packed.positions.shape[1]))
    return Encoded(tuple(columns[i] for i in range(len(layout))), positions)
