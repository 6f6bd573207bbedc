"""Two tables side by side: codes that mean the same on both, one precision, and what a difference costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth import _core
from jaxsynth.errors import AuditError
from jaxsynth.neighbours.cells import Cells
from jaxsynth.schema import Column, Schema
from jaxsynth.schema.arrow_types import is_stringlike

_CODES = (pa.uint8(), 1 << 8), (pa.uint16(), 1 << 16), (pa.int32(), 1 << 31)


def paired(
    reference: Cells, queries: Cells, schema: Schema, *, weights: Mapping[str, float] | None, threads: int
) -> _core.Tables:
    """Both tables as the engine takes them; buffers that fit are shared.

    Raises:
        AuditError: an unknown or negative weight, or a negative number of threads.
    """
    if threads < 0:
        raise AuditError(f"threads is {threads}; give 0 for one thread a core, or a positive number")
    costs = _costs(schema, weights)
    scale = np.array([_scale(c, w) for c, w in zip(schema.modelled, costs, strict=True)])
    categorical = np.isnan(scale)
    pairs = [
        _joint_codes(a, b) if as_code else _same_precision(a, b)
        for a, b, as_code in zip(reference, queries, categorical, strict=True)
    ]
    scale = np.where(categorical, costs, scale)
    return _core.Tables([a for a, _ in pairs], [b for _, b in pairs], categorical.tolist(), scale, costs, threads)


def _costs(schema: Schema, weights: Mapping[str, float] | None) -> NDArray[np.float64]:
    """Return the weight of each modelled column. Shape (c,)."""
    names = [c.name for c in schema.modelled]
    for name, weight in (weights or {}).items():
        if name not in names:
            raise AuditError(f"weights: {name!r} is not a modelled column; these are {names}")
        if not (weight >= 0 and math.isfinite(weight)):
            raise AuditError(f"weights: column {name!r} has weight {weight!r}; give a finite number >= 0")
    return np.array([float((weights or {}).get(name, 1.0)) for name in names])


def _scale(column: Column, weight: float) -> float:
    """Cost of one unit of difference, or NaN where the column is compared for equality only."""
    if not column.is_numeric or column.bounds is None:
        return math.nan
    width = column.bounds[1] - column.bounds[0]
    # Widths of 0, or so extreme that products with their inverse overflow, leave no usable unit.
    return weight / width if 1e-300 < width < 1e300 else math.nan


def _same_precision(left: pa.Array, right: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Both in float32 if exactly one is: the other's extra digits would tell a row from its own copy."""
    single = pa.float32()
    if (left.type == single) == (right.type == single):
        return left, right
    narrow = left.cast(single, safe=False), right.cast(single, safe=False)
    overflow = any(pc.any(pc.is_inf(array)).as_py() for array in narrow)
    return (left, right) if overflow else narrow


def _joint_codes(left: pa.Array, right: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Codes that are equal exactly where the cells are, levels of either side included; in few bytes."""
    encoded = [_encoded(left), _encoded(right)]
    type_ = _level_type([e.dictionary.type for e in encoded])
    values = [_no_negative_zero(e.dictionary.cast(type_, safe=False)) for e in encoded]
    levels = pc.unique(pa.concat_arrays(values)).drop_null()
    narrow = next(t for t, most in _CODES if len(levels) <= most)
    a, b = (pc.index_in(v, levels).cast(narrow).take(e.indices) for v, e in zip(values, encoded, strict=True))
    return a, b


def _encoded(array: pa.Array) -> pa.DictionaryArray:
    if not pa.types.is_dictionary(array.type):
        return _no_view(array).dictionary_encode()
    return pa.DictionaryArray.from_arrays(array.indices, _no_view(array.dictionary))


def _no_view(array: pa.Array) -> pa.Array:
    # Arrow's kernels lack string views in places, or make their nulls "".
    return array.cast(pa.large_string()) if array.type == pa.string_view() else array


def _no_negative_zero(values: pa.Array) -> pa.Array:
    return pc.add(values, pa.scalar(0.0, values.type)) if pa.types.is_floating(values.type) else values


def _level_type(types: Sequence[pa.DataType]) -> pa.DataType:
    known = [t for t in types if not pa.types.is_null(t)]
    if not known or all(t == known[0] for t in known):
        return known[0] if known else pa.int8()
    if all(is_stringlike(t) for t in known):
        return pa.large_string()
    if all(pa.types.is_integer(t) for t in known):
        return pa.int64()
    return pa.float32() if pa.float32() in known else pa.float64()
