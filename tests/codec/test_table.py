"""decode(encode(t)) == t up to the declared resolution, for every type, null pattern and edge value."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from decimal import Decimal
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsynth.codec import Codec, Encoded
from jaxsynth.codec.packed import Columns, pack, unpacker
from jaxsynth.errors import CodecError
from jaxsynth.schema import Column, Schema
from jaxsynth.schema.cells import to_numbers, valid_mask
from tests.conftest import make_table


def round_trip(table: pa.Table, schema: Schema | None = None) -> pa.Table:
    schema = Schema.infer(table) if schema is None else schema
    codec = Codec.fit(schema, table)
    out = pa.Table.from_batches([codec.decode(codec.encode(table))])
    again = Codec.from_state(schema, *codec.state())
    assert pa.Table.from_batches([again.decode(again.encode(table))]).equals(out)
    return out


def assert_kept(table: pa.Table) -> None:
    schema = Schema.infer(table)
    out = round_trip(table, schema)
    assert out.column_names == [c.name for c in schema.output]
    for column in schema.modelled:
        before, after = table[column.name], out[column.name]
        assert after.type == before.type
        if column.is_numeric and column.resolution is None:
            _assert_near(before, after)
        else:
            assert after.to_pylist() == before.to_pylist(), column


def _assert_near(before: pa.ChunkedArray, after: pa.ChunkedArray) -> None:
    """Without a declared resolution: float32 positions inside intervals of the column."""
    valid = valid_mask(before)
    np.testing.assert_array_equal(valid, valid_mask(after))
    x, y = to_numbers(before)[valid], to_numbers(after)[valid]
    if len(x):
        assert np.max(np.abs(x - y)) <= 2.0**-22 * float(np.ptp(x.astype(np.float64))) + 8 * np.spacing(
            np.abs(x).max()
        )


def nullable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (pa.int8(), st.integers(-128, 127)),
        (pa.int64(), st.integers(-(2**52), 2**52)),
        (pa.uint64(), st.integers(0, 2**53)),
        (pa.float32(), st.floats(width=32, allow_nan=False, allow_infinity=False)),
        (pa.float64(), st.floats(-1e12, 1e12, allow_nan=False)),
        (pa.decimal128(12, 2), st.decimals(-9_999_999, 9_999_999, places=2)),
        (pa.bool_(), st.booleans()),
        (pa.string(), st.text(max_size=5)),
        (pa.large_string(), st.text(max_size=5)),
        (pa.date32(), st.dates(dt.date(1850, 1, 1), dt.date(2150, 1, 1))),
        (pa.date64(), st.dates(dt.date(1850, 1, 1), dt.date(2150, 1, 1))),
        (pa.timestamp("s"), st.integers(-(2**31), 2**32)),
        (pa.timestamp("ms", "Europe/Oslo"), st.integers(0, 4 * 10**12)),
        (pa.duration("s"), st.integers(0, 10**9)),
        (pa.time32("s"), st.integers(0, 86_399)),
        (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", "c"])),
    ],
    ids=str,
)  # fmt: skip
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_type_survives(type_: pa.DataType, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    assert_kept(pa.table({"x": pa.array(data.draw(nullable(values)), type_)}))


@settings(max_examples=60, deadline=None)
@given(
    values=hnp.arrays(np.float64, st.integers(300, 700), elements=st.floats(-1e6, 1e6)),
    decimals=st.integers(0, 6),
    inflated=st.floats(0, 0.95),
)
def test_decimals_with_many_distinct_values_come_back_exactly(
    values: np.ndarray, decimals: int, inflated: float
) -> None:
    rng = np.random.default_rng(len(values))
    values = np.round(values + rng.normal(0, 1000, len(values)), decimals)
    values[rng.random(len(values)) < inflated] = 0.0
    assert_kept(pa.table({"x": values}))


@pytest.mark.parametrize(
    "values",
    [
        np.exp(np.random.default_rng(0).normal(0, 8, 5000)).round(6),
        np.random.default_rng(0).standard_cauchy(5000).round(4),
        np.random.default_rng(0).integers(-(2**40), 2**40, 5000),
        np.concatenate([np.zeros(4500), np.random.default_rng(0).lognormal(5, 2, 500).round(2)]),
        np.concatenate([np.arange(3000) * 1e-3, [1e9]]),
        np.full(1000, 3.25),
        np.random.default_rng(0).normal(0, 1, 4000),
    ],
    ids=["skewed", "heavy tails", "wide integers", "inflated", "outlier", "constant", "no grid"],
)
def test_hard_numbers_survive(values: np.ndarray) -> None:
    assert_kept(pa.table({"x": values}))


def test_timestamps_to_the_second_over_centuries_survive() -> None:
    ticks = np.random.default_rng(0).integers(-3 * 10**9, 4 * 10**9, 20_000) * 1_000_000
    assert_kept(pa.table({"x": pa.array(ticks, pa.timestamp("us", "UTC"))}))


def test_ten_thousand_levels_survive_in_two_bytes() -> None:
    levels = [f"level {i}" for i in np.random.default_rng(0).permutation(10_000).repeat(2)]
    table = pa.table({"x": levels})
    codec = Codec.fit(Schema.infer(table), table)
    assert codec.encode(table).codes[0].dtype == np.uint16
    assert_kept(table)


def test_a_mixed_table_survives_chunked_or_not() -> None:
    table = make_table(3000)
    assert_kept(table)
    assert_kept(pa.concat_tables([make_table(500, 1), make_table(700, 2)]))


def test_all_null_columns_survive() -> None:
    types = [
        pa.null(),
        pa.float64(),
        pa.int32(),
        pa.string(),
        pa.bool_(),
        pa.date32(),
        pa.dictionary(pa.int8(), pa.string()),
    ]
    assert_kept(pa.table({str(t): pa.nulls(5, t) for t in types}))


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row(rows: int) -> None:
    table = make_table(100)
    codec = Codec.fit(Schema.infer(table), table)
    part = table.slice(0, rows)
    assert pa.Table.from_batches([codec.decode(codec.encode(part))]).to_pylist() == part.to_pylist()
    if rows:
        assert_kept(part)


def test_missing_is_a_state_of_its_own() -> None:
    table = pa.table({"x": [1.5, None, 2.5] * 100})
    spec = Codec.fit(Schema.infer(table), table).layout[0]
    assert spec.size == 3
    assert spec.counts.tolist() == [100, 100, 100]
    assert np.isnan(spec.rank[-1])


def test_inflated_values_are_states_and_the_rest_intervals() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"x": np.where(rng.random(5000) < 0.9, 0.0, rng.lognormal(3, 1, 5000).round(2))})
    spec = Codec.fit(Schema.infer(table), table).layout[0]
    assert not spec.has_position[0]
    assert spec.free[0]
    assert spec.counts[0] == (np.asarray(table["x"]) == 0).sum()
    assert spec.has_position[1:].all()


def test_few_distinct_numbers_are_exact_codes() -> None:
    table = pa.table({"x": np.random.default_rng(0).integers(0, 90, 4000)})
    assert not Codec.fit(Schema.infer(table), table).layout[0].continuous


def test_positions_are_float32_unless_the_resolution_needs_more() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"coarse": rng.normal(0, 9, 9000).round(2), "fine": rng.normal(0, 9e3, 9000).round(7)})
    coarse, fine = (c.position_dtype for c in Codec.fit(Schema.infer(table), table).columns)
    assert (coarse, fine) == (np.float32, np.float64)


def test_packing_keeps_columns_and_codes() -> None:
    table = make_table(500)
    codec = Codec.fit(Schema.infer(table), table)
    encoded = codec.encode(table)
    packed = pack(codec.layout, encoded)
    back = unpacker(codec.layout)(Columns(tuple(c.T for c in packed.codes), packed.positions.T))
    for a, b in zip(encoded.codes, back.codes, strict=True):
        np.testing.assert_array_equal(a, b)
    assert packed.positions.dtype == np.float32
    assert (packed.positions < 1).all()


def test_drawn_values_are_rarely_training_values() -> None:
    """Positions are drawn from a smoothed density: values on a fine grid must not be handed out again."""
    values = np.random.default_rng(0).lognormal(8, 1, 4000).round(6)
    table = pa.table({"x": values})
    codec = Codec.fit(Schema.infer(table), table)
    rng = np.random.default_rng(1)
    codes = rng.integers(0, codec.layout[0].size, 20_000).astype(np.uint8)
    drawn = codec.decode(Encoded((codes,), (rng.random(20_000).astype(np.float32),)))
    assert np.isin(np.asarray(drawn["x"]), values).mean() < 0.001


def test_drawing_uniform_codes_gives_back_the_distribution() -> None:
    values = np.random.default_rng(0).lognormal(8, 1, 20_000).round(2)
    table = pa.table({"x": values})
    codec = Codec.fit(Schema.infer(table), table)
    rng = np.random.default_rng(1)
    codes = rng.integers(0, codec.layout[0].size, 20_000).astype(np.uint8)
    drawn = np.asarray(codec.decode(Encoded((codes,), (rng.random(20_000),)))["x"])
    grid = np.quantile(values, np.linspace(0.01, 0.99, 50))
    gap = np.abs((drawn[:, None] <= grid).mean(0) - (values[:, None] <= grid).mean(0))
    assert gap.max() < 0.015


def test_cells_the_codec_does_not_know_are_named() -> None:
    table = pa.table({"c": ["a", "b"] * 50, "x": [1, 2] * 50})
    codec = Codec.fit(Schema.infer(table), table)
    with pytest.raises(CodecError, match="column 'c': 'z' in row 1 is not among the 2 declared levels"):
        codec.encode(pa.table({"c": ["a", "z"], "x": [1, 1]}))
    with pytest.raises(CodecError, match="column 'c': null in row 0, the schema says no nulls"):
        codec.encode(pa.table({"c": pa.array([None], pa.string()), "x": [1]}))
    with pytest.raises(CodecError, match="column 'x': 7 in row 0 is not among the 2 values"):
        codec.encode(pa.table({"c": ["a"], "x": [7]}))
    with pytest.raises(CodecError, match="column 'x': null in row 1"):
        codec.encode(pa.table({"c": ["a", "a"], "x": [1, None]}))


def test_decoded_numbers_stay_on_the_grid_and_inside_the_bounds() -> None:
    rng = np.random.default_rng(0)
    column = Column(name="x", kind="continuous", type="double", resolution=0.5, bounds=(0.0, 1000.0))
    table = pa.table({"x": rng.uniform(1, 999, 3000).round(0)})
    codec = Codec.fit(Schema(columns=(column,)), table)
    assert codec.layout[0].continuous
    positions = rng.random(9000)
    positions[:2] = 0.0, 1.0
    size = codec.layout[0].size
    out = np.asarray(codec.decode(Encoded((np.arange(9000).astype(np.uint8) % size,), (positions,)))["x"])
    assert out.min() >= 0
    assert out.max() <= 1000
    np.testing.assert_array_equal(out * 2, np.rint(out * 2))


def test_a_codec_that_has_decoded_is_pickled_and_copied() -> None:
    table = pa.table({"c": ["a", None, "b"], "x": [1.5, 2.5, 9.0]})
    codec = Codec.fit(Schema.infer(table), table)
    out = codec.decode(codec.encode(table))
    for again in (pickle.loads(pickle.dumps(codec)), copy.deepcopy(codec)):  # noqa: S301
        assert again.decode(again.encode(table)).equals(out)


def test_columns_of_nothing_may_have_levels() -> None:
    column = Column(name="x", kind="category", type="null", levels=("a",), nullable=True)
    table = pa.table({"x": pa.nulls(3)})
    codec = Codec.fit(Schema(columns=(column,)), table)
    assert codec.decode(codec.encode(table))["x"].equals(pa.nulls(3))


def test_decimals_are_exact() -> None:
    cells = pa.array([Decimal("0.07"), Decimal("1234567.29"), Decimal("-0.10")], pa.decimal128(12, 2))
    assert round_trip(pa.table({"x": cells}))["x"].to_pylist() == cells.to_pylist()
