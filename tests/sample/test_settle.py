"""The later stages: circles, emptied cells, borrowed rows, and the error when nothing helps."""

from __future__ import annotations

import pyarrow as pa
import pytest

from jaxsynth.errors import SchemaError
from jaxsynth.sample.rules import Projection
from jaxsynth.schema import Column, FixedSum, FunctionalDependency, Implication, Inequality, Schema
from jaxsynth.schema.constraints import Constraint

A, B, C, D = (Column(name=n, kind="integer", type="int64", bounds=(0, 9), resolution=1) for n in "abcd")
FLAG = Column(name="flag", kind="boolean", type="int64", levels=(0, 1))
DOSE = Column(name="dose", kind="boolean", type="int64", levels=(0, 1))


def project(columns: list[Column], rules: list[Constraint], cells: dict[str, list[int | None]]) -> pa.Table:
    schema = Schema(columns=tuple(columns), constraints=tuple(rules))
    batch = pa.RecordBatch.from_pydict(cells, schema.arrow)
    out = pa.Table.from_batches([Projection.build(schema).apply(batch)])
    assert sum(schema.violations(out).values()) == 0
    schema.check(out)
    return out


def test_implications_that_undo_each_other_leave_their_premises() -> None:
    rules: list[Constraint] = [
        Implication(when_column="flag", when_value=1, then_column="a", then_value=1),
        Implication(when_column="dose", when_value=1, then_column="a", then_value=2),
    ]
    out = project([FLAG, DOSE, A], rules, {"flag": [1, 1], "dose": [1, 0], "a": [5, 5]})
    assert out["flag"].to_pylist()[1] == 1
    assert out["a"].to_pylist()[1] == 1
    assert out["flag"].to_pylist()[0] + out["dose"].to_pylist()[0] < 2


LEVELS = [Column(name=n, kind="ordinal", type="int64", levels=(0, 1, 2), nullable=True) for n in "xy"]


def shift(a: str, b: str, by: int) -> FunctionalDependency:
    return FunctionalDependency(determinant=a, dependent=b, mapping=tuple((i, (i + by) % 3) for i in range(3)))


def test_a_cell_is_emptied_where_no_value_fits() -> None:
    rules: list[Constraint] = [shift("x", "y", 0), shift("x", "y", 1)]
    out = project(LEVELS, rules, {"x": [0, None], "y": [2, 2]})
    assert out["x"].to_pylist() == [0, None]
    assert out["y"].to_pylist() == [None, 2]


def test_without_a_cell_to_empty_the_error_counts_rows() -> None:
    full = [c.changed(nullable=False) for c in LEVELS]
    with pytest.raises(SchemaError, match=r"'x determines y' \(2 rows\); drop one"):
        project(full, [shift("x", "y", 0), shift("x", "y", 1)], {"x": [0, 1], "y": [2, 2]})


def test_rows_that_run_in_circles_borrow_a_row_that_holds() -> None:
    # One solution only, 5 and 5 and 5, which mending one sum after the other misses from most rows.
    rules: list[Constraint] = [FixedSum(parts=p, total=10) for p in (("a", "b"), ("b", "c"), ("a", "c"))]
    cells: dict[str, list[int | None]] = {"a": [0, 9, 4], "b": [9, 2, 4], "c": [0, 1, 4]}
    out = project([A, B, C], rules, cells)
    assert out.to_pydict() == {n: [5, 5, 5] for n in "abc"}
    assert project([A, B, C], rules, {n: v[1:2] for n, v in cells.items()}).equals(out.slice(1, 1))


def test_components_are_repaired_apart() -> None:
    rules: list[Constraint] = [Inequality(low="a", high="b"), Inequality(low="c", high="d")]
    schema = Schema(columns=(A, B, C, D), constraints=tuple(rules))
    assert [[s.name for s in c.slots] for c in Projection.build(schema).components] == [["a", "b"], ["c", "d"]]
    joined = Schema(columns=(A, B, C, D), constraints=(*rules, Inequality(low="b", high="c")))
    (component,) = Projection.build(joined).components
    assert [str(r.rule) for r in component.repairs] == ["a <= b", "c <= d", "b <= c"]
