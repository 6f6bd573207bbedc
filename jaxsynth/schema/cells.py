"""Cells as numbers: the numeric view of an Arrow column and the way back to its exact type.

Numbers are int64 where the type is integral (dates, timestamps and durations in their storage ticks) and
float64 elsewhere. uint64 beyond int64 falls back to float64, decimals to float64 rounded to their scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Numbers = NDArray[np.number[Any]]  # int64 or float64


def combine(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One contiguous array (dictionaries unified)."""
    if isinstance(column, pa.ChunkedArray):
        if pa.types.is_dictionary(column.type):
            column = column.unify_dictionaries()
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def valid_mask(column: pa.ChunkedArray | pa.Array) -> NDArray[np.bool_]:
    """True where the cell is not null. Shape (n,)."""
    return np.asarray(column.is_valid(), dtype=np.bool_)


def to_numbers(column: pa.ChunkedArray | pa.Array) -> Numbers:
    """The cells as int64 or float64, shape (n,), nulls as 0."""
    array = combine(column)
    type_ = array.type
    if pa.types.is_null(type_):
        return np.zeros(len(array), np.int64)
    if pa.types.is_boolean(type_):
        array = array.cast(pa.int8())
    elif pa.types.is_date32(type_) or pa.types.is_time32(type_):
        array = array.cast(pa.int32())
    elif pa.types.is_temporal(type_):
        array = array.cast(pa.int64())
    elif pa.types.is_decimal(type_):
        # Arrow's cast can miss the nearest double; the scale says what the decimal was.
        doubles = np.asarray(array.cast(pa.float64()).fill_null(0))
        return np.round(doubles, max(type_.scale, 0))
    elif pa.types.is_float16(type_):
        array = array.cast(pa.float64())
    array = pc.fill_null(array, pa.scalar(0, array.type)) if array.null_count else array
    values: Numbers = array.to_numpy(zero_copy_only=False)
    if values.dtype == np.uint64 and len(values) and int(values.max()) > np.iinfo(np.int64).max:
        return values.astype(np.float64)
    return values.astype(np.int64 if values.dtype.kind in "iu" else np.float64)


def from_numbers(values: Numbers, valid: NDArray[np.bool_] | None, type_: pa.DataType) -> pa.Array:
    """An Arrow array of `type_` from its numeric view, perhaps on its memory; inverse of `to_numbers`."""
    if pa.types.is_null(type_):
        return pa.nulls(len(values))
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return _array_of(_stored(values, type_), valid)
    mask = None if valid is None or valid.all() else ~valid
    if pa.types.is_decimal(type_):
        scaled = np.round(values, max(type_.scale, 0)) + 0.0
        return pa.array(scaled, pa.float64(), mask=mask).cast(type_)
    if pa.types.is_boolean(type_):
        return pa.array(values != 0, type_, mask=mask)
    ticks = values.astype(np.int64)
    if pa.types.is_date32(type_) or pa.types.is_time32(type_):
        return pa.array(ticks.astype(np.int32), pa.int32(), mask=mask).cast(type_)
    return pa.array(ticks, pa.int64(), mask=mask).cast(type_)


def _array_of(values: Numbers, valid: NDArray[np.bool_] | None) -> pa.Array:
    """An Arrow array of numbers of numpy's type, on their memory; `valid` packed into bits where any is False.

    `pa.array` takes several times as long over its mask.
    """
    type_ = pa.from_numpy_dtype(values.dtype)
    bits = None if valid is None or valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(type_, len(values), [bits, pa.py_buffer(np.ascontiguousarray(values))])


def _stored(values: Numbers, type_: pa.DataType) -> Numbers:
    """In the type's own width, integers at the ends of it where they lie outside."""
    dtype = np.dtype(type_.to_pandas_dtype())
    if dtype.kind == "f" or dtype == values.dtype:
        return values.astype(dtype, copy=False)
    info = np.iinfo(dtype)
    if values.dtype == np.float64 and info.max > 2**53:
        # float64(2**63 - 1) rounds up past the type; go to the largest double below.
        return np.clip(values, np.nextafter(float(info.min), 0), np.nextafter(float(info.max), 0)).astype(dtype)
    return np.clip(values, info.min, info.max).astype(dtype)


def round_to(values: NDArray[np.float64], resolution: float) -> NDArray[np.float64]:
    """Round to multiples of `resolution`; powers of ten come out as the nearest double to the decimal."""
    scale, step = scale_and_step(resolution)
    return np.rint(values / step) * step if scale == 1 else np.rint(values * scale) / scale


def scale_and_step(resolution: float) -> tuple[float, float]:
    """`resolution` as step / scale, one of which is 1: decimals are integers divided by a power of ten."""
    decimals = -np.log10(resolution)
    if resolution < 1 and abs(decimals - round(decimals)) < 1e-9:
        return 10.0 ** round(decimals), 1.0
    return 1.0, resolution
