"""Whatever is handed to the compiled search, it answers or says what is wrong: it never crashes or hangs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsynth import _core

TYPES: list[Any] = [
    pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
    pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.binary(), pa.date32(),
    pa.timestamp("us"), pa.decimal128(5, 2), pa.list_(pa.int8()), pa.struct([("x", pa.int8())]), pa.null(),
]  # fmt: skip
REFUSALS = (ValueError, TypeError, MemoryError)


@st.composite
def arrays(draw: st.DrawFn, rows: int) -> Any:
    """Mostly what the search reads, and anything else that Arrow has: slices, dictionaries, odd lengths."""
    if draw(st.integers(0, 30)) == 0:
        return draw(st.sampled_from([None, 1, "x", [1, 2], np.zeros(3), pa.chunked_array([[1.0]])]))
    type_ = draw(st.sampled_from(TYPES[:8] + TYPES[9:11] if draw(st.integers(0, 9)) else TYPES))
    length = rows if draw(st.integers(0, 9)) else draw(st.integers(0, 5))
    offset = draw(st.integers(0, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    total = length + offset
    mask = random.random(total) < draw(st.sampled_from([0.0, 0.4, 1.0]))
    try:
        if pa.types.is_floating(type_):
            limits = np.finfo(type_.to_pandas_dtype())
            odd = [0.0, -0.0, 1.0, float(limits.max), float(limits.min), float(limits.smallest_subnormal)]
            odd += [np.nan, np.inf] if draw(st.integers(0, 5)) == 0 else []
            values = random.choice(odd, total).astype(limits.dtype)
            return pa.array(values, mask=mask, from_pandas=False).slice(offset)
        if pa.types.is_integer(type_):
            info = np.iinfo(type_.to_pandas_dtype())
            values = random.choice(np.array([0, 1, 5, info.min, info.max], dtype=info.dtype), total)
            return pa.array(values, mask=mask).slice(offset)
        array = pa.nulls(total, type_).slice(offset)
        return array.dictionary_encode() if draw(st.booleans()) else array
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.nulls(total, type_)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Any, ...]:
    columns, rows, queries = draw(st.integers(0, 4)), draw(st.integers(0, 300)), draw(st.integers(0, 20))
    count = st.just(columns) if draw(st.integers(0, 9)) else st.integers(0, 5)
    weight = st.sampled_from([0.0, 1.0, 1e-300, 1e300] + ([-1.0, np.nan, np.inf] if draw(st.booleans()) else []))
    return (
        [draw(arrays(rows)) for _ in range(draw(count))],
        [draw(arrays(queries)) for _ in range(draw(count))],
        [draw(st.booleans()) for _ in range(draw(count))],
        np.array([draw(weight) for _ in range(draw(count))]),
        np.array([draw(weight) for _ in range(draw(count))]),
        draw(st.integers(-1, 3)),
        rows,
    )


@settings(max_examples=400, deadline=None)
@given(request=requests(), data=st.data())
def test_answers_or_refuses(request: tuple[Any, ...], data: st.DataObject) -> None:
    *arguments, rows = request
    try:
        tables = _core.Tables(*arguments)
    except REFUSALS:
        return
    k = data.draw(st.sampled_from([-1, 0, 1, 2, rows, 2**62]))
    parts = data.draw(st.sampled_from([[], [rows], [rows // 2, rows - rows // 2], [-1], [2**62, 2**62]]))
    exclude_self = data.draw(st.booleans())
    index = data.draw(st.sampled_from(["auto", "scan", "tree", "", "x"]))
    radii = np.array(data.draw(st.lists(st.sampled_from([0.0, 1.0, np.inf, -1.0, np.nan]), max_size=20)))
    try:
        distances, found, _, _ = tables.nearest(k, parts, exclude_self, index)
        assert distances.shape == found.shape == (distances.shape[0], len(parts), k)
        assert ((found >= 0) & (found < rows)).all()
        assert not np.isnan(distances).any()
    except REFUSALS:
        pass
    try:
        counts, _, _ = tables.within(radii, exclude_self, index)
        assert ((counts >= 0) & (counts <= rows)).all()
    except REFUSALS:
        pass
    try:
        lowest, counts = tables.equal()
        assert ((lowest >= 0) == (counts > 0)).all()
    except REFUSALS:
        pass
