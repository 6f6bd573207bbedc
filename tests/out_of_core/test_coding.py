"""What one pass over a table knows of it, and the codec made of that."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pytest

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.errors import SchemaError
from jaxsynth.out_of_core import survey as module
from jaxsynth.out_of_core.coding import fit_codec
from jaxsynth.out_of_core.draws import draw_rows, within
from jaxsynth.out_of_core.records import from_records, record_type, to_records
from jaxsynth.out_of_core.sizes import Sizes
from jaxsynth.out_of_core.survey import Survey, survey
from jaxsynth.streams import RowStream
from tests.conftest import make_table


def surveyed(table: pa.Table, *, batch: int = 300, sample: int = 10**6, schema: Any = None) -> Survey:
    dataset = pa_dataset.dataset(pa.Table.from_batches(table.to_batches(batch)))
    return survey(RowStream(dataset), schema, seed=0, sizes=Sizes(sample=sample))


def hard_table(rows: int = 5000) -> pa.Table:
    rng = np.random.default_rng(1)
    return make_table(rows).append_column("null", pa.nulls(rows, pa.float64())).append_column(
        "zero one", pa.array(np.arange(rows) % 2)
    ).append_column("late one", pa.array(np.arange(rows) == rows - 1).cast(pa.int64())).append_column(
        "price", pa.array([Decimal(int(i)) / 100 for i in rng.integers(0, 10**6, rows)], pa.decimal128(12, 2))
    ).append_column("at", pa.array(rng.integers(0, 10**9, rows), pa.timestamp("s"))).append_column(
        "tiny", pa.array(rng.random(rows).astype(np.float32))
    )  # fmt: skip


@pytest.fixture(autouse=True)
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxsynth.streams._MOST", 700)


def test_schema_and_codec_are_those_of_a_fit_in_memory_where_the_sample_is_the_table() -> None:
    table = hard_table()
    found = surveyed(table)
    schema = js.Schema.infer(table)
    assert found.schema == schema
    (words, arrays), (others, expected) = (
        c.state() for c in (fit_codec(found, max_intervals=64), Codec.fit(schema, table, max_intervals=64))
    )
    assert words == others
    assert arrays.keys() == expected.keys()
    for name, own in arrays.items():
        np.testing.assert_array_equal(own, expected[name], err_msg=name)


def test_all_rows_have_codes_where_the_sample_is_a_part_of_the_table() -> None:
    table = hard_table()
    found = surveyed(table, sample=500)
    assert found.schema == js.Schema.infer(table)
    assert found.sample.num_rows == 500
    codec, whole = fit_codec(found, max_intervals=64), Codec.fit(found.schema, table, max_intervals=64)
    codec.encode(table)
    for own, other in zip(codec.columns, whole.columns, strict=True):
        if getattr(other, "quantiles", None) is None:
            assert len(own.counts) == len(other.counts), own.column.name  # exact values are known of all rows
    cost, full = codec.columns[2], whole.columns[2]
    assert cost.quantiles.values[[0, -1]].tolist() == full.quantiles.values[[0, -1]].tolist()  # type: ignore[union-attr]


def test_bounds_are_of_all_rows_where_the_schema_has_none() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    values[[17, 4000]] = -1e4, 1e4
    table = pa.table({"x": values})
    schema = js.Schema.infer(table).changed("x", bounds=None)
    codec = fit_codec(surveyed(table, sample=100, schema=schema), max_intervals=64)
    back = codec.decode(codec.encode(table))["x"].to_numpy()
    np.testing.assert_allclose(back[[17, 4000]], [-1e4, 1e4])


def test_row_numbers_are_recognised_by_the_whole_table() -> None:
    rows = pa.array(np.random.default_rng(0).permutation(5000))
    found = surveyed(pa.table({"n": rows, "x": [1.0, 2.0] * 2500}), sample=100)
    assert found.schema["n"].pii == "record number"
    assert found.schema["x"].modelled
    repeated = surveyed(pa.table({"n": pa.array(np.arange(5000) // 2 * 2)}), sample=4000)
    assert repeated.schema["n"].modelled


def test_too_many_levels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LEVELS", 30)
    table = pa.table({"word": [f"w{i % 40}" for i in range(2000)]})
    with pytest.raises(SchemaError, match="column 'word': more than 30 levels; group them"):
        surveyed(table)


def test_records_hold_packed_rows() -> None:
    table = hard_table(300)
    codec = Codec.fit(js.Schema.infer(table), table)
    packed = pack(codec.layout, codec.encode(table))
    type_ = record_type(codec.layout)
    back = from_records(to_records(type_, packed))
    for own, other in zip((*back.codes, back.positions), (*packed.codes, packed.positions), strict=True):
        np.testing.assert_array_equal(own, other)
        assert own.dtype == other.dtype
    assert type_.itemsize == sum(a[:1].nbytes for a in (*packed.codes, packed.positions))


def test_drawn_rows_are_distinct_sorted_and_from_everywhere() -> None:
    drawn = draw_rows(10**9, 1000, np.random.default_rng(0))
    assert len(np.unique(drawn)) == 1000
    assert (np.diff(drawn) > 0).all()
    assert drawn.mean() == pytest.approx(5e8, rel=0.1)
    assert draw_rows(5, 5, np.random.default_rng(0)).tolist() == [0, 1, 2, 3, 4]
    assert len(draw_rows(5, 0, np.random.default_rng(0))) == 0
    assert within(np.array([1, 4, 5, 9]), 4, 5).tolist() == [0, 1]
