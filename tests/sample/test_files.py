from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

import jaxsynth as js
from jaxsynth.errors import ConditionError, OutputError
from jaxsynth.tables import as_table


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow"])
def test_files_hold_the_stream(synth: js.Synthesizer, tmp_path: Path, name: str) -> None:
    assert synth.write(tmp_path / "deep" / name, 5000, seed=1) == 5000
    assert as_table(tmp_path / "deep" / name).equals(synth.sample(5000, seed=1))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == [name]


def test_csv_holds_the_values(synth: js.Synthesizer, tmp_path: Path) -> None:
    synth.write(tmp_path / "out.csv", 500, seed=1)
    back, sent = as_table(tmp_path / "out.csv"), synth.sample(500, seed=1)
    assert back.column_names == sent.column_names
    assert back["age"].to_pylist() == sent["age"].to_pylist()
    assert back["grade"].to_pylist() == sent["grade"].to_pylist()
    assert back["cost"].to_pylist() == sent["cost"].to_pylist()


def test_the_format_can_be_said(synth: js.Synthesizer, tmp_path: Path) -> None:
    synth.write(tmp_path / "out", 10, seed=1, format="parquet")
    assert pq.ParquetFile(tmp_path / "out").metadata.num_rows == 10


def test_equal_seeds_write_equal_files(synth: js.Synthesizer, tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        synth.write(tmp_path / name, 3000, seed=1)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_other_libraries_read_the_stream(synth: js.Synthesizer) -> None:
    stream = synth.stream(5000, seed=1)  # noqa: F841 (DuckDB reads the variable by its name)
    counted = duckdb.sql("select count(*) from stream")
    assert counted is not None
    assert counted.fetchall() == [(5000,)]
    assert pl.DataFrame(synth.stream(5000, seed=1).read_all())["sex"].n_unique() == 2


def test_unknown_formats_and_places_are_refused_before_sampling(synth: js.Synthesizer, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot tell the format of"):
        synth.write(tmp_path / "out.xlsx", 10, seed=0)
    with pytest.raises(OutputError, match="format 'xml' is unknown"):
        synth.write(tmp_path / "out.parquet", 10, seed=0, format="xml")
    with pytest.raises(ConditionError):
        synth.write(tmp_path / "out.parquet", 10, seed=0, where={"sex": "x"})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        synth.write(tmp_path / "file" / "out.parquet", 10, seed=0)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
