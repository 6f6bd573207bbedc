from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from jaxsynth.errors import OutputError, SchemaError
from jaxsynth.schema import Column, FixedSum, FunctionalDependency, Implication, Inequality, Schema

TABLE = pa.table({"a": [1, 2, 3], "b": [2, 2, None], "c": ["x", "y", "x"], "d": ["X", "Y", "Y"]})
SCHEMA = replace(
    Schema.infer(TABLE),
    constraints=(
        Inequality(low="a", high="b"),
        Implication(when_column="c", when_value="x", then_column="d", then_value="X"),
        Implication(when_column="c", when_value="y", then_column="a", then_equals="b"),
        FunctionalDependency(determinant="c", dependent="d", mapping=(("x", "X"), ("y", "Y"))),
        FixedSum(parts=("a", "b"), total=4),
    ),
    target="c",
)


def test_json_round_trip(tmp_path: Path) -> None:
    SCHEMA.save(tmp_path / "s.json")
    assert Schema.load(tmp_path / "s.json") == SCHEMA
    assert Schema.load(tmp_path / "s.json").digest == SCHEMA.digest
    assert SCHEMA.digest != SCHEMA.declare_public().digest


def test_violations_are_counted_and_nulls_excused() -> None:
    assert SCHEMA.violations(TABLE) == {
        "a <= b": 0,
        "c = 'x' implies d = 'X'": 1,
        "c = 'y' implies a = b": 0,
        "c determines d": 1,
        "a + b = 4": 1,
    }
    strict = Inequality(low="a", high="b", strict=True)
    assert strict.violations(TABLE).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns("a"), "lacks column 'a'"),
        (lambda t: t.append_column("e", [[1, 2, 3]]), "has column 'e' not in the schema"),
        (lambda t: t.set_column(0, "a", [[1.0, 2.0, 3.0]]), "column 'a' has type double, the schema says int64"),
        (lambda t: t.set_column(0, "a", [[1, 2, None]]), "column 'a' has 1 nulls"),
        (lambda t: t.set_column(0, "a", [[1, 2, 99]]), r"column 'a' holds 99 \(1 cells outside\)"),
        (lambda t: t.set_column(2, "c", [["x", "y", "q"]]), "column 'c' holds 'q', not among its 2 levels"),
    ],
)
def test_a_table_that_disagrees_is_refused(change: object, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        SCHEMA.check(change(TABLE))  # type: ignore[operator]


NARROW = str(pa.dictionary("int8", "string"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "number"}, "kind 'number' is unknown"),
        ({"kind": "category"}, "needs levels"),
        ({"kind": "continuous", "type": "string"}, "needs a number or time"),
        ({"kind": "integer", "bounds": (3, 1)}, "are not finite numbers with low <= high"),
        ({"kind": "integer", "resolution": 0.0}, "is not a positive number"),
        ({"kind": "category", "levels": ("a", "a"), "type": "string"}, "levels repeat"),
        (
            {"kind": "category", "levels": tuple(map(str, range(129))), "type": NARROW},
            "129 levels, .* has at most 128; set a type of wider indices",
        ),
        ({"kind": "text", "type": "string"}, "is never learned"),
        ({"type": "list<item: int64>"}, "is not supported"),
    ],
)
def test_columns_that_contradict_themselves_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Column(**{"name": "x", "kind": "integer", "type": "int64", **fields})  # type: ignore[arg-type]


def test_schemas_that_contradict_themselves_are_refused() -> None:
    column = Column(name="x", kind="integer", type="int64")
    with pytest.raises(SchemaError, match="'x' is listed twice"):
        Schema(columns=(column, column))
    with pytest.raises(SchemaError, match="target names column 'y'"):
        Schema(columns=(column,), target="y")
    with pytest.raises(SchemaError, match="constraint 'x <= y' names column 'y'"):
        Schema(columns=(column,), constraints=(Inequality(low="x", high="y"),))
    with pytest.raises(SchemaError, match="exactly one of then_value and then_equals"):
        Implication(when_column="x", when_value=1, then_column="x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "not a jaxsynth schema"),
        (json.dumps({"format": "jaxsynth-schema", "version": 99}), "schema version 99"),
        (json.dumps({**SCHEMA.to_json(), "constraints": [{"rule": "magic"}]}), "constraint 'magic' is unknown"),
        (json.dumps({**SCHEMA.to_json(), "columns": [{"name": "x", "colour": 1}]}), "unknown attribute 'colour'"),
        (json.dumps({**SCHEMA.to_json(), "columns": [{"name": "x"}]}), "column 'x'"),
    ],
)
def test_files_that_are_no_schema_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(SchemaError, match=message):
        Schema.load(tmp_path / "s.json")


def test_missing_and_unwritable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="nowhere"):
        Schema.load(tmp_path / "nowhere.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        SCHEMA.save(tmp_path / "file" / "s.json")


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(SchemaError, match=r"no column 'zz'; columns are \['a', 'b', 'c', 'd'\]"):
        SCHEMA["zz"]
