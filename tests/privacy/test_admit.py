from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings

from jaxsynth.errors import SchemaError
from jaxsynth.privacy.admit import admit, admit_cells
from jaxsynth.schema import Column, Schema
from tests.privacy.fake_ledger import SCHEMA, tables


@given(tables())
@settings(max_examples=60, deadline=None)
def test_every_table_is_admitted_once_and_for_all(table: pa.Table) -> None:
    out = admit(table, SCHEMA)
    SCHEMA.check(out)
    assert out.num_rows == table.num_rows
    assert admit(out, SCHEMA).equals(out)
    assert out["person"].equals(table["person"])
    for column in SCHEMA.modelled:
        null = np.asarray(table[column.name].is_null())
        assert np.asarray(out[column.name].is_null())[null].all() == (column.nullable or not null.any())


@given(tables(least=1))
@settings(max_examples=40, deadline=None)
def test_no_row_has_an_influence_on_another(table: pa.Table) -> None:
    out = admit(table, SCHEMA)
    for i in range(table.num_rows):
        assert admit(table.slice(i, 1), SCHEMA).to_pylist() == out.slice(i, 1).to_pylist()


def cells_of(column: Column, cells: pa.Array) -> list[object]:
    out: list[object] = admit_cells(pa.chunked_array([cells]), column).to_pylist()
    return out


def test_where_cells_go() -> None:
    nan, inf = float("nan"), float("inf")
    lab = Column(name="x", kind="continuous", type="double", bounds=(0, 10), resolution=0.1, nullable=True)
    given_ = pa.array([-3.0, 0.04, 0.06, 99.0, nan, inf, None])
    assert cells_of(lab, given_) == [0.0, 0.0, 0.1, 10.0, None, None, None]
    assert cells_of(lab.changed(nullable=False, bounds=(0.5, 10)), given_)[3:] == [10.0, 0.5, 0.5, 0.5]
    drug = Column(name="d", kind="category", type="string", levels=("a", "OTHER"), nullable=True)
    found = pa.array(["a", "z", None])
    assert cells_of(drug, found) == ["a", "OTHER", None]
    assert cells_of(drug.changed(levels=("b", "a")), found) == ["a", None, None]
    assert cells_of(drug.changed(levels=("b", "a"), nullable=False), found) == ["a", "b", "b"]
    assert cells_of(drug.changed(nullable=False), found) == ["a", "OTHER", "a"]


def test_a_null_in_a_dictionary_is_missing() -> None:
    cells = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array(["a", None]))
    column = Column(name="d", kind="category", type=str(cells.type), levels=("OTHER", "a"), nullable=True)
    assert cells_of(column, cells) == ["a", None, None]


def test_types_and_names_are_public_and_refused() -> None:
    schema = Schema(columns=(Column(name="x", kind="integer", type="int64", bounds=(0, 1)),))
    with pytest.raises(SchemaError, match="has type"):
        admit(pa.table({"x": np.array([0.5])}), schema)
    with pytest.raises(SchemaError, match="lacks column"):
        admit(pa.table({"y": [1]}), schema)
    with pytest.raises(SchemaError, match="admits no cell"):
        admit_cells(
            pa.chunked_array([pa.array(["a"])]), Column(name="x", kind="category", type="string", levels=())
        )
