from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.errors import SchemaError, TableError
from jaxsynth.schema import Column, Schema


def infer(cells: pa.Array) -> Column:
    return Schema.infer(pa.table({"x": cells}))["x"]


@pytest.mark.parametrize(
    ("cells", "kind", "resolution"),
    [
        (pa.array([1.25, 2.5]), "continuous", 0.01),
        (pa.array([0.1, 0.7], pa.float32()), "continuous", 0.1),
        (pa.array([1.0, 3.0]), "continuous", 1.0),
        (pa.array([np.pi, np.e]), "continuous", None),
        (pa.array([3, 9]), "integer", 1.0),
        (pa.array([Decimal("1.10")], pa.decimal128(8, 2)), "continuous", 0.01),
        (pa.array([dt.date(2020, 1, 1)]), "date", 1.0),
        (pa.array([dt.datetime(2020, 1, 1, 10, 30)], pa.timestamp("us", "Europe/Oslo")), "datetime", 6e7),
        (pa.array([dt.timedelta(days=2)], pa.duration("s")), "duration", 86_400.0),
        (pa.array([dt.time(10, 0)], pa.time32("s")), "duration", 3600.0),
        (pa.array([True, False]), "boolean", None),
        (pa.array([0, 1, None]), "boolean", None),
        (pa.array(["a", "b"]), "category", None),
        (pa.nulls(3), "category", None),
    ],
)
def test_kinds_and_resolutions(cells: pa.Array, kind: str, resolution: float | None) -> None:
    column = infer(cells)
    assert column.kind == kind
    assert column.resolution == resolution


def test_levels_of_strings_are_sorted_and_of_dictionaries_kept() -> None:
    schema = Schema.infer(
        pa.table(
            {
                "s": ["b", "a", None],
                "d": pa.DictionaryArray.from_arrays(pa.array([1, 0, None], pa.int8()), ["z", "y", "unused"]),
            }
        )
    )
    assert schema["s"].levels == ("a", "b")
    assert schema["s"].nullable
    assert schema["d"].levels == ("z", "y", "unused")


def test_bounds_are_marked_as_inferred_until_declared_public() -> None:
    schema = Schema.infer(pa.table({"x": [1, 5, 9]}))
    assert list(schema["x"].bounds or ()) == [1, 9]
    assert set(schema["x"].inferred) == {"bounds", "nullable", "resolution"}
    assert not any(c.inferred for c in schema.declare_public())
    assert "bounds" not in schema.changed("x", bounds=(0, 10))["x"].inferred


@pytest.mark.parametrize("rows", [0, 1])
def test_tables_of_no_and_one_row(rows: int, table: pa.Table) -> None:
    schema = Schema.infer(table.slice(0, rows))
    assert schema.names == tuple(table.column_names)
    schema.check(table.slice(0, rows))


@pytest.mark.parametrize("cells", [pa.array([[1]]), pa.array([{"a": 1}]), pa.array([b"x"])])
def test_nested_and_binary_columns_are_refused_by_name(cells: pa.Array) -> None:
    with pytest.raises(SchemaError, match=r"column 'x': type .* is not supported"):
        infer(cells)


def test_nan_is_refused() -> None:
    with pytest.raises(TableError, match="column 'x' holds 1 NaN"):
        infer(pa.array([1.0, float("nan")]))


def test_names_that_look_alike_stay_apart() -> None:
    names = ["a", "a ", "A", "a.1", "\u00e4", "a\u0308", "\u5217", ""]
    schema = Schema.infer(pa.table({n: [i, i + 1] for i, n in enumerate(names)}))
    assert schema.names == tuple(names)
