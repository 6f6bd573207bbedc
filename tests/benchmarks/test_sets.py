"""Sets are read as described from files laid out as the real ones, and halves use every row once."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from benchmarks.protocol.baselines import independent
from benchmarks.protocol.sets import halves, load


@pytest.fixture
def magic(tmp_path: Path) -> Path:
    rows = {"train": 40, "test": 10}
    for part, count in rows.items():
        numbers = {str(i): [float(i * j) for j in range(count)] for i in range(10)}
        pq.write_table(pa.table({**numbers, "10": ["g", "h"] * (count // 2)}), tmp_path / f"magic_{part}.parquet")
    columns = {"num_col_idx": list(range(9)), "cat_col_idx": [9], "target_col_idx": [10]}
    (tmp_path / "magic_columns.json").write_text(json.dumps(columns))
    return tmp_path


def test_categories_become_text_and_numbers_stay(magic: Path) -> None:
    task = load("magic", magic)
    assert (task.train.num_rows, task.holdout.num_rows, task.target) == (40, 10, "10")
    assert task.train.schema.field("9").type == pa.large_string()
    assert task.schema["9"].kind == "category"
    assert task.schema["8"].is_numeric


def test_halves_use_every_row_once(magic: Path) -> None:
    split = halves(load("magic", magic), seed=3)
    both = pa.concat_tables([split.train, split.holdout])
    assert split.train.num_rows == split.holdout.num_rows == 25
    whole = pa.concat_tables([load("magic", magic).train, load("magic", magic).holdout])
    assert both.sort_by("8").column("8").equals(whole.sort_by("8").column("8"))
    assert not halves(load("magic", magic), seed=4).train.equals(split.train)


def test_health_tables_are_split_by_seed_and_lose_empty_columns(tmp_path: Path) -> None:
    table = pa.table(
        {
            "ID": range(100),
            "Diabetes": pa.array(["Yes", "No"] * 50).dictionary_encode(),
            "Length": pa.nulls(100, pa.float64()),
            "Age": range(100),
        }
    )
    pq.write_table(table, tmp_path / "nhanes_adults.parquet")
    task = load("nhanes", tmp_path)
    assert task.train.column_names == ["Diabetes", "Age"]
    assert (task.train.num_rows, task.holdout.num_rows) == (80, 20)
    assert not set(task.train["Age"].to_pylist()) & set(task.holdout["Age"].to_pylist())
    assert load("nhanes", tmp_path).train.equals(task.train)


def test_an_unknown_set_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="set 'iris' is unknown"):
        load("iris", tmp_path)
    with pytest.raises(SystemExit, match=r"magic_columns\.json"):
        load("magic", tmp_path)


def test_independent_keeps_margins_and_loses_rows(magic: Path) -> None:
    table = load("magic", magic).train
    made = independent(table, seed=0)
    assert made.sort_by("3").column("3").equals(table.sort_by("3").column("3"))
    assert pc.sum(pc.equal(made["3"], pc.multiply(made["1"], 3.0))).as_py() < 20
