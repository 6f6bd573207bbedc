"""What private peers are told of a table comes from its schema alone."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

pytest.importorskip("pandas")

import jaxsynth as js
from benchmarks.peers.cells import FLAG, MISSING, restored
from benchmarks.peers.public import Public
from tests.benchmarks.tables import TABLE


@pytest.fixture
def public(tmp_path: Path) -> Public:
    js.Schema.infer(TABLE).save(tmp_path / "schema.json")
    return Public.load(tmp_path / "schema.json")


def test_levels_and_bounds_are_those_of_the_schema(public: Public) -> None:
    assert public.levels == {
        "dead": ["0", "1", MISSING], "group": ["a", "b", MISSING], "age" + FLAG: ["no", "yes"],
    }  # fmt: skip
    assert public.bounds == {"age": (30, 50), "dose": (0.5, 3.5)}
    assert public.integers == {"age"}
    assert public.categories == ["dead", "group"]


def test_nothing_in_the_prepared_table_depends_on_other_rows(public: Public) -> None:
    whole = public.prepared(TABLE)
    assert not whole.isna().any().any()
    assert whole["age"].tolist() == [30, 30, 50, 40]
    alone = [public.prepared(TABLE.slice(i, 1)).iloc[0].to_dict() for i in range(TABLE.num_rows)]
    assert alone == whole.to_dict("records")


def test_values_outside_the_bounds_are_clipped(public: Public) -> None:
    outside = TABLE.set_column(1, "dose", pa.array([-9.0, 0.5, 3.5, 9.0]))
    assert public.prepared(outside)["dose"].tolist() == [0.5, 0.5, 3.5, 3.5]


def test_the_way_back_restores_the_table(public: Public) -> None:
    assert restored(public.prepared(TABLE), TABLE.schema, public.categories).equals(TABLE)


def test_made_up_rows_hold_every_level_and_both_bounds(public: Public) -> None:
    rows = public.example(list(public.prepared(TABLE).columns))
    assert set(rows["group"]) == {"a", "b", MISSING}
    assert (rows["age"].min(), rows["age"].max()) == (30, 50)
    assert not rows.isna().any().any()
