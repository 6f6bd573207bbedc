from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import jaxsynth as js
from jaxsynth.errors import PrivacyError, SchemaError, TableError
from tests.conftest import TINY, make_table


def test_hard_columns_fit_and_come_back_with_their_types() -> None:
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "all null": pa.nulls(300, pa.float64()),
            "null type": pa.nulls(300),
            "constant": pa.array([7] * 300, pa.int16()),
            "größe 列": rng.normal(170, 10, 300).round(1),
            "größe 列 ": rng.integers(0, 2, 300),
            "when": pa.array(rng.integers(0, 10**9, 300), pa.timestamp("s", "Europe/Oslo")),
            "stay": pa.array(rng.integers(0, 10**6, 300), pa.duration("s")),
            "price": pa.array([Decimal(int(i)) / 100 for i in rng.integers(0, 10**6, 300)], pa.decimal128(12, 2)),
            "level": pa.array([f"l{i}" for i in rng.integers(0, 150, 300)], pa.large_string()).dictionary_encode(),
        }
    )
    out = js.fit(table, TINY, seed=0, progress=False).sample(500, seed=0)
    assert out.schema.types == table.schema.types
    assert out["all null"].null_count == 500
    assert set(out["constant"].to_pylist()) == {7}
    assert set(out["level"].to_pylist()) <= set(table["level"].to_pylist())


@pytest.mark.parametrize(
    "convert", [lambda t: pl.DataFrame(t), lambda t: t.to_reader(), lambda t: pd.DataFrame(t.to_pydict())]
)
def test_other_tables_fit(convert: Any) -> None:
    table = make_table(200).select(["sex", "age"])
    synth = js.fit(convert(table), TINY, seed=0, progress=False)
    assert synth.sample(10, seed=0).column_names == ["sex", "age"]
    assert synth.certificate is None


def test_the_same_seed_gives_the_same_model() -> None:
    table = make_table(300)
    a, b, c = (js.fit(table, TINY, seed=s, progress=False).sample(50, seed=0) for s in (1, 1, 2))
    assert a.equals(b)
    assert not a.equals(c)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (make_table(0), TableError, "no rows; give at least one row"),
        (pa.table({"x": [1.0, float("nan")]}), TableError, "column 'x' holds 1 NaN"),
        (pa.table({"x": [1.0, float("-inf")]}), TableError, "column 'x' holds 1 infinite"),
        (pa.table({"x": [[1], [2]]}), SchemaError, "column 'x': type 'list"),
        (pa.table({"id": list(range(50))}), SchemaError, "every column is an identifier or text"),
        (pd.DataFrame({"m": pd.Series([1, "x"], dtype=object)}), TableError, "column 'm' mixes types"),
        ("nowhere.parquet", TableError, "no file 'nowhere.parquet'"),
    ],
)
def test_bad_tables_are_refused(table: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        js.fit(table, TINY, progress=False)


def test_a_schema_that_disagrees_is_refused() -> None:
    schema = js.Schema.infer(make_table(100))
    with pytest.raises(SchemaError, match="lacks column 'age'"):
        js.fit(make_table(100).drop_columns(["age"]), TINY, schema=schema, progress=False)
    with pytest.raises(SchemaError, match="column 'age' holds"):
        js.fit(make_table(5000, seed=9), TINY, schema=schema.changed("age", bounds=(50, 60)), progress=False)


def test_a_number_for_privacy_is_refused_and_not_ignored() -> None:
    with pytest.raises(PrivacyError, match=r"privacy is 1.0; give jaxsynth.Privacy\(epsilon=...\)"):
        js.fit(make_table(100), TINY, privacy=1.0, progress=False)  # type: ignore[arg-type]
