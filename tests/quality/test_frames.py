from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.errors import AuditError, SchemaError
from jaxsynth.quality.frames import frames
from jaxsynth.schema import Column, Schema


def coded(train: pa.Table, other: pa.Table | None = None, schema: Schema | None = None) -> Any:
    other = train if other is None else other
    return frames(schema or Schema.infer(train), train=train, holdout=train, synthetic=other)


def test_numbers_are_floats_with_nan_for_null() -> None:
    got = coded(pa.table({"x": pa.array([1, None, 3], pa.int16())})).train.numbers["x"]
    np.testing.assert_array_equal(got, [1.0, np.nan, 3.0])


def test_levels_get_one_code_in_all_tables() -> None:
    train = pa.table({"c": pa.array(["b", "a", None, "b"] * 10)})
    other = pa.table({"c": pa.array(["z", "a"], pa.large_string())})
    made = coded(train, other)
    assert made.levels["c"] == ("a", "b", "z")
    assert made.train.codes["c"][:4].tolist() == [1, 0, -1, 1]
    assert made.synthetic.codes["c"].tolist() == [2, 0]


@pytest.mark.parametrize("type_", [pa.int8(), pa.uint64(), pa.float32(), pa.float64(), pa.decimal128(9, 3)])
def test_number_types_compare(type_: pa.DataType) -> None:
    train = pa.table({"x": pa.array([1.5, 2.5, 100.0] * 5)})
    other = pa.table({"x": pa.array([1, 2, 100], pa.int8()).cast(type_)})
    assert coded(train, other).synthetic.numbers["x"].tolist() == [1, 2, 100]


def test_time_units_compare() -> None:
    train = pa.table({"t": pa.array([1, 2, 3], pa.timestamp("s"))})
    other = pa.table({"t": pa.array([1_000, 2_500], pa.timestamp("ms"))})
    assert coded(train, other).synthetic.numbers["t"].tolist() == [1, 2]


def test_booleans_and_integers_compare() -> None:
    train = pa.table({"f": pa.array([0, 1, 1, None])})
    other = pa.table({"f": pa.array([True, False])})
    assert coded(train, other).synthetic.codes["f"].tolist() == [1, 0]
    assert coded(other, train).synthetic.codes["f"].tolist() == [0, 1, 1, -1]


def test_a_column_without_cells_compares_with_anything() -> None:
    train = pa.table({"x": [1.0, 2.0], "s": ["a", "b"]})
    other = pa.table({"x": pa.nulls(2), "s": pa.nulls(2)})
    made = coded(train, other)
    assert made.synthetic.missing("x") == made.synthetic.missing("s") == 1.0
    assert coded(other, train).synthetic.codes["s"].tolist() == [0, 1]


@pytest.mark.parametrize(
    ("real", "other"),
    [
        (pa.array([1.0]), pa.array(["a"])),
        (pa.array(["a"]), pa.array([1])),
        (pa.array([0], pa.date32()), pa.array([0])),
        (pa.array([0], pa.duration("s")), pa.array([0], pa.timestamp("s"))),
        (pa.array([True]), pa.array(["yes"])),
    ],
)
def test_incomparable_types_are_refused(real: pa.Array, other: pa.Array) -> None:
    with pytest.raises(AuditError, match=r"synthetic: column 'c' has type .* cast the column"):
        coded(pa.table({"c": real}), pa.table({"c": other}))


def test_levels_that_do_not_cast_are_refused() -> None:
    train = pa.table({"f": [0, 1, 1]})
    with pytest.raises(AuditError, match=r"column 'f' .* cannot be compared"):
        coded(train, pa.table({"f": [0.5, 1.0]}))


def test_missing_columns_are_named() -> None:
    train = pa.table({"x": [1.0], "y": [2.0]})
    with pytest.raises(AuditError, match=r"synthetic: lacks 1 of the 2 columns .* 'y'; it has \['x'\]"):
        coded(train, train.select(["x"]))


def test_extra_and_identifier_columns_are_left_out() -> None:
    train = pa.table({"x": [1.5, 2.5], "mail": ["a@b.org", "c@d.org"]})
    made = coded(train, pa.table({"x": [1.0], "extra": [1]}))
    assert [c.name for c in made.columns] == ["x"]


def test_empty_tables_are_refused() -> None:
    train = pa.table({"x": [1.0]})
    with pytest.raises(AuditError, match="synthetic: no rows"):
        coded(train, train.slice(0, 0))


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(SchemaError, match="no column to score"):
        coded(pa.table({"mail": ["a@b.org", "c@d.org"]}))


def test_levels_that_do_not_fit_their_type_are_refused() -> None:
    schema = Schema(columns=(Column(name="c", kind="category", type="int64", levels=("a", "b")),))
    with pytest.raises(SchemaError, match=r"levels of column 'c' do not fit its type int64"):
        coded(pa.table({"c": [1, 2]}), schema=schema)
