from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from jaxsynth.codec import Codec
from jaxsynth.codec.groups import group_columns
from jaxsynth.codec.numeric import NumericCodec
from jaxsynth.privacy.admit import admit
from jaxsynth.privacy.private_codec import private_codec
from jaxsynth.privacy.query import Query
from jaxsynth.schema import Schema
from jaxsynth.schema.cells import to_numbers, valid_mask
from tests.conftest import make_table
from tests.privacy.fake_ledger import SCHEMA, FakeLedger, Replayed, tables

ADULT = Path("/work/shared/data/tabular/adult_train.parquet")


@given(tables(), tables(least=1), st.floats(0.01, 100), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_any_other_table_is_encoded_and_comes_back_inside_the_schema(
    table: pa.Table, other: pa.Table, mu: float, seed: int
) -> None:
    codec = private_codec(SCHEMA, FakeLedger(table, mu=mu, seed=seed), rows=table.num_rows)
    admitted = admit(other, SCHEMA)
    back = pa.Table.from_batches([codec.decode(codec.encode(admitted))])
    SCHEMA.check(back)
    for column in SCHEMA.modelled:
        _assert_close(column.name, admitted[column.name], back[column.name], codec)
    for group in group_columns(codec.layout):
        assert np.isfinite(group.prior).all()


@given(tables(least=1), st.sampled_from([1, 2]), st.floats(0.1, 100), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_one_subject_moves_each_answer_by_the_sensitivity_at_most(
    table: pa.Table, k: int, mu: float, seed: int
) -> None:
    ledger = FakeLedger(table, mu=mu, seed=seed, rows_per_subject=k)
    private_codec(SCHEMA, ledger, rows=table.num_rows)
    queries = [q for q in ledger.queries if isinstance(q, Query)]
    start = seed % table.num_rows
    rest = pa.concat_tables([table.slice(0, start), table.slice(start + k)])
    for query in queries:
        change = query.statistic(table) - query.statistic(rest)
        assert np.linalg.norm(change) <= query.sensitivity == k


def _assert_close(name: str, cells: pa.ChunkedArray, back: pa.ChunkedArray, codec: Codec) -> None:
    column = codec.schema[name]
    assert_array_equal(valid_mask(cells), valid_mask(back))
    if column.is_numeric and column.resolution is None:
        assert column.bounds is not None
        span = column.bounds[1] - column.bounds[0]
        # Where the noise saw nothing, 24 bits of a position are spread over a rank of 2^-14.
        np.testing.assert_allclose(to_numbers(back), to_numbers(cells), atol=span * 2.0**-9)
    elif name != "big":  # finer than 64-bit floats can tell apart
        assert back.equals(cells.cast(back.type))


@given(st.integers(0, 5))
@settings(max_examples=5, deadline=None)
def test_the_codec_is_a_function_of_the_answers(seed: int) -> None:
    table, schema = make_table(500, seed), Schema.infer(make_table(500, seed)).declare_public()
    ledger = FakeLedger(table, mu=1.0, seed=seed)
    first = private_codec(schema, ledger, rows=480)
    again = private_codec(schema, Replayed(ledger), rows=480)
    described, arrays = first.state()
    described_again, arrays_again = again.state()
    assert described == described_again
    for name, own in arrays.items():
        assert_array_equal(own, arrays_again[name])


def test_it_is_saved_as_any_codec_is() -> None:
    table = make_table(300)
    schema = Schema.infer(table).declare_public()
    codec = private_codec(schema, FakeLedger(table, mu=0.5), rows=300)
    described, arrays = codec.state()
    again = Codec.from_state(codec.schema, described, arrays)
    for a, b in zip(codec.encode(table).codes, again.encode(table).codes, strict=True):
        assert_array_equal(a, b)


def test_with_next_to_no_noise_counts_are_the_frequencies() -> None:
    table = make_table(20_000)
    schema = Schema.infer(table).changed("age", bounds=(0, 120)).declare_public()
    ledger = FakeLedger(table, mu=1e4)
    codec = private_codec(schema, ledger, rows=20_000)
    assert ledger.spent == pytest.approx(1)
    for column, codes in zip(codec.columns, codec.encode(table).codes, strict=True):
        counts = np.bincount(codes, minlength=len(column.counts))
        assert np.abs(counts - column.counts).max() <= 25, column.column.name
        assert abs(int(column.counts.sum()) - 20_000) <= len(column.counts)
    visits = codec.columns[3]
    assert isinstance(visits, NumericCodec)
    assert visits.atoms.tolist() == [0]
    assert visits.intervals == 128


def test_a_pile_at_zero_of_a_column_without_a_grid_is_a_value_of_its_own() -> None:
    rng = np.random.default_rng(0)
    cells = np.where(rng.random(5000) < 0.4, 0.0, rng.normal(0, 3, 5000))
    schema = Schema.infer(pa.table({"x": cells})).changed("x", bounds=(-10, 20), resolution=None).declare_public()
    codec = private_codec(schema, FakeLedger(pa.table({"x": cells}), mu=0.5), rows=5000).columns[0]
    assert isinstance(codec, NumericCodec)
    assert codec.atoms.tolist() == [0.0]
    assert abs(codec.counts[0] - 2000) < 150


def test_more_noise_gives_fewer_intervals() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.integers(0, 100_000, 20_000)})
    schema = Schema.infer(table).changed("x", bounds=(0, 99_999)).declare_public()
    found = [
        private_codec(schema, FakeLedger(table, mu=mu), rows=20_000).columns[0] for mu in (1e-3, 0.05, 0.5, 50)
    ]
    intervals = [c.intervals for c in found if isinstance(c, NumericCodec)]
    assert intervals[0] == 2
    assert intervals == sorted(intervals)
    assert intervals[-1] == 128


def test_no_rows_and_all_missing() -> None:
    table = make_table(50)
    schema = Schema.infer(table).declare_public()
    codec = private_codec(schema, FakeLedger(table.slice(0, 0), mu=0.5), rows=-3)
    for spec in codec.layout:
        assert (spec.counts >= 0).all()
        assert np.isfinite(spec.rank[~spec.free]).all() or spec.has_position.any()
    none = pa.table({"x": pa.nulls(500, pa.float64())})
    wide = Schema.infer(pa.table({"x": [0.5, 1.25, None]})).changed("x", bounds=(0, 1000)).declare_public()
    missing = private_codec(wide, FakeLedger(none, mu=1.0), rows=500).columns[0].counts
    assert missing[-1] > 450


@pytest.mark.skipif(not ADULT.exists(), reason="the Adult table is not here")
def test_marginals_of_adult_at_a_tenth_of_epsilon_1() -> None:
    table = pq.read_table(ADULT)
    schema = Schema.infer(table)
    for name, bounds in {"age": (0, 120), "fnlwgt": (0, 2_000_000), "hours_per_week": (0, 100)}.items():
        schema = schema.changed(name, bounds=bounds)
    codec = private_codec(schema.declare_public(), FakeLedger(table, mu=0.07), rows=table.num_rows)
    error = {}
    for column, codes in zip(codec.columns, codec.encode(table).codes, strict=True):
        counts = np.bincount(codes, minlength=len(column.counts))
        error[column.column.name] = np.abs(counts / counts.sum() - column.counts / column.counts.sum()).sum() / 2
    assert np.mean(list(error.values())) < 0.02
    assert max(error.values()) < 0.08
    intervals = {c.column.name: c.intervals for c in codec.columns if isinstance(c, NumericCodec)}
    assert intervals["fnlwgt"] > 16
