"""Values of numeric columns from codes and positions: bit for bit what the formula gives in NumPy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from jaxsynth import _core
from jaxsynth.codec.layout import Codes, Encoded
from jaxsynth.codec.numeric import NumericCodec
from jaxsynth.codec.stored import store
from jaxsynth.errors import CodecError
from jaxsynth.schema import Schema
from jaxsynth.schema.cells import from_numbers, round_to

ROWS = 20_000
Z = np.random.default_rng(0).normal(size=ROWS)
COLUMNS = {
    "cents": np.round(np.exp(2 * Z) * 100, 2),
    "quarters, half zero": np.where(Z < 0, 0.0, np.round(Z * 1000) * 0.25),
    "no resolution": Z,
    "integers": (Z * 1e6).astype(np.int64),
    "tiny, with a pile": np.where(Z < 0.5, -5.5, Z * 1e-7),
    "huge": Z * 1e17,
    "single": np.exp(Z).astype(np.float32),
}


def expected(codec: NumericCodec, codes: NDArray[Any], positions: NDArray[Any]) -> NDArray[np.float64]:
    """Linear between the knots, on the grid, inside the bounds; atoms as they are."""
    q, atoms = codec.quantiles, len(codec.atoms)
    assert q is not None
    interval = np.clip(codes.astype(np.int64) - atoms, 0, codec.intervals - 1)
    ranks = q.ranks * codec.intervals
    j = np.clip(np.searchsorted(ranks - 1e-12, interval + positions, side="right") - 1, 0, len(ranks) - 2)
    j -= (positions < ranks[j] - interval) & (j > 0)
    share = np.clip((positions - (ranks[j] - interval)) / np.diff(ranks)[j], 0, 1)
    x = q.values[j] + share * np.diff(q.values)[j]
    if codec.column.resolution is not None:
        x = round_to(x, codec.column.resolution)
    if codec.column.bounds is not None:
        x = np.clip(x, *codec.column.bounds)
    if atoms:
        x = np.where(codes < atoms, codec.atoms[np.minimum(codes, atoms - 1)], x)
    out: NDArray[np.float64] = x
    return out


def decoded(codec: NumericCodec, codes: Codes, positions: NDArray[np.floating] | None) -> pa.Array:
    assert positions is not None
    return codec.cells(*store([codec.reading()], [Encoded((codes,), (positions,))]))


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("nulls", [False, True])
def test_compiled_decoding_is_the_formula(name: str, nulls: bool) -> None:
    mask = np.random.default_rng(1).random(ROWS) < 0.1 if nulls else None
    table = pa.table({name: pa.array(COLUMNS[name], mask=mask)})
    codec = NumericCodec.fit(Schema.infer(table)[name], table[name], 64)
    codes = codec.encode(table[name])[0]
    positions = np.random.default_rng(2).random(ROWS).astype(np.float32)
    positions[:2] = 0, 1
    valid = codes < len(codec.counts) - 1 if nulls else None
    values = expected(codec, codes, positions.astype(np.float64))
    assert codec.quantiles is not None
    assert decoded(codec, codes, positions).equals(from_numbers(values, valid, table[name].type))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranks": np.arange(3.0)}, "2 values and 3 ranks"),
        ({"intervals": 0}, "0 intervals"),
        ({"starts": np.array([0, 1], np.int32)}, "below the last"),
    ],
)
def test_knots_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {
        "atoms": np.zeros(0), "intervals": 1, "values": np.arange(2.0), "ranks": np.arange(2.0),
        "starts": np.zeros(0, np.int32), "grid": (0.0, 1.0, -np.inf, np.inf), "missing": False,
    }  # fmt: skip
    assert _core.Reading.numbers(**right).width == 8
    with pytest.raises(ValueError, match=message):
        _core.Reading.numbers(**right | change)


def test_cells_outside_of_the_declared_bounds_never_come_out() -> None:
    table = pa.table({"x": pa.array(Z)})
    codec = NumericCodec.fit(Schema.infer(table)["x"], table["x"], 64)
    tight = replace(codec, column=replace(codec.column, bounds=(-1.0, 1.0)))
    out = np.asarray(decoded(tight, *codec.encode(table["x"])))
    assert (out.min(), out.max()) == (-1.0, 1.0)


def test_numbers_whose_differences_overflow_are_refused() -> None:
    table = pa.table({"x": pa.array([-1.7e308, *Z])})
    with pytest.raises(CodecError, match=r"column 'x'.*-1.7e\+308.*make them missing or scale"):
        NumericCodec.fit(Schema.infer(table)["x"], table["x"], 64)
