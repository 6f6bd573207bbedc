from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxsynth.audit.inputs import read_tables, refuse_overlap, take
from jaxsynth.errors import AuditError, TableError
from jaxsynth.schema import Schema

ROWS = pa.table({"x": [0.5, 1.5, 2.5, 3.5], "g": ["a", "b", None, "a"], "n": [1, 2, 3, 4]})


def test_cells_are_in_schema_order_whatever_the_order_of_the_table() -> None:
    schema = Schema.infer(ROWS)
    found = read_tables(ROWS.select(["n", "x", "g"]), ROWS, ROWS.select(["g", "n", "x"]), schema, threads=2)
    for cells in (found.synthetic, found.train, found.holdout):
        assert [c.to_pylist() for c in cells] == [ROWS[c.name].to_pylist() for c in schema.modelled]
    assert found.schema is schema
    assert found.threads == 2


def test_the_schema_is_that_of_the_training_rows() -> None:
    other = pa.table({"x": [9.0], "g": ["z"], "n": [7]})
    found = read_tables(other, ROWS, pa.concat_tables([other] * 4), None, threads=0)
    assert found.schema == Schema.infer(ROWS)
    assert found.synthetic[found.schema.names.index("g")].to_pylist() == ["z"]


def test_anything_that_is_a_table_is_read(tmp_path: Path) -> None:
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    pandas = pytest.importorskip("pandas")
    found = read_tables(pandas.DataFrame(ROWS.to_pydict()), tmp_path / "rows.parquet", ROWS, None, threads=0)
    assert [c.to_pylist() for c in found.synthetic] == [c.to_pylist() for c in found.train]


def test_identifiers_are_left_out() -> None:
    rows = pa.concat_tables([ROWS] * 10)
    numbered = rows.append_column("record_id", pa.array([f"MRN{i:06}" for i in range(40)]))
    found = read_tables(numbered, numbered, ROWS, None, threads=0)
    assert len(found.train) == len(found.holdout) == 3


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"synthetic": ROWS.slice(0, 0)}, r"synthetic: 0 rows, .* at least 1 \(nothing to audit\); give a larger"),
        ({"train": ROWS.slice(0, 1)}, r"train: 1 rows, .* at least 2 \(the distance ratio needs two neighbours\)"),
        ({"holdout": ROWS.slice(0, 3)}, r"holdout: 3 rows, .* at least 4 \(rows to attack, a reference and"),
        ({"holdout": ROWS.drop(["g"])}, "holdout: lacks column 'g'"),
        ({"synthetic": ROWS.set_column(0, "x", pa.array(list("abcd")))}, "synthetic: column 'x' has type string"),
    ],
)
def test_refuses(tables: dict[str, Any], message: str) -> None:
    given = {"synthetic": ROWS, "train": ROWS, "holdout": ROWS, **tables}
    with pytest.raises(AuditError, match=message):
        read_tables(given["synthetic"], given["train"], given["holdout"], Schema.infer(ROWS), threads=0)


def test_the_least_tables_are_read() -> None:
    found = read_tables(ROWS.slice(0, 1), ROWS.slice(0, 2), ROWS, None, threads=0)
    assert [len(c[0]) for c in (found.synthetic, found.train, found.holdout)] == [1, 2, 4]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["synthetic", "train", "holdout"])
def test_cells_that_are_no_numbers_are_refused(what: str, bad: float) -> None:
    tables = {"synthetic": ROWS, "train": ROWS, "holdout": ROWS}
    tables[what] = ROWS.set_column(0, "x", pa.array([0.5, bad, 2.5, 3.5]))
    with pytest.raises(TableError, match=f"{what}: column 'x' holds 1 "):
        read_tables(tables["synthetic"], tables["train"], tables["holdout"], None, threads=0)


def test_some_rows_of_every_column() -> None:
    cells = read_tables(ROWS, ROWS, ROWS, None, threads=0).train
    assert [c.to_pylist() for c in take(cells, np.array([3, 0]))] == [[3.5, 0.5], ["a", "a"], [4, 1]]


def _overlap(train: np.ndarray, holdout: np.ndarray, seed: int = 0) -> None:
    arrow = [pa.table({"x": x}) for x in (train, train, holdout)]
    refuse_overlap(
        read_tables(arrow[0], arrow[1], arrow[2], None, threads=1), int(np.isin(holdout, train).sum()), seed=seed
    )


def test_a_holdout_that_holds_training_rows_is_refused() -> None:
    rng = np.random.default_rng(0)
    train, holdout = rng.normal(size=3000), rng.normal(size=1000)
    _overlap(train, holdout)
    holdout[:10] = train[:10]
    _overlap(train, holdout)  # one in a hundred is let pass: it may be chance
    holdout[:100] = train[:100]
    with pytest.raises(
        AuditError, match=r"holdout: 100 of 1000 rows are also in train, 0.0% are expected by chance"
    ):
        _overlap(train, holdout)


def test_repetitions_by_chance_are_let_pass() -> None:
    refused = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        try:
            _overlap(rng.integers(0, 2000, 3000), rng.integers(0, 2000, 1000), seed)
        except AuditError:
            refused += 1
    assert refused <= 3


def test_copies_among_many_chance_repetitions_are_refused() -> None:
    rng = np.random.default_rng(1)
    train, holdout = rng.integers(0, 10_000, 3000), rng.integers(0, 10_000, 1000)
    with pytest.raises(AuditError, match=r"rows are also in train, 2\d\.\d% are expected by chance"):
        _overlap(train, np.concatenate([holdout[:700], train[:300]]))
