from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from jaxsynth.errors import AuditError, TableError
from jaxsynth.neighbours import neighbours, read_cells
from jaxsynth.schema import Column, Schema

SCHEMA = Schema(
    columns=(
        Column(name="x", kind="continuous", type="double", nullable=True, bounds=(-4.0, 4.0)),
        Column(name="i", kind="integer", type="int16", nullable=True, bounds=(0, 10)),
        Column(name="c", kind="category", type="string", nullable=True, levels=("a", "b")),
        Column(name="b", kind="boolean", type="bool", nullable=True),
        Column(name="k", kind="integer", type="int64", nullable=True, bounds=(3, 3)),
    )
)
WIDTHS = {"x": 8.0, "i": 10.0}
ROW = st.tuples(
    st.none() | st.integers(-8, 8).map(lambda v: v / 2),
    st.none() | st.integers(0, 10),
    st.sampled_from([None, "a", "b", "unseen", ""]),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, 3, 4]),
)


def _table(rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {c.name: pa.array(v, c.arrow_type) for c, v in zip(SCHEMA.columns, columns, strict=True)},
    )


def _cost(name: str, a: Any, b: Any) -> float:
    if a is None or b is None:
        return float((a is None) != (b is None))
    return abs(a - b) / WIDTHS[name] if name in WIDTHS else float(a != b)


def _oracle(
    reference: list[tuple[Any, ...]], queries: list[tuple[Any, ...]], weights: dict[str, float]
) -> NDArray[np.float64]:
    return np.array(
        [
            [
                sum(weights.get(n, 1) * _cost(n, a, b) for n, a, b in zip(SCHEMA.names, r, q, strict=True))
                for r in reference
            ]
            for q in queries
        ]
    )


@settings(deadline=None, max_examples=80)
@given(
    reference=st.lists(ROW, min_size=1, max_size=12),
    queries=st.lists(ROW, min_size=1, max_size=6),
    k=st.integers(1, 4),
    weight=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
def test_matches_the_definition(
    reference: list[tuple[Any, ...]], queries: list[tuple[Any, ...]], k: int, weight: float
) -> None:
    k = min(k, len(reference))
    weights = {"i": weight, "c": 2 * weight}
    found = neighbours(_table(reference), _table(queries), k, schema=SCHEMA, weights=weights)
    expected = _oracle(reference, queries, weights)
    np.testing.assert_allclose(found.distances, np.sort(expected, axis=1)[:, :k], atol=1e-12)
    np.testing.assert_allclose(
        np.take_along_axis(expected, found.rows, axis=1), found.distances, atol=1e-12, err_msg="rows"
    )
    assert found.distances.dtype == np.float64
    assert found.rows.dtype == np.int64


def test_ties_go_to_the_lowest_row() -> None:
    table = pa.table({"c": ["a", "b", "a", "b", "a"]})
    assert neighbours(table, table, 3).rows.tolist() == [
        [0, 2, 4],
        [1, 3, 0],
        [0, 2, 4],
        [1, 3, 0],
        [0, 2, 4],
    ]


def test_matches_scikit_learn_on_numbers() -> None:
    rng = np.random.default_rng(0)
    reference, queries = rng.normal(size=(300, 4)), rng.normal(size=(50, 4))
    width = np.ptp(reference, axis=0)
    expected, rows = (
        NearestNeighbors(n_neighbors=3, algorithm="brute", metric="manhattan")
        .fit(reference / width)
        .kneighbors(queries / width)
    )
    left, right = (pa.table({f"x{j}": x[:, j] for j in range(4)}) for x in (reference, queries))
    found = neighbours(left, right, 3)
    np.testing.assert_allclose(found.distances, expected, rtol=1e-12)
    np.testing.assert_array_equal(found.rows, rows)


def test_exclude_self_leaves_the_own_row_out() -> None:
    table = pa.table({"x": [0.0, 1.0, 10.0]})
    found = neighbours(table, table, 1, exclude_self=True)
    assert found.rows.tolist() == [[1], [0], [1]]
    assert neighbours(table, table, 1).distances.tolist() == [[0.0], [0.0], [0.0]]


def test_no_query_gives_no_row() -> None:
    table = pa.table({"x": [0.0, 1.0]})
    assert neighbours(table, table.slice(0, 0), 2).distances.shape == (0, 2)


def test_times_are_compared_in_the_unit_of_the_schema() -> None:
    days = [dt.datetime(2020, 1, d) for d in (1, 2, 11)]
    seconds = pa.table({"t": pa.array(days, pa.timestamp("s")), "d": pa.array(days, pa.date32())})
    micros = pa.table({"t": pa.array(days, pa.timestamp("us")), "d": pa.array(days, pa.date64())})
    found = neighbours(seconds, micros, 2)
    assert found.rows[:, 0].tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.distances, [[0, 0.2], [0, 0.2], [0, 1.8]])


@pytest.mark.parametrize("narrow", [pa.float32(), pa.float64(), pa.decimal128(4, 1)])
def test_a_copy_in_another_number_type_keeps_distance_0(narrow: pa.DataType) -> None:
    table = pa.table({"x": pa.array([0.1, 0.7, 12.3])})
    copy = table.cast(pa.schema([("x", narrow)]), safe=False)
    for a, b in ((table, copy), (copy, table)):
        found = neighbours(a, b, 1)
        assert found.rows.ravel().tolist() == [0, 1, 2]
        assert not found.distances.any()


def test_float32_overflow_is_not_a_match() -> None:
    wide, single = pa.table({"x": [1e300, 2.0]}), pa.table({"x": pa.array([3e38, 2.0], pa.float32())})
    schema = Schema(columns=(Column(name="x", kind="continuous", type="double", bounds=(0.0, 1e10)),))
    found = neighbours(wide, single, 1, schema=schema)
    assert found.rows.ravel().tolist() == [1, 1]
    assert np.isfinite(found.distances).all()


@pytest.mark.parametrize(
    "encoding",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.uint32(), pa.large_string()),
    ],
    ids=str,
)
def test_text_is_compared_by_value_whatever_its_encoding(encoding: pa.DataType) -> None:
    reference = pa.table({"c": ["low", "high", None]})
    queries = pa.table({"c": pa.array(["new", "high", None, "low"]).cast(encoding)})
    found = neighbours(reference, queries, 1, schema=Schema.infer(reference))
    assert found.distances.ravel().tolist() == [1, 0, 0, 0]
    assert found.rows[1:].ravel().tolist() == [1, 2, 0]


def test_chunks_and_their_own_dictionaries_are_joined() -> None:
    chunks = [pa.array(v).dictionary_encode() for v in (["a", "b"], ["b", "c"])]
    table = pa.table({"c": pa.chunked_array(chunks)})
    assert neighbours(table, pa.table({"c": ["c", "b"]}), 1).rows.ravel().tolist() == [3, 1]


def test_frames_of_other_libraries() -> None:
    data = {"c": ["a", "b", None], "x": [1.0, 2.0, 4.0]}
    reference = pa.table(data)
    for frame in (
        pd.DataFrame(data),
        pl.DataFrame(data),
        pl.DataFrame(data, schema_overrides={"c": pl.Categorical}),
    ):
        assert not neighbours(reference, frame, 1, schema=Schema.infer(reference)).distances.any()


def test_negative_zero_is_zero_in_a_constant_column() -> None:
    reference, queries = pa.table({"x": [0.0, 0.0]}), pa.table({"x": [-0.0, 1.0]})
    assert neighbours(reference, queries, 1).distances.ravel().tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["left", "right", "both"])
def test_columns_without_values(kind: str) -> None:
    full, empty = pa.table({"c": ["a", "b"]}), pa.table({"c": pa.nulls(2)})
    reference, queries = (empty if kind in (side, "both") else full for side in ("left", "right"))
    found = neighbours(reference, queries, 1)
    assert found.distances.ravel().tolist() == ([0, 0] if kind == "both" else [1, 1])


def test_identifiers_and_extra_columns_are_left_out() -> None:
    schema = Schema(
        columns=(
            Column(name="id", kind="identifier", type="int64", output="regenerate"),
            Column(name="x", kind="continuous", type="double", bounds=(0.0, 1.0)),
        )
    )
    reference, queries = pa.table({"id": [1, 2], "x": [0.0, 1.0]}), pa.table({"x": [1.0], "more": ["?"]})
    assert neighbours(reference, queries, 1, schema=schema).rows.tolist() == [[1]]


def test_fitting_buffers_are_shared() -> None:
    table = pa.table({"x": [0.0, 1.0], "i": [1, 2], "t": pa.array([0, 1], pa.timestamp("us"))})
    cells = read_cells(table, Schema.infer(table), what="reference")
    for name, array in zip(table.column_names, cells, strict=True):
        assert array.buffers()[1].address == table[name].chunk(0).buffers()[1].address


def test_extreme_widths_fall_back_to_equality() -> None:
    for bounds in ((-1e308, 1e308), (0.0, 5e-324)):
        schema = Schema(columns=(Column(name="x", kind="continuous", type="double", bounds=bounds),))
        table = pa.table({"x": list(bounds)})
        assert neighbours(table, table, 2, schema=schema).distances.tolist() == [[0, 1], [0, 1]]


TABLE = pa.table({"x": [0.0, 1.0], "c": ["a", "b"]})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": {"age": 1.0}}, "weights: 'age' is not a modelled column"),
        ({"weights": {"x": -1.0}}, "weights: column 'x' has weight -1.0"),
        ({"weights": {"x": float("nan")}}, "weights: column 'x' has weight nan"),
        ({"k": 0}, "k is 0, but reference offers 2"),
        ({"k": 3}, "k is 3, but reference offers 2"),
        ({"k": 2, "exclude_self": True}, "k is 2, but reference offers 1"),
        ({"threads": -1}, "threads is -1"),
        ({"queries": TABLE.slice(0, 1), "exclude_self": True}, "reference has 2 rows and queries 1"),
        ({"queries": TABLE.drop(["c"])}, "queries: lacks column 'c'"),
        ({"queries": pa.table({"x": ["0", "1"], "c": ["a", "b"]})}, "queries: column 'x' has type string"),
        ({"reference": TABLE.slice(0, 0), "schema": Schema.infer(TABLE)}, "reference offers 0 neighbours"),
    ],
)
def test_refuses(arguments: dict[str, Any], message: str) -> None:
    request = {"reference": TABLE, "queries": TABLE, "k": 1, **arguments}
    with pytest.raises(AuditError, match=message):
        neighbours(request.pop("reference"), request.pop("queries"), **request)


def test_refuses_times_that_do_not_fit() -> None:
    schema = Schema(columns=(Column(name="t", kind="datetime", type="timestamp[s]"),))
    table = pa.table({"t": pa.array([1], pa.timestamp("us"))})
    with pytest.raises(AuditError, match=r"reference: column 't' of type timestamp\[us\] does not fit"):
        neighbours(table, table, 1, schema=schema)


def test_refuses_a_schema_that_models_nothing() -> None:
    schema = Schema(columns=(Column(name="x", kind="continuous", type="double", output="drop"),))
    with pytest.raises(AuditError, match="no column is modelled"):
        neighbours(TABLE, TABLE, 1, schema=schema)


@pytest.mark.parametrize("side", ["reference", "queries"])
def test_refuses_nan(side: str) -> None:
    bad = pa.table({"x": [0.0, float("nan")], "c": ["a", "b"]})
    sides = {"reference": TABLE, "queries": TABLE, side: bad}
    with pytest.raises(TableError, match=f"{side}: column 'x' holds 1 NaN cells, the first in row 1"):
        neighbours(sides["reference"], sides["queries"], 1)
