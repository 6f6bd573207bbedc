"""Packed rows as records, all columns of a row side by side, so that any rows are one piece of a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed, dtype_columns

Records = NDArray[Any]

_CODES = (("codes8", np.uint8), ("codes16", np.uint16), ("codes32", np.uint32))


def record_type(layout: tuple[CodeSpec, ...]) -> np.dtype[Any]:
    """The type of a row: the fields of `Packed`, without padding."""
    widths = [len(ids) for ids in dtype_columns(layout)]
    codes = [(name, dtype, (width,)) for (name, dtype), width in zip(_CODES, widths, strict=True)]
    positions = sum(spec.continuous for spec in layout)
    return np.dtype([*codes, ("positions", np.float32, (positions,))])


def to_records(type_: np.dtype[Any], rows: Packed) -> Records:
    """Records (n,) of n rows."""
    out = np.empty(len(rows.positions), type_)
    for (name, _), own in zip(_CODES, rows.codes, strict=True):
        out[name] = own
    out["positions"] = rows.positions
    return out


def from_records(records: Records) -> Packed:
    """The rows of records (n,), copied."""
    codes = tuple(np.ascontiguousarray(records[name]) for name, _ in _CODES)
    return Packed(codes, np.ascontiguousarray(records["positions"]))
